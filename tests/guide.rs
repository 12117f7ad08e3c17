//! Tests of the guide: every chapter is listed and tested, and what it shows of an example is what the example prints.

#![allow(clippy::expect_used, missing_docs, reason = "tests")]
#![allow(dead_code, reason = "other tests use the rest of the common module")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A line in a block of output that means any number of lines.
const LEFT_OUT: &str = "…";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The chapters by the names of their files, with their texts.
fn chapters() -> Vec<(String, String)> {
    let folder = root().join("docs/guide/src");
    let paths =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    let is_text = |path: &PathBuf| path.extension().is_some_and(|end| end == "md");
    let is_chapter = |path: &PathBuf| is_text(path) && name(path) != "SUMMARY.md";
    let read = |path: PathBuf| (name(&path), fs::read_to_string(&path).expect("a text"));
    paths.filter(is_chapter).map(read).collect()
}

/// The blocks of code: (what is behind the opening backticks, the lines).
fn blocks(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            blocks.push((language, lines.by_ref().take_while(|line| *line != "```").collect()));
        }
    }
    blocks
}

/// Whether `shown` is part of `printed`, whole lines after each other except where lines are left out.
fn is_part(shown: &[&str], printed: &[&str]) -> bool {
    let mut rest = printed;
    shown.split(|line| *line == LEFT_OUT).filter(|part| !part.is_empty()).all(|part| {
        let place = rest.windows(part.len()).position(|lines| lines == part);
        rest = place.map_or(&[], |place| &rest[place + part.len()..]);
        place.is_some()
    })
}

#[test]
fn every_chapter_is_listed_and_its_examples_are_tested() {
    let summary = fs::read_to_string(root().join("docs/guide/src/SUMMARY.md")).expect("a text");
    let tested = fs::read_to_string(root().join("src/guide.rs")).expect("a text");
    for (name, text) in chapters() {
        assert!(summary.contains(&format!("({name})")), "{name} is not in SUMMARY.md");
        if blocks(&text).iter().any(|(language, _)| language.starts_with("rust")) {
            assert!(tested.contains(&format!("\"{name}\"")), "{name} is not in src/guide.rs");
        }
    }
}

#[test]
fn examples_print_what_the_guide_shows() {
    let mut compared = 0;
    for (name, text) in chapters() {
        let mut example: Option<&str> = None;
        for (language, lines) in blocks(&text) {
            if let ("sh", [command]) = (language, &lines[..]) {
                example = command
                    .strip_prefix("cargo run --release --example ")
                    .and_then(|rest| rest.strip_suffix(" -- --backend reference"));
            }
            let ("text", Some(example)) = (language, example) else { continue };
            let output = Command::new(common::example(example))
                .args(["--backend", "reference"])
                .output()
                .expect("started");
            let printed = String::from_utf8(output.stdout).expect("text");
            let printed: Vec<&str> = printed.lines().map(str::trim_end).collect();
            let shown: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
            assert!(
                is_part(&shown, &printed),
                "{name} shows of {example}:\n{}\nwhich prints:\n{}",
                shown.join("\n"),
                printed.join("\n")
            );
            compared += 1;
        }
    }
    assert!(compared >= 7, "{compared} outputs were compared");
}

#[test]
fn parts_of_an_output_are_recognized() {
    let printed = ["a", "b", "c", "d"];
    for shown in [&["b", "c"][..], &["a", LEFT_OUT, "c", "d"], &["a", LEFT_OUT, "b"], &[LEFT_OUT]] {
        assert!(is_part(shown, &printed), "{shown:?}");
    }
    for shown in [&["a", "c"][..], &["b", LEFT_OUT, "a"], &["e"]] {
        assert!(!is_part(shown, &printed), "{shown:?}");
    }
}
