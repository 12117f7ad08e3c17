//! The program `impasto`: its subcommands and its usage. The options of `impasto paint` are tested in `tests/paint`.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn impasto(folder: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_impasto"))
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .expect("started")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn a_picture_is_painted() {
    let folder = tempfile::tempdir().unwrap();
    let values = (0..12 * 8 * 3).map(|value| value % 256).collect();
    let picture = impasto::Picture::new(12, 8, 3, 255, values).unwrap();
    picture.save(folder.path().join("picture.png")).unwrap();
    let output =
        impasto(folder.path(), "paint picture.png --backend cpu --hidden 2x8 --epochs 2 -o a.png");
    assert_eq!(text(&output.stderr), "");
    assert!(output.status.success());
    assert!(text(&output.stdout).contains("painted a.png and a-comparison.png: PSNR "));
    let painted = impasto::Picture::load(folder.path().join("a.png")).unwrap();
    assert_eq!((painted.width(), painted.height()), (12, 8));
}

#[test]
fn adapters_are_those_that_paint_lists() {
    let folder = tempfile::tempdir().unwrap();
    let adapters = impasto(folder.path(), "adapters");
    let listed = impasto(folder.path(), "paint --list-adapters");
    assert!(adapters.status.success() && !adapters.stdout.is_empty());
    assert_eq!(adapters.stdout, listed.stdout);
}

#[test]
fn usage_names_the_subcommand() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("picture.png"), "").unwrap();
    let line = "Usage: impasto paint [OPTIONS] <IMAGE>\n";
    assert!(text(&impasto(folder.path(), "paint --help").stdout).contains(line));
    // By clap, and by what clap cannot check.
    for mistake in ["paint", "paint --tint blue", "paint picture.png --until 40dB --classify"] {
        let output = impasto(folder.path(), mistake);
        assert_eq!(output.status.code(), Some(2), "{mistake}");
        assert!(text(&output.stderr).contains(line), "{mistake}: {}", text(&output.stderr));
    }
    let help = impasto(folder.path(), "--help");
    for subcommand in ["paint", "adapters"] {
        assert!(text(&help.stdout).contains(&format!("\n  {subcommand}")), "{subcommand}");
    }
}
