//! `cargo xtask isa`: starts the example `isa` of this package.
//!
//! The program is the example `isa` of this package, in the folder `isa`.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::workspace::Cargo;

/// Runs the program with these arguments; its exit code is the chore's.
///
/// # Errors
///
/// When cargo cannot be started.
pub fn run(arguments: &[OsString]) -> Result<ExitCode> {
    let program = Cargo::new().example("isa")?;
    let status = Command::new(&program)
        .args(arguments)
        .status()
        .with_context(|| format!("cannot start {}", program.display()))?;
    // A process that a signal ended has no code; it failed all the same.
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
