//! The command line, engine and error messages that the worked examples share.

/// `println!` for a reader that may go away (`| head -1`), which is no reason to panic.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

mod environment;

use clap::{CommandFactory, FromArgMatches, Parser};
use impasto::{Backend, Engine, Result};
use std::process::ExitCode;

/// The command line of a worked example.
#[derive(Debug, Parser)]
struct Options {
    /// Where to compute: auto (a GPU if there is one, else the CPU), gpu, cpu, or reference (f64, slow)
    #[arg(long, default_value = "auto", value_name = "ENGINE")]
    backend: Backend,
}

/// The whole `main` of an example: opens the engine that the command line asks for, prints what
/// it runs on, and lets the example `show` itself. `about` is the headline of `--help`.
pub fn run(about: &'static str, show: fn(&Engine) -> Result<()>) -> ExitCode {
    environment::prepare();
    let matches = Options::command().about(about).get_matches();
    let options = Options::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let shown = Engine::open(options.backend).and_then(|engine| {
        introduce(&engine);
        show(&engine)
    });
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error.to_string().replace(char::is_control, "?"));
            ExitCode::FAILURE
        }
    }
}

/// Prints the device that computes the numbers, and how exact they are.
fn introduce(engine: &Engine) {
    let device = engine.device();
    say!("{device}");
    for note in engine.notes() {
        say!("note: {note}");
    }
    if device.backend != Backend::Reference {
        say!("(f32: about six decimals are right; --backend reference computes in f64)");
    }
    say!();
}
