//! `cargo xtask valgrind`: a small run of `paint` on the CPU under valgrind's memcheck.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::install;
use crate::workspace::{Cargo, root};

/// What the run learns: every step of one, from reading the picture to the report, with each kind of output.
const RUN: &[&str] = &[
    "logo.jpg",
    "--backend",
    "cpu",
    "--threads",
    "2",
    "--max-pixels",
    "400",
    "--hidden",
    "2x8",
    "--steps",
    "4",
    "--batch",
    "100",
];

/// The outputs, in a temporary folder.
const OUTPUTS: [(&str, &str); 3] =
    [("--output", "painted.png"), ("--save", "network.safetensors"), ("--report", "report.json")];

/// The exit code where memcheck found an error, which is none of `paint`.
const FOUND: u8 = 99;

/// Builds `paint`, and runs it under memcheck: memory that is read before it is written, used after it is freed, or lost.
///
/// # Errors
///
/// When the program does not build, valgrind cannot be had, or it finds an error.
pub fn run() -> Result<()> {
    if !cfg!(target_os = "linux") {
        println!("SKIPPED: valgrind runs on Linux here.");
        return Ok(());
    }
    install::tool(&install::VALGRIND)?;
    let Some(valgrind) = install::program("valgrind") else { return Ok(()) };
    let build = ["build", "--release", "--workspace", "--example", "paint"];
    let status =
        Cargo::new().command().args(build).status().context("cannot start `cargo build`")?;
    ensure!(status.success(), "`paint` does not build");
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let mut command = Command::new(valgrind);
    command
        .current_dir(root())
        .args(["--quiet", "--leak-check=full", "--errors-for-leak-kinds=definite"])
        .args(["--show-leak-kinds=definite", "--num-callers=30"])
        .arg(format!("--error-exitcode={FOUND}"))
        .arg(root().join("target/release/examples/paint"))
        .args(RUN)
        // It does not know AVX-512.
        .env("IMPASTO_VECTORS", "avx2");
    for (option, name) in OUTPUTS {
        command.arg(option).arg(folder.path().join(name));
    }
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.code() != Some(i32::from(FOUND)), "valgrind found an error, which is above");
    ensure!(status.success(), "{command:?} failed ({status})");
    println!("valgrind found nothing");
    Ok(())
}
