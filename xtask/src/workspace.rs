//! Where the repository is, and how its programs are started.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;

/// Root of the repository.
pub fn root() -> PathBuf {
    // `cargo run` sets the variable anew on each run, so a checkout that was moved after
    // this program was built is still found.
    let package = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.parent().map_or_else(|| package.clone(), Path::to_path_buf)
}

/// Whether a missing GPU adapter is an error: `IMPASTO_REQUIRE_GPU` set to anything
/// but 0.
///
/// Without it, tests that need an adapter report themselves as skipped.
pub fn gpu_is_required() -> bool {
    std::env::var_os("IMPASTO_REQUIRE_GPU").is_some_and(|value| !value.is_empty() && value != "0")
}

/// Starts cargo in the root of the repository, with the environment that graphics drivers expect.
pub struct Cargo {
    program: OsString,
    root: PathBuf,
    runtime_folder: Option<TempDir>,
}

impl Cargo {
    /// # Errors
    ///
    /// When no temporary folder can be created.
    pub fn new() -> Result<Self> {
        Ok(Self {
            program: std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
            root: root(),
            runtime_folder: runtime_folder()?,
        })
    }

    /// A cargo command, not yet started. `self` must outlive the process it becomes.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.root);
        if let Some(folder) = &self.runtime_folder {
            command.env("XDG_RUNTIME_DIR", folder.path());
        }
        command
    }
}

/// A private stand-in for `XDG_RUNTIME_DIR` where it is unset.
///
/// Mesa's software driver warns on every start without one, and containers rarely have one.
fn runtime_folder() -> Result<Option<TempDir>> {
    if !cfg!(target_os = "linux") || std::env::var_os("XDG_RUNTIME_DIR").is_some() {
        return Ok(None);
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix("impasto-runtime-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The XDG base directory specification asks for exactly this mode.
        builder.permissions(std::fs::Permissions::from_mode(0o700));
    }
    let folder =
        builder.tempdir().context("cannot create a temporary folder for the graphics driver")?;
    Ok(Some(folder))
}
