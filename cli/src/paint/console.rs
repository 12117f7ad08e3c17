//! Lines for the user: on standard output, or on standard error where standard output is one of the run's outputs.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Whether standard output carries an output.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// How many lines were printed.
static LINES: AtomicU64 = AtomicU64::new(0);

/// Leaves standard output to an output: lines go to standard error from now on.
pub fn leave_standard_output() {
    IS_TAKEN.store(true, Ordering::Relaxed);
}

/// Prints a line. A reader that went away (`| head -1`) is no reason to lose what was learned.
pub fn print_line(line: impl Display) {
    LINES.fetch_add(1, Ordering::Relaxed);
    let _ = if IS_TAKEN.load(Ordering::Relaxed) {
        writeln!(io::stderr(), "{line}")
    } else {
        writeln!(io::stdout(), "{line}")
    };
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
pub fn warn(error: &impasto::Error) {
    let line = error.to_string().replace(char::is_control, "?");
    let _ = writeln!(io::stderr(), "warning: {line}: training goes on");
}

/// Whether a bar can be drawn on standard error.
pub fn can_draw() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|kind| kind != "dumb")
}
