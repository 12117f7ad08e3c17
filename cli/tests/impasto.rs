//! The program `impasto`: its subcommands and its usage. The options of `impasto paint` are tested in `tests/paint`.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod common;

use common::{impasto, printed, refused, text};
use std::fs;

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
    for subcommand in ["paint", "fit", "predict", "repaint", "info", "bench", "adapters", "man"] {
        assert!(text(&help.stdout).contains(&format!("\n  {subcommand}")), "{subcommand}");
    }
}

#[test]
fn the_speed_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let table = printed(folder.path(), "bench --backend cpu");
    assert!(table.starts_with("cpu engine"), "{table}");
    for network in ["10×100", "hash grid"] {
        let line = table.lines().find(|line| line.starts_with(network)).expect(network);
        let numbers = line.split_whitespace().rev().take(2).map(|number| number.replace(',', ""));
        assert!(numbers.map(|number| number.parse::<u64>().unwrap()).all(|n| n > 100), "{line}");
    }
}

#[test]
fn shells_complete_every_subcommand() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = printed(folder.path(), &format!("completions {shell}"));
        for word in ["paint", "predict", "learning-rate", "probabilities"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let output = impasto(folder.path(), "completions tcsh");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn each_subcommand_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    printed(folder.path(), "man pages/man1");
    let pages = folder.path().join("pages/man1");
    let page = |name: &str| fs::read_to_string(pages.join(name)).expect(name);
    let main = page("impasto.1");
    for name in
        ["paint", "fit", "predict", "repaint", "info", "bench", "adapters", "completions", "man"]
    {
        assert!(main.contains(&format!("impasto\\-{name}(1)")), "{name}");
        assert!(page(&format!("impasto-{name}.1")).contains(&format!(".TH impasto-{name} 1")));
    }
    assert_eq!(fs::read_dir(&pages).unwrap().count(), 10);
    assert!(page("impasto-fit.1").contains("\\-\\-target"));
    fs::write(folder.path().join("file"), "").unwrap();
    assert!(refused(folder.path(), "man file").contains("cannot create file"));
    assert!(refused(folder.path(), "man -").contains("name a folder"));
}
