//! The root of the repository, and how cargo is started there.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

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

/// Starts cargo in the root of the repository.
pub struct Cargo {
    program: OsString,
    root: PathBuf,
}

impl Cargo {
    /// The cargo that runs this chore.
    pub fn new() -> Self {
        Self { program: std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), root: root() }
    }

    /// A cargo command, not yet started.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.root);
        command
    }
}
