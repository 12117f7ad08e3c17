//! The checks that need a nightly compiler: `cargo xtask fuzz`, `sanitize` and `miri`. Where it is missing
//! they say so and succeed, since what they check also has tests without it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::workspace::root;

/// Aborts where memory is used that is not allocated, and where the standard library's own assertions
/// fail, which cover pointers and indices.
const ADDRESS_SANITIZER: &str = "-Zsanitizer=address -Cdebug-assertions=on";

/// Reports to libFuzzer which code runs and what is compared, as cargo-fuzz sets it.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares";

/// The most megabytes that a target may have in use, and may ask for at once. The largest picture that is
/// read takes 1 GiB in floating point.
const MEMORY: [&str; 2] = ["-rss_limit_mb=3072", "-malloc_limit_mb=1100"];

/// A cargo command of the nightly compiler, in the root of the repository.
fn nightly(arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]).args(arguments).current_dir(root());
    command
}

/// Whether this cargo command of the nightly compiler works.
fn works(arguments: &[&str]) -> bool {
    let status = nightly(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// The target that this machine compiles for.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot start `rustc`")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    line.map(str::to_owned).context("`rustc -vV` reports no host")
}

/// Runs a command to its end.
fn run(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status();
    let status = status.with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{command:?} failed ({status})");
    Ok(())
}

/// Runs every fuzz target, `seconds` each, from the seeds in `fuzz/seeds` and what was found on this machine
/// before, in `target/fuzz/corpus`.
///
/// # Errors
///
/// When a target does not build, or what it was given made it panic, leave its memory or run for long. The
/// input is then in `fuzz/artifacts`.
pub fn fuzz(seconds: u32, only: Option<&str>) -> Result<()> {
    if !works(&["--version"]) {
        println!(
            "SKIPPED: no nightly compiler (rustup toolchain install nightly). The test `hostile` changes \
             the same seeds."
        );
        return Ok(());
    }
    let host = host()?;
    let (target, folder) = (root().join("target/fuzz"), root().join("fuzz"));
    let mut build = nightly(&["build", "--release", "--bins", "--target", &host]);
    build.arg("--manifest-path").arg(folder.join("Cargo.toml")).arg("--target-dir").arg(&target);
    run(build.env("RUSTFLAGS", [COVERAGE, ADDRESS_SANITIZER, "--cfg fuzzing"].join(" ")))?;
    let mut names = Vec::new();
    for entry in fs::read_dir(folder.join("seeds")).context("cannot read fuzz/seeds")? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    names.retain(|name| only.is_none_or(|only| only == name));
    ensure!(!names.is_empty(), "there is no such target: look into fuzz/seeds");
    for name in names {
        println!("Fuzzing {name} for {seconds} s");
        let program = target.join(&host).join("release").join(&name);
        fuzz_target(&program, &name, seconds, &target.join("corpus").join(&name))
            .with_context(|| format!("{name}: the input is in fuzz/artifacts/{name}"))?;
    }
    Ok(())
}

fn fuzz_target(program: &Path, name: &str, seconds: u32, corpus: &Path) -> Result<()> {
    let artifacts = root().join("fuzz/artifacts").join(name);
    for folder in [corpus, &artifacts] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut command = Command::new(program);
    command
        .args(MEMORY)
        .args([
            "-timeout=60",
            "-max_len=65536",
            "-print_final_stats=1",
            "-print_funcs=0",
            "-verbosity=0",
        ])
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        // The first folder is where libFuzzer puts what it finds.
        .arg(corpus)
        .arg(root().join("fuzz/seeds").join(name));
    run(&mut command)
}

/// The library without the GPU engine: drivers are no part of it, and wgpu would take most of the time to build.
const WITHOUT_GPU: [&str; 3] =
    ["--no-default-features", "--features", "pictures,safetensors,threads"];

/// Runs the tests of the CPU engine, which contains unsafe code, under AddressSanitizer. With `all`, runs all tests
/// of the library but those of the GPU engine.
///
/// # Errors
///
/// When they do not build, or one fails.
pub fn sanitize(all: bool) -> Result<()> {
    if !cfg!(target_os = "linux") || !works(&["--version"]) {
        println!("SKIPPED: AddressSanitizer needs Linux and a nightly compiler here.");
        return Ok(());
    }
    // With a target named, procedural macros are built without the sanitizer.
    let mut tests = nightly(&["test", "--release", "--package", "impasto", "--lib"]);
    tests.args(WITHOUT_GPU);
    tests.args(["--target", &host()?, "--target-dir", "target/sanitize"]);
    if !all {
        tests.args(["--", "engine::cpu"]);
    }
    run(tests.env("RUSTFLAGS", ADDRESS_SANITIZER))
}

/// Runs the tests of the CPU engine's unsafe modules, and of the barrier of its threads, in Miri, which
/// interprets them without vector instructions. Sizes are smaller there (`cfg(miri)`).
///
/// # Errors
///
/// When they do not build, or one fails.
pub fn miri() -> Result<()> {
    if !works(&["miri", "--version"]) {
        println!("SKIPPED: no Miri (rustup component add miri --toolchain nightly).");
        return Ok(());
    }
    let mut tests = nightly(&["miri", "test", "--package", "impasto", "--lib"]);
    tests.args(WITHOUT_GPU);
    tests.args(["--", "engine::cpu::product", "engine::cpu::barrier", "engine::cpu::jobs"]);
    // proptest asks for the current folder.
    run(tests.env("MIRIFLAGS", "-Zmiri-disable-isolation"))
}
