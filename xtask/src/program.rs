//! The chores that are examples of this package, since they need the library: `isa` and `soak`.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::workspace::Cargo;

/// Runs the example of this name with these arguments; its exit code is the chore's.
///
/// # Errors
///
/// When cargo cannot be started.
pub fn run(name: &str, arguments: &[OsString]) -> Result<ExitCode> {
    let program = Cargo::new().example(name)?;
    let status = Command::new(&program)
        .args(arguments)
        .status()
        .with_context(|| format!("cannot start {}", program.display()))?;
    // A process that a signal ended has no code; it failed all the same.
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
