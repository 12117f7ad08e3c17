//! Lines for the user: on standard output, or on standard error where standard output is one of the run's outputs.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether standard output carries an output.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// Leaves standard output to an output: lines go to standard error from now on.
pub fn leave_standard_output() {
    IS_TAKEN.store(true, Ordering::Relaxed);
}

/// Prints a line. A reader that went away (`| head -1`) is no reason to lose what was learned.
pub fn print_line(line: impl Display) {
    let _ = if IS_TAKEN.load(Ordering::Relaxed) {
        writeln!(io::stderr(), "{line}")
    } else {
        writeln!(io::stdout(), "{line}")
    };
}

/// Whether a bar can be drawn on standard error.
pub fn can_draw() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|kind| kind != "dumb")
}
