//! `impasto fit`: trains a network on a table.

mod metrics;
mod options;
mod progress;
mod report;
mod samples;
mod table;
mod training;

pub use options::Options;

use impasto::Result;
use std::process::ExitCode;

/// Runs with these options. Returns the exit code, which is that of a signal if one ended the run early.
pub fn run(options: &Options) -> Result<ExitCode> {
    table::run(options)
}
