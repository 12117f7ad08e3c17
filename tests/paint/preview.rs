//! `--preview`: the painting in the terminal.

use crate::studio::{Studio, quick};
use std::process::Command;

/// What the program writes to a terminal of 80 columns and 24 rows; `None` where there is no program that makes one.
fn in_terminal(studio: &Studio, colors: &str, arguments: &str) -> Option<String> {
    let program = crate::common::example("paint");
    let command = format!("stty cols 80 rows 24; {} {}", program.display(), quick(arguments));
    let mut script = Command::new("script");
    script.args(["-qec", &command, "/dev/null"]).current_dir(studio.path(""));
    script.env("TERM", "xterm-256color").env("COLORTERM", colors).env("IMPASTO_CACHE", "");
    script.env_remove("NO_COLOR").env_remove("CLICOLOR").stdin(std::process::Stdio::null());
    let output = script.output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    Some(text)
}

#[test]
fn a_terminal_shows_the_painting_in_half_blocks() {
    if !cfg!(target_os = "linux") {
        return; // `script` has other options
    }
    let studio = Studio::with_picture();
    for (colors, code) in [("truecolor", "\u{1b}[38;2;"), ("", "\u{1b}[38;5;")] {
        let Some(text) = in_terminal(&studio, colors, "picture.png --preview") else {
            println!("SKIPPED: there is no `script`");
            return;
        };
        assert!(text.contains(code), "{text:?}");
        // 24×18 in at most 18 rows: 36 pixels high, 48 wide.
        let rows: Vec<&str> = text.lines().filter(|line| line.contains('▀')).collect();
        assert_eq!(rows.len(), 18, "{text:?}");
        assert!(rows.iter().all(|row| row.matches('▀').count() == 48), "{text:?}");
        assert!(rows.iter().all(|row| row.trim_end().ends_with("\u{1b}[0m")), "{text:?}");
        let last = text.rfind('▀').expect("a picture");
        assert!(text[last..].contains("painted painted.png"), "{text:?}");
    }
}

#[test]
fn a_picture_replaces_the_one_before() {
    if !cfg!(target_os = "linux") {
        return; // `script` has other options
    }
    let studio = Studio::with_picture();
    let Some(text) = in_terminal(&studio, "truecolor", "picture.png --preview --time 5s") else {
        println!("SKIPPED: there is no `script`");
        return;
    };
    let replaced = text.matches("\u{1b}[18A\u{1b}[J").count();
    let rows = text.lines().filter(|line| line.contains('▀')).count();
    assert!((1..=3).contains(&replaced), "{text:?}");
    assert_eq!(rows, 18 * (replaced + 1), "{text:?}");
}

#[test]
fn without_a_terminal_a_note_says_so() {
    let studio = Studio::with_picture();
    let run = studio.quick("picture.png --preview").succeeded();
    assert!(run.stdout.contains("\nnote: --preview needs a terminal"), "{run}");
    assert!(!run.stdout.contains('▀'), "{run}");
    studio.quick("picture.png --quiet --preview").misused_saying(&["--preview", "--quiet"]);
}
