//! `cargo xtask features`: the library with other features than all of them.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::workspace::Cargo;

/// The features that are on by default.
const FEATURES: [&str; 4] = ["gpu", "pictures", "safetensors", "threads"];

/// Checks the library without features, with each alone, with all but one, and with all; and that the
/// examples and tests name the features that they need.
///
/// Warnings are errors. Nothing is built.
///
/// # Errors
///
/// When cargo cannot be started.
pub fn run() -> Result<ExitCode> {
    let alone = FEATURES.iter().map(|feature| vec![*feature]);
    let all_but = FEATURES.iter().map(|feature| {
        FEATURES.iter().copied().filter(|other| other != feature).collect::<Vec<_>>()
    });
    let combinations = alone.chain(all_but).chain([FEATURES.to_vec()]);
    let mut succeeded = check("--all-targets", &[])?;
    for features in combinations {
        succeeded &= check("--lib", &features)?;
    }
    Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
