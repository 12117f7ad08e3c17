//! `cargo xtask test`: installs what is missing, then runs every test.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use crate::install;
use crate::matrices;
use crate::web;
use crate::workspace::{Cargo, gpu_is_required, root};

/// Runs the unit, integration and documentation tests of every package in the repository.
///
/// Optimized, because many tests train networks, and with checks of overflow. The exit code is that of `cargo test`.
///
/// # Errors
///
/// When cargo cannot be started, or the Vulkan driver or a program that tests use is required and cannot
/// be had, and when what mixed precision is tested on cannot be fetched.
pub fn run(cargo_arguments: &[String]) -> Result<ExitCode> {
    install::vulkan_driver()?;
    install::tool(&install::SPIRV_VALIDATOR)?;
    if cfg!(target_os = "linux") {
        install::tool(&install::STRACE)?;
    }
    let cargo = Cargo::checked();
    let status = cargo
        .command()
        .args(["test", "--release", "--workspace"])
        .args(cargo.checks())
        .args(cargo_arguments)
        .status()
        .context("cannot start `cargo test`")?;
    if status.success() && cargo_arguments.is_empty() {
        matrices::test()?;
        outside()?;
        page()?;
    }
    // A process that a signal ended has no code; it failed all the same.
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The tests of `tests/outside`, a package that uses the library as any other package does. It is built without
/// optimization, in a folder of its own, since a package has its own profiles and features. Its dependencies have the
/// versions of the workspace.
fn outside() -> Result<()> {
    let folder = root().join("tests/outside");
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock"))
        .context("cannot copy Cargo.lock")?;
    let status = Cargo::new()
        .command()
        .args(["test", "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(root().join("target/outside"))
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_INCREMENTAL", "0")
        .status()
        .context("cannot start `cargo test`")?;
    ensure!(status.success(), "the tests of {} failed", folder.display());
    Ok(())
}

/// The tests of the page. What they need beside Rust is installed on Debian and Ubuntu; where it is not
/// to be had, that is said, and is an error only where everything is required.
fn page() -> Result<()> {
    match web::test() {
        Err(error) if !gpu_is_required() && error.downcast_ref::<web::Missing>().is_some() => {
            println!("SKIPPED: the tests of the page. {error:#}");
            Ok(())
        }
        other => other,
    }
}
