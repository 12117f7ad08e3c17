//! `cargo xtask loops`: the machine code of the CPU engine's matrix products.
//!
//! The compiler writes the library as assembly, for this machine's kind of processor and for others. In a loop
//! that only multiplies and adds vectors, a sum that moves to the stack and back, or from register to register,
//! costs up to half of the speed. A new compiler or another shape of a tile can cause such moves, and no test of
//! results notices them.

mod native;
mod wasm;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use crate::workspace::{Cargo, root};
use native::Native;
use wasm::Wasm;

/// Options of `cargo xtask loops`.
#[derive(clap::Args)]
pub struct Options {
    /// The kinds of processor to compile for [default: those whose standard library is installed]
    #[arg(long, value_delimiter = ',')]
    targets: Vec<Processor>,
}

/// A kind of processor.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Processor {
    /// AVX2 and AVX-512
    #[value(name = "x86-64")]
    X86,
    /// NEON
    Aarch64,
    /// SIMD128 and relaxed SIMD
    Wasm32,
}

/// A kind of vector instructions, and the multiplications and additions in the loop of its largest tile.
struct Vectors {
    name: &'static str,
    language: Language,
    largest: usize,
}

/// How its assembly is read.
enum Language {
    Native(Native),
    Wasm(Wasm),
}

impl Processor {
    /// Linux, wherever this runs, since other systems have assembly of another form.
    fn target(self) -> &'static str {
        match self {
            Self::X86 => "x86_64-unknown-linux-gnu",
            Self::Aarch64 => "aarch64-unknown-linux-gnu",
            Self::Wasm32 => "wasm32-unknown-unknown",
        }
    }

    /// The library's features.
    fn features(self) -> &'static str {
        match self {
            Self::X86 | Self::Aarch64 => "threads",
            // With it, the module has the loops of both kinds.
            Self::Wasm32 => "relaxed-simd",
        }
    }

    /// The vector instructions that its assembly has.
    fn vectors(self) -> Vec<Vectors> {
        let vectors = |name, language, largest| Vectors { name, language, largest };
        let native = Language::Native;
        match self {
            // A tile of 6 × 2 vectors with 16 registers, of 8 × 3 with 32.
            Self::X86 => vec![
                vectors("AVX2", native(Native::X86 { register: "ymm" }), 12),
                vectors("AVX-512", native(Native::X86 { register: "zmm" }), 24),
            ],
            Self::Aarch64 => vec![vectors("NEON", native(Native::Aarch64), 24)],
            // 3 × 3.
            Self::Wasm32 => vec![
                vectors("SIMD128", Language::Wasm(Wasm { relaxed: false }), 9),
                vectors("relaxed SIMD", Language::Wasm(Wasm { relaxed: true }), 9),
            ],
        }
    }
}

/// A loop of products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Loop {
    products: usize,
    instructions: usize,
    /// Copies from a vector register to another.
    moves: usize,
    /// Instructions that read or write the stack; in WebAssembly, those that write a vector to memory.
    stack: usize,
    calls: usize,
}

/// Loops, each with the number of times that it occurs.
type Loops = BTreeMap<Loop, usize>;

/// Compiles the CPU engine to assembly and prints its loops of products. Fails where one of them moves a
/// vector between registers, uses the stack or calls a function.
///
/// # Errors
///
/// When the library does not compile, the loops are not found, or the standard library of a processor that was
/// asked for is not installed.
pub fn run(options: &Options) -> Result<ExitCode> {
    let mut clean = true;
    let all = Processor::value_variants();
    let asked = if options.targets.is_empty() { all } else { &options.targets };
    for processor in asked {
        let target = processor.target();
        if !has_standard_library(target) {
            let missing = format!("no standard library (rustup target add {target})");
            ensure!(options.targets.is_empty(), "{target}: {missing}");
            println!("SKIPPED: the loops for {target}: {missing}");
            continue;
        }
        let files = compile(*processor)?;
        for vectors in processor.vectors() {
            let mut loops = Loops::new();
            for assembly in &files {
                let found = match &vectors.language {
                    Language::Native(native) => native.loops(assembly),
                    Language::Wasm(wasm) => wasm.loops(assembly),
                };
                for (one, times) in found {
                    *loops.entry(one).or_default() += times;
                }
            }
            clean &= report(&vectors, &loops)?;
        }
    }
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints the loops; whether all of them keep their sums in place.
fn report(vectors: &Vectors, loops: &Loops) -> Result<bool> {
    println!("{}: {} loops of products", vectors.name, loops.values().sum::<usize>());
    println!(
        "{:>8} {:>12} {:>6} {:>6} {:>6} {:>6}",
        "products", "instructions", "moves", "stack", "calls", "times"
    );
    let mut clean = true;
    for (one, times) in loops {
        let Loop { products, instructions, moves, stack, calls } = one;
        clean &= moves + stack + calls == 0;
        println!("{products:>8} {instructions:>12} {moves:>6} {stack:>6} {calls:>6} {times:>6}");
    }
    ensure!(
        loops.keys().any(|found| found.products == vectors.largest),
        "there is no loop of {} products for {}: if the largest tile has changed, change \
         xtask/src/loops.rs too",
        vectors.largest,
        vectors.name
    );
    if !clean {
        println!("FAILED: a loop for {} does not keep its sums in place", vectors.name);
    }
    Ok(clean)
}

/// Whether the compiler can compile for `target`.
fn has_standard_library(target: &str) -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let asked = Command::new(rustc).args(["--print", "target-libdir", "--target", target]).output();
    asked.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).exists())
}

/// The library's assembly, written anew: the text of each file.
fn compile(processor: Processor) -> Result<Vec<String>> {
    // A folder of its own, so that no other build is repeated. Without the GPU engine it takes little time.
    let folder = root().join("target/loops");
    let target = processor.target();
    let assembly = folder.join(target).join("release/deps");
    for old in assembly_files(&assembly) {
        fs::remove_file(&old).with_context(|| format!("cannot remove {}", old.display()))?;
    }
    let to = ["--release", "--package", "impasto", "--target", target];
    // Cargo does not know of the files, so it would not write them again.
    cargo(&[&["clean"], &to[..]].concat(), &folder, &[])?;
    let features = ["--lib", "--no-default-features", "--features", processor.features()];
    // In one unit, as the release profile says for this package.
    let emit = ["--", "--emit=asm", "-Ccodegen-units=1"];
    cargo(&[&["rustc"], &to[..], &features].concat(), &folder, &emit)?;
    let files = assembly_files(&assembly);
    ensure!(!files.is_empty(), "the compiler wrote no assembly into {}", assembly.display());
    let read = |path: &PathBuf| {
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
    };
    files.iter().map(read).collect()
}

/// The library's files of assembly in a folder, if there are any.
fn assembly_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_one = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("impasto-") && name.ends_with(".s")
    };
    paths.filter(is_one).collect()
}

/// Runs cargo with this target folder.
fn cargo(arguments: &[&str], folder: &Path, last: &[&str]) -> Result<()> {
    let mut command = Cargo::new().command();
    command.args(arguments).arg("--quiet").arg("--target-dir").arg(folder).args(last);
    // As `cargo xtask web` compiles it.
    command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", crate::web::FLAGS);
    let status = command.status().context("cannot start cargo")?;
    ensure!(status.success(), "`cargo {}` failed", arguments.join(" "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_does_not_keep_its_sums_in_place_fails() {
        let language = Language::Native(Native::Aarch64);
        let vectors = Vectors { name: "NEON", language, largest: 24 };
        let clean = Loop { products: 24, instructions: 40, ..Loop::default() };
        let passes = |one: Loop| report(&vectors, &Loops::from([(clean, 1), (one, 1)])).unwrap();
        assert!(passes(Loop { products: 4, ..clean }));
        assert!(!passes(Loop { moves: 1, ..clean }));
        assert!(!passes(Loop { stack: 1, ..clean }));
        assert!(!passes(Loop { calls: 1, ..clean }));
        let small = Loop { products: 4, ..clean };
        assert!(report(&vectors, &Loops::from([(small, 1)])).is_err(), "the largest is not there");
    }
}
