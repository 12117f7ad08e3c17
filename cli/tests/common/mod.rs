//! Runs the program `impasto` in tests.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program with these arguments, which are separated by spaces, in a folder.
pub fn command(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_impasto"));
    command.args(arguments.split_whitespace()).current_dir(folder);
    command
}

/// What it did.
pub fn impasto(folder: &Path, arguments: &str) -> Output {
    command(folder, arguments).output().expect("started")
}

/// What it did with this on standard input.
pub fn impasto_with(folder: &Path, arguments: &str, input: &[u8]) -> Output {
    let mut command = command(folder, arguments);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("started");
    // It may end before it has read all.
    let _ = child.stdin.take().expect("piped").write_all(input);
    child.wait_with_output().expect("ended")
}

/// What it printed, after success and without an error.
pub fn printed(folder: &Path, arguments: &str) -> String {
    let output = impasto(folder, arguments);
    assert_eq!(text(&output.stderr), "", "{arguments}");
    assert!(output.status.success(), "{arguments}");
    text(&output.stdout).into()
}

/// The one line of its error.
pub fn refused(folder: &Path, arguments: &str) -> String {
    let output = impasto(folder, arguments);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments}: {error}");
    assert!(error.starts_with("error: ") && error.lines().count() == 1, "{arguments}: {error}");
    error.trim_start_matches("error: ").trim_end().into()
}

/// Its output is text.
pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}
