//! `cargo xtask package`: whether the library can be published.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::workspace::{Cargo, root};

/// Packs the library as `cargo publish` does, and checks what was packed where it sees nothing else of the repository.
///
/// `cargo publish --dry-run` would compile it without optimization, and with it everything it depends on. This shares
/// what clippy has checked.
///
/// # Errors
///
/// When it cannot be packed, or what was packed does not compile.
pub fn run() -> Result<()> {
    let folder = root().join("target/package");
    for old in packed(&folder) {
        let removed = if old.is_dir() { fs::remove_dir_all(&old) } else { fs::remove_file(&old) };
        removed.with_context(|| format!("cannot remove {}", old.display()))?;
    }
    let cargo = Cargo::new();
    let mut pack = cargo.command();
    pack.args(["package", "--package", "impasto", "--no-verify", "--allow-dirty"]);
    pack.args(["--target-dir", "target"]);
    succeed(&mut pack)?;
    let archive = packed(&folder).into_iter().next().context("cargo packed nothing")?;
    let mut unpack = Command::new("tar");
    succeed(unpack.arg("-xzf").arg(&archive).arg("-C").arg(&folder))?;
    let mut check = cargo.command();
    check.args(["check", "--release", "--locked", "--target-dir", "target", "--manifest-path"]);
    // `impasto-0.1.0.crate` → `impasto-0.1.0`.
    succeed(check.arg(archive.with_extension("").join("Cargo.toml")))
}

/// The archives and what was unpacked of them.
fn packed(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_packed = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("impasto-")
    };
    entries.map(|entry| entry.path()).filter(is_packed).collect()
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status();
    let status = status.with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{command:?} failed ({status})");
    Ok(())
}
