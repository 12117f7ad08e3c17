//! The commands of `cargo xtask`.
//!
//! The commands are in Rust rather than shell so that they work alike on Linux, macOS and Windows.
//! Keep the tests of this package inside its modules: an integration test would make
//! `cargo test` rebuild the very binary that is running it, which Windows refuses.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on should stop"))]

mod examples;
mod features;
mod files;
mod guide;
mod install;
mod kit;
mod logo;
mod loops;
mod matrices;
mod memory;
mod nightly;
mod outline;
mod package;
mod peers;
mod program;
mod reference;
mod test;
mod valgrind;
mod vulkan;
mod web;
mod workspace;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about = "Chores of the impasto project")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Install what the GPU tests need (a driver, the validator of SPIR-V), then run every test
    Test {
        /// Passed on to `cargo test`, for example `-- --test fixtures`
        #[arg(last = true)]
        cargo_arguments: Vec<String>,
    },
    /// Run every program in examples/ for a moment, on every engine that is there
    Examples,
    /// Check the library with other features than all of them
    Features,
    /// Write docs/files.md, the table of all source files
    Files {
        /// Write nothing; fail if the page is stale
        #[arg(long)]
        check: bool,
    },
    /// Search for input that makes a reader of files or text panic (needs a nightly compiler)
    Fuzz {
        /// How long each target runs
        #[arg(long, value_name = "N", default_value_t = 60)]
        seconds: u32,
        /// The only target to run, a folder in fuzz/seeds [default: all]
        target: Option<String>,
    },
    /// Build the guide in docs/guide as a book in target/guide, and check its links
    Guide,
    /// Compile the kernels for AMD's GPUs, none of which need be there, and report their cost
    #[command(disable_help_flag = true)]
    Isa {
        /// Passed on; `cargo xtask isa --help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Fill a folder that checks and times a GPU on a machine without Rust, network or Vulkan loader
    Kit(kit::Options),
    /// Draw logo.jpg
    Logo {
        /// Where to write it [default: logo.jpg in the root of the repository]
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// Read the machine code of the CPU engine's products, and fail where a sum leaves its register
    Loops(loops::Options),
    /// Test mixed precision on Mesa 26's llvmpipe, which is fetched into target/mesa
    Matrices,
    /// Measure the memory that `paint` takes for a large picture, and fail if it is too much
    Memory(memory::Options),
    /// Run the tests of the CPU engine's unsafe code in Miri, where it is installed
    Miri,
    /// Pack the library as it is published, and check what was packed
    Package,
    /// Measure Impasto beside scikit-learn, PyTorch, Burn and Candle, and write BENCHMARKS.md
    Peers(peers::Options),
    /// Measure how well networks learn pictures, and write docs/benchmarks/quality.md and BENCHMARKS.md
    Quality(peers::QualityOptions),
    /// Write docs/reference.md, which lists every activation, loss, optimizer, schedule and encoding
    Reference {
        /// Write nothing; fail if the page is stale
        #[arg(long)]
        check: bool,
    },
    /// Run the tests of the CPU engine under AddressSanitizer (needs a nightly compiler)
    Sanitize {
        /// Run all tests of the library that need no GPU
        #[arg(long)]
        all: bool,
    },
    /// Measure what training costs as pictures and networks grow, and write BENCHMARKS.md
    Scaling(peers::ScalingOptions),
    /// Train, predict, save and resume for minutes, and fail if memory, threads or open files grow
    #[command(disable_help_flag = true)]
    Soak {
        /// Passed on; `cargo xtask soak --help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Run a small painting on the CPU under valgrind, which is installed if it can be
    Valgrind,
    /// Build the page and the npm package: the engine as WebAssembly
    Web(web::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().chore {
        Chore::Test { cargo_arguments } => test::run(&cargo_arguments),
        Chore::Examples => examples::run().map(|()| ExitCode::SUCCESS),
        Chore::Features => features::run(),
        Chore::Files { check } => files::run(check),
        Chore::Fuzz { seconds, target } => {
            nightly::fuzz(seconds, target.as_deref()).map(|()| ExitCode::SUCCESS)
        }
        Chore::Guide => guide::run().map(|()| ExitCode::SUCCESS),
        Chore::Isa { arguments } => program::run("isa", &arguments),
        Chore::Kit(options) => kit::run(&options).map(|()| ExitCode::SUCCESS),
        Chore::Logo { output } => logo::write(output).map(|()| ExitCode::SUCCESS),
        Chore::Loops(options) => loops::run(&options),
        Chore::Matrices => matrices::test().map(|()| ExitCode::SUCCESS),
        Chore::Memory(options) => memory::run(&options).map(|()| ExitCode::SUCCESS),
        Chore::Package => package::run().map(|()| ExitCode::SUCCESS),
        Chore::Miri => nightly::miri().map(|()| ExitCode::SUCCESS),
        Chore::Sanitize { all } => nightly::sanitize(all).map(|()| ExitCode::SUCCESS),
        Chore::Soak { arguments } => program::run("soak", &arguments),
        Chore::Valgrind => valgrind::run().map(|()| ExitCode::SUCCESS),
        Chore::Peers(options) => peers::run(&options).map(|()| ExitCode::SUCCESS),
        Chore::Quality(options) => peers::run_quality(&options).map(|()| ExitCode::SUCCESS),
        Chore::Reference { check } => reference::run(check),
        Chore::Web(options) => web::run(&options).map(|()| ExitCode::SUCCESS),
        Chore::Scaling(options) => peers::run_scaling(&options).map(|()| ExitCode::SUCCESS),
    };
    // Returned from `main`, an error would bring a stack trace where RUST_BACKTRACE is set, and
    // none of these errors is a fault of this program.
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
