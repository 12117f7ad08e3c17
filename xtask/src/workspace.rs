//! The root of the repository, and how cargo is started there.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

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

/// The packages whose arithmetic is checked in tests.
const CHECKED: [&str; 3] = ["impasto", "impasto-cli", "impasto-web"];

/// The units that the library is compiled in for tests.
pub const UNITS: &str = "profile.release.package.impasto.codegen-units=16";

/// Starts cargo in the root of the repository.
pub struct Cargo {
    program: OsString,
    root: PathBuf,
    is_checked: bool,
}

impl Cargo {
    /// The cargo that runs this chore.
    pub fn new() -> Self {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Self { program, root: root(), is_checked: false }
    }

    /// One that builds the packages of the workspace with checks of overflow, as all tests do.
    pub fn checked() -> Self {
        Self { is_checked: true, ..Self::new() }
    }

    /// The arguments of a build that follow from [`checked`](Self::checked).
    pub fn checks(&self) -> Vec<String> {
        if !self.is_checked {
            return Vec::new();
        }
        let check = |name| format!("profile.release.package.{name}.overflow-checks=true");
        // Tests need not be as fast as can be, and two units are compiled at once.
        let settings = CHECKED.iter().map(check).chain([UNITS.into()]);
        settings.flat_map(|setting| ["--config".into(), setting]).collect()
    }

    /// A cargo command, not yet started.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.root);
        command
    }

    /// Builds a program of this workspace, with arguments such as `["build", "--example"]` before its name, and returns
    /// where cargo put it.
    ///
    /// The packages are always all of the workspace: for others, cargo would choose other features of what they
    /// depend on, and build wgpu once more.
    ///
    /// # Errors
    ///
    /// When it does not build.
    pub fn program(&self, arguments: &[&str], name: &str) -> Result<PathBuf> {
        let output = self
            .command()
            .args(arguments)
            .args(["--release", "--workspace", "--quiet"])
            .args(self.checks())
            .args(["--message-format", "json-render-diagnostics"])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context("cannot start cargo")?;
        ensure!(output.status.success(), "{name} does not build");
        // Wherever the user has cargo put it.
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|message| message["target"]["name"] == name)
            .find_map(|message| message["executable"].as_str().map(PathBuf::from))
            .context("cargo does not report where it put the program")
    }

    /// Builds an example of a package of this workspace, and returns where cargo put it.
    ///
    /// # Errors
    ///
    /// When it does not build.
    pub fn example(&self, name: &str) -> Result<PathBuf> {
        self.program(&["build", "--example", name], name)
    }
}
