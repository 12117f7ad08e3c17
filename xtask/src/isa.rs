//! `cargo xtask isa`: starts the example `isa` of this package.
//!
//! The program is the example `isa` of this package, in the folder `isa`.

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::workspace::Cargo;

/// Runs the program with these arguments; its exit code is the chore's.
///
/// # Errors
///
/// When cargo cannot be started.
pub fn run(arguments: &[OsString]) -> Result<ExitCode> {
    let cargo = Cargo::new();
    let status = cargo
        .command()
        // File names are relative to the user's current folder.
        .current_dir(env::current_dir().context("cannot find the current folder")?)
        .args(["run", "--release", "--quiet", "--package", "xtask", "--example", "isa", "--"])
        .args(arguments)
        .status()
        .context("cannot start `cargo run`")?;
    // A process that a signal ended has no code; it failed all the same.
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
