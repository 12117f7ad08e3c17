//! The program `impasto`: pictures as networks, on the command line.
//!
//! ```sh
//! cargo install --path cli
//! impasto paint logo.jpg
//! ```

#[path = "../../examples/common/environment.rs"]
mod environment;
mod paint;

use clap::{CommandFactory, FromArgMatches, Parser};
use std::process::ExitCode;

/// Trains multilayer perceptrons on pictures, on a GPU or on the CPU.
#[derive(Debug, Parser)]
#[command(name = "impasto", version)]
enum Task {
    Paint(Box<paint::Options>),
    /// List the GPU's adapters, as `impasto paint --list-adapters` does
    Adapters,
}

fn main() -> ExitCode {
    environment::prepare();
    let mut command = Task::command().mut_subcommand("paint", |paint| {
        paint.override_usage(paint::Options::usage("impasto paint"))
    });
    let matches = command.get_matches_mut();
    match Task::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()) {
        Task::Paint(options) => {
            let paint = command.find_subcommand_mut("paint");
            paint.map_or(ExitCode::FAILURE, |paint| paint::run(&options, paint))
        }
        Task::Adapters => {
            paint::list_adapters();
            ExitCode::SUCCESS
        }
    }
}
