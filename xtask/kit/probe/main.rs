//! The program of the kit of `cargo xtask kit`: asks a GPU for its abilities, times empty dispatches, and
//! gathers what all stages of `xtask/kit/run.sh` found.
//!
//! Usage: `probe adapter FILE`, `probe dispatches FILE` or `probe gather FOLDER`. The first two write JSON,
//! the third reads the files of a folder and writes `gpu.json` into it.

mod device;
mod dispatches;
mod gather;
#[path = "../../src/peers/gpu.rs"]
mod gpu;
mod logs;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

/// What can go wrong here ends the program with a line.
type Outcome<T> = Result<T, Box<dyn Error>>;

fn run() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["adapter", file] => write(file, &device::adapter()?),
        ["dispatches", file] => write(file, &dispatches::measure()?),
        ["gather", folder] => gather::run(Path::new(folder)),
        _ => Err("usage: probe adapter FILE | dispatches FILE | gather FOLDER".into()),
    }
}

/// Prints JSON and writes it to a file.
fn write(file: &str, value: &impl serde::Serialize) -> Outcome<()> {
    let text = serde_json::to_string_pretty(value)? + "\n";
    print!("{text}");
    std::fs::write(file, text).map_err(|error| format!("cannot write {file}: {error}").into())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
