//! The options that say where to compute.

use crate::paint::console::print_line;
use clap::Args;
use impasto::{Backend, Engine, Options, Result};
use std::fmt::Display;

/// Where to compute.
#[derive(Args, Clone, Debug)]
pub struct Device {
    /// Where to compute: auto (a GPU if there is one, else the CPU), gpu, cpu, or reference (f64, slow)
    #[arg(long, default_value = "auto", value_name = "ENGINE")]
    pub backend: Backend,

    /// The GPU adapter whose line in `impasto adapters` has this number or contains this text [env: IMPASTO_ADAPTER,
    /// else WGPU_ADAPTER_NAME]
    #[arg(long, value_name = "TEXT")]
    pub adapter: Option<String>,

    /// Threads of the CPU engine [default: one for each core that the process may use] [env: RAYON_NUM_THREADS]
    #[arg(long, allow_negative_numbers = true)]
    pub threads: Option<usize>,

    /// Print nothing but errors
    #[arg(long, short)]
    pub quiet: bool,
}

impl Device {
    /// Opens the engine and prints what it is.
    pub fn open(&self) -> Result<Engine> {
        let options = Options {
            backend: self.backend,
            adapter: self.adapter.clone(),
            threads: self.threads,
            ..Options::default()
        };
        let engine = options.open()?;
        self.say(engine.device());
        self.notes(engine.notes());
        Ok(engine)
    }

    /// Prints a line, unless nothing is to be printed.
    pub fn say(&self, line: impl Display) {
        if !self.quiet {
            print_line(line);
        }
    }

    /// Prints lines.
    pub fn lines(&self, lines: impl IntoIterator<Item = impl Display>) {
        for line in lines {
            self.say(line);
        }
    }

    /// Prints notes.
    pub fn notes(&self, notes: impl IntoIterator<Item = impl Display>) {
        for note in notes {
            self.say(format!("note: {note}"));
        }
    }
}
