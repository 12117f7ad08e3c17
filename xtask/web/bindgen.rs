//! Writes the JavaScript that loads the WebAssembly module.
//!
//! What the `wasm-bindgen` command does, without installing it; an example of `xtask`, so that only
//! `cargo xtask web` builds it.

use std::process::ExitCode;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let module = arguments.next().context("which module?")?;
    let folder = arguments.next().context("into which folder?")?;
    Bindgen::new()
        .input_path(&module)
        .web(true)?
        .typescript(true)
        .out_name("impasto")
        .generate(&folder)
        .with_context(|| format!("cannot bind {}", module.display()))
}
