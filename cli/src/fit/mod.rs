//! `impasto fit`: trains a network on a table, a sound or a shape.

mod metrics;
mod options;
mod progress;
mod report;
mod samples;
mod shape;
mod sound;
mod table;
mod training;

pub use options::Options;

use crate::paint::console;
use crate::paint::streams::{self, is_standard};
use impasto::Result;
use std::process::ExitCode;

/// Runs with these options. Returns the exit code, which is that of a signal if one ended the run early.
pub fn run(options: &Options) -> Result<ExitCode> {
    options.check()?;
    let file = options.file();
    let outputs = [Some(&file), options.report.as_ref()];
    if outputs.into_iter().flatten().any(|path| is_standard(path)) {
        console::leave_standard_output();
    }
    let outputs = [("the network", Some(&file)), ("the report", options.report.as_ref())];
    // Until the run is over.
    let _reservation = streams::reserve([("the data", Some(&options.data))], outputs)?;
    let is = |kinds: &[&str]| {
        let ending = options.data.extension().unwrap_or_default();
        kinds.iter().any(|kind| ending.eq_ignore_ascii_case(kind))
    };
    if is(&["wav"]) {
        sound::run(options)
    } else if is(&["obj", "stl"]) {
        shape::run(options)
    } else {
        table::run(options)
    }
}
