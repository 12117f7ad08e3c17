//! The program `impasto`: networks of pictures, tables, sounds and shapes, on the command line.
//!
//! ```sh
//! cargo install --path cli
//! impasto paint logo.jpg
//! impasto fit houses.csv --target price
//! ```

mod bench;
mod engine;
#[path = "../../examples/common/environment.rs"]
mod environment;
mod fit;
mod info;
mod manual;
mod output;
mod paint;
mod predict;
mod repaint;
mod shape;
mod sound;
mod table;
mod wav;

use clap::{Command, CommandFactory, FromArgMatches, Parser};
use std::process::ExitCode;

/// Trains multilayer perceptrons on pictures, tables, sounds and shapes, on a GPU or on the CPU.
#[derive(Debug, Parser)]
#[command(name = "impasto", version)]
enum Task {
    Paint(Box<paint::Options>),
    Fit(Box<fit::Options>),
    Predict(predict::Options),
    Repaint(repaint::Options),
    Info(info::Options),
    Bench(bench::Options),
    /// List the GPU's adapters, as `impasto paint --list-adapters` does
    Adapters,
    Completions(manual::Completions),
    Man(manual::Manual),
}

fn main() -> ExitCode {
    environment::prepare();
    paint::allocator::prepare();
    paint::signals::write_past_limits_as_errors();
    let mut command = command();
    let read = command.try_get_matches_from_mut(std::env::args_os());
    let task = match read.and_then(|matches| Task::from_arg_matches(&matches)) {
        Ok(task) => task,
        Err(answer) => return paint::print_answer(&answer),
    };
    let done = match task {
        Task::Paint(options) => {
            let paint = command.find_subcommand_mut("paint");
            return paint.map_or(ExitCode::FAILURE, |paint| paint::run(&options, paint));
        }
        Task::Fit(options) => fit::run(&options),
        Task::Predict(options) => predict::run(&options),
        Task::Repaint(options) => return repaint::run(&options),
        Task::Info(options) => info::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Adapters => {
            paint::list_adapters();
            Ok(ExitCode::SUCCESS)
        }
        Task::Completions(options) => manual::complete(&options, &mut command),
        Task::Man(options) => manual::write(&options, &command),
    };
    let code = done.unwrap_or_else(|error| paint::fail(&error));
    paint::console::check().map_or_else(|error| paint::fail(&error), |()| code)
}

/// The command line.
fn command() -> Command {
    Task::command().mut_subcommand("paint", |paint| {
        paint.override_usage(paint::Options::usage("impasto paint"))
    })
}
