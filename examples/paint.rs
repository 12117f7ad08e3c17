//! Trains a network that maps a pixel's place to its color, and repaints the picture with it.
//!
//! ```sh
//! cargo run --release --example paint -- logo.jpg
//! ```
//!
//! The same program as `impasto paint`. Its source is in `cli/src/paint`.

#[path = "common/environment.rs"]
mod environment;
// Not a dependency: a cycle of `impasto`, `impasto-cli` and `impasto` again would turn on the default features in
// `cargo xtask features`.
#[path = "../cli/src/paint/mod.rs"]
mod paint;

use clap::{CommandFactory, Parser};
use paint::Options;
use std::process::ExitCode;

fn main() -> ExitCode {
    environment::prepare();
    match Options::try_parse() {
        Ok(options) => paint::run(&options, &mut Options::command()),
        Err(answer) => paint::print_answer(&answer),
    }
}
