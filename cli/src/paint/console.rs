//! Lines for the user: on standard output, or on standard error where standard output is one of the run's outputs.

use impasto::{Error, Result};
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Whether standard output carries an output.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// How many lines were printed.
static LINES: AtomicU64 = AtomicU64::new(0);

/// Leaves standard output to an output: lines go to standard error from now on.
pub fn leave_standard_output() {
    IS_TAKEN.store(true, Ordering::Relaxed);
}

/// Why a line could not be printed, if one could not.
static FAILURE: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a line. That it cannot be printed is no reason to lose what was learned: [`check`] reports it at the end.
pub fn print_line(line: impl Display) {
    LINES.fetch_add(1, Ordering::Relaxed);
    if IS_TAKEN.load(Ordering::Relaxed) {
        let _ = writeln!(io::stderr(), "{line}");
    } else if let Err(error) = writeln!(io::stdout(), "{line}") {
        note(error);
    }
}

/// Keeps the first error of standard output. A reader that went away (`| head -1`) is no error.
fn note(error: io::Error) {
    if error.kind() != io::ErrorKind::BrokenPipe {
        FAILURE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

/// An error if a line could not be printed on standard output.
pub fn check() -> Result<()> {
    if let Err(error) = io::stdout().flush() {
        note(error);
    }
    match FAILURE.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(source) => {
            Err(Error::File { action: "write", path: "standard output".into(), source })
        }
        None => Ok(()),
    }
}

/// Prints what a command line asks for, such as its help, or what is wrong with it. Returns the exit code.
pub fn print_answer(answer: &clap::Error) -> ExitCode {
    if answer.use_stderr() {
        let _ = answer.print();
        return ExitCode::from(2);
    }
    if let Err(error) = answer.print() {
        note(error);
    }
    check().map_or_else(|error| super::fail(&error), |()| ExitCode::SUCCESS)
}

/// How many lines were printed so far.
pub fn lines() -> u64 {
    LINES.load(Ordering::Relaxed)
}

/// Draws on the terminal of standard error.
pub fn draw(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Warns on standard error, in one line, of what does not end a run.
pub fn warn(error: &Error) {
    warn_of(format_args!("{error}: training goes on"));
}

/// Warns on standard error, in one line.
pub fn warn_of(text: impl Display) {
    let line = text.to_string().replace(char::is_control, "?");
    let _ = writeln!(io::stderr(), "warning: {line}");
}

/// Whether a bar can be drawn on standard error.
pub fn can_draw() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|kind| kind != "dumb")
}
