//! `cargo xtask reference`: writes `docs/reference.md`, `docs/config.schema.json` and the table in `docs/config.md`.
//!
//! They are written and checked by tests of the library, so that this program does not depend
//! on the library.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::workspace::Cargo;

/// Writes the files, or with `check` fails where they differ from the library's tables.
///
/// # Errors
///
/// When cargo cannot be started.
pub fn run(check: bool) -> Result<ExitCode> {
    let cargo = Cargo::checked();
    let status = cargo
        .command()
        // As `cargo xtask test` builds it, so that both share one build.
        .args(["test", "--release", "--quiet", "--workspace", "--test", "reference_page"])
        .args(cargo.checks())
        .env("IMPASTO_WRITE_REFERENCE", if check { "0" } else { "1" })
        .status()
        .context("cannot start `cargo test`")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
