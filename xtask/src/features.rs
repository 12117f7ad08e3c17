//! `cargo xtask features`: the library with other features than all of them.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::workspace::{Cargo, UNITS};

/// The features that are on by default.
const FEATURES: [&str; 4] = ["gpu", "pictures", "safetensors", "threads"];

/// Checks the library without features, with each alone, and with all but one; and that the
/// examples and tests name the features that they need.
///
/// Warnings are errors. Then runs the unit tests without the features that are on by default.
///
/// # Errors
///
/// When cargo cannot be started.
pub fn run() -> Result<ExitCode> {
    let alone = FEATURES.iter().map(|feature| vec![*feature]);
    let all_but = FEATURES.iter().map(|feature| {
        FEATURES.iter().copied().filter(|other| other != feature).collect::<Vec<_>>()
    });
    let combinations = alone.chain(all_but).chain([vec!["ndarray", "exr"]]);
    let mut succeeded = check("--all-targets", &[])?;
    for features in combinations {
        succeeded &= check("--lib", &features)?;
    }
    succeeded &= test_alone()?;
    Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether the unit tests pass without the features that are on by default.
fn test_alone() -> Result<bool> {
    let status = Cargo::new()
        .command()
        .args(["test", "--release", "--package", "impasto", "--lib"])
        // These are few tests, which take less time than the compiler.
        .args(["--config", UNITS])
        .args(["--no-default-features", "--features", "ndarray"])
        .status()
        .context("cannot start `cargo test`")?;
    Ok(status.success())
}

/// Whether `targets` of the library are free of warnings with these features.
fn check(targets: &str, features: &[&str]) -> Result<bool> {
    let features = features.join(",");
    println!("features: {}", if features.is_empty() { "none" } else { &features });
    let status = Cargo::new()
        .command()
        .args(["clippy", "--quiet", "--release", "--package", "impasto", targets])
        .args(["--no-default-features", "--features", &features])
        .args(["--", "-D", "warnings"])
        .status()
        .context("cannot start `cargo clippy`")?;
    Ok(status.success())
}
