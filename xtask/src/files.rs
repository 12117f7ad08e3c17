//! `cargo xtask files`: writes `docs/files.md`, the table of all source files.
//!
//! A row is a path and the first sentence of the comment that the file begins with.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// The page, below the root of the repository.
const PAGE: &str = "docs/files.md";

/// The folders that the page lists, each with its contents in a few words.
const FOLDERS: [(&str, &str); 8] = [
    ("src", "The library."),
    ("shaders", "The kernels of the GPU engine, in WGSL."),
    ("examples", "The worked examples."),
    ("cli", "The program `impasto`, whose subcommand `paint` is also an example."),
    ("tests", "Tests that use the library or run the programs."),
    ("benches", "The benchmarks of `cargo bench`."),
    ("xtask", "The commands of `cargo xtask`."),
    ("web", "The page and the npm package."),
];

/// Folders with files that are installed or generated.
const GENERATED: [&str; 7] =
    ["node_modules", "target", "pkg", "package", "dist", "dist-speed", "texts"];

/// Ends of the names of source files.
const SOURCES: [&str; 7] = ["rs", "wgsl", "ts", "mjs", "html", "css", "py"];

/// The most characters of a sentence in the table.
const MOST_CHARACTERS: usize = 160;

/// Writes the page, or with `check` fails where it differs from the files.
///
/// # Errors
///
/// A file cannot be read or written, or a file has no sentence for the table.
pub fn run(check: bool) -> Result<ExitCode> {
    let root = workspace::root();
    let page = page(&root)?;
    if check {
        let current = fs::read_to_string(root.join(PAGE)).unwrap_or_default();
        ensure!(current.replace("\r\n", "\n") == page, "{PAGE} is stale: run `cargo xtask files`");
    } else {
        fs::write(root.join(PAGE), page).with_context(|| format!("cannot write {PAGE}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The text of the page.
fn page(root: &Path) -> Result<String> {
    let mut page = String::from(
        "# Files\n\n\
         <!-- Written by `cargo xtask files` from the first sentence of each file. Do not edit. -->\n",
    );
    let mut faults = Vec::new();
    for (folder, contents) in FOLDERS {
        write!(page, "\n## {folder}\n\n{contents}\n\n| file | contents |\n|---|---|\n")?;
        for path in files(&root.join(folder))? {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let name = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
            let Some(mut sentence) = first_sentence(&text) else {
                faults.push(format!("{name} does not begin with a comment"));
                continue;
            };
            if path.extension().is_some_and(|end| end == "wgsl")
                && let Some((words, _formula)) = sentence.split_once(": ")
            {
                sentence = format!("{words}.");
            }
            let length = sentence.chars().count();
            if length > MOST_CHARACTERS {
                faults.push(format!("the first sentence of {name} has {length} characters"));
            }
            writeln!(page, "| `{name}` | {} |", escaped(&sentence))?;
        }
    }
    ensure!(faults.is_empty(), "{} (at most {MOST_CHARACTERS} characters)", faults.join("\n"));
    Ok(page)
}

/// All source files below `folder`: each before the files of its submodules.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !GENERATED.contains(&name.as_str()) {
            found.extend(files(&path)?);
        } else if name.rsplit_once('.').is_some_and(|(_, end)| SOURCES.contains(&end)) {
            found.push(path);
        }
    }
    found.sort_by_key(|path| path.with_extension(""));
    Ok(found)
}

/// The first sentence of the comment that a file begins with.
fn first_sentence(text: &str) -> Option<String> {
    const STARTS: [&str; 7] = ["//!", "//", "/**", "/*", "\"\"\"", "<!--", "* "];
    const ENDS: [&str; 3] = ["*/", "\"\"\"", "-->"];
    let mut sentence = String::new();
    let (mut in_comment, mut in_block) = (false, false);
    for line in text.lines().map(str::trim) {
        let is_head = line.is_empty() || line.starts_with("#!") || line.starts_with("<!doctype");
        if is_head && !in_comment {
            continue;
        }
        let start = STARTS.iter().find(|start| line.starts_with(**start));
        if start.is_none() && !in_block {
            break;
        }
        if !in_comment {
            in_block = matches!(start, Some(&("/**" | "/*" | "\"\"\"" | "<!--")));
            in_comment = true;
        }
        let mut words = line.strip_prefix(*start.unwrap_or(&"")).unwrap_or(line);
        let end = ENDS.iter().find_map(|end| words.strip_suffix(end));
        words = end.unwrap_or(words).trim().trim_start_matches("* ");
        if (words.is_empty() || words == "*") && !sentence.is_empty() {
            break;
        }
        if !sentence.is_empty() {
            sentence.push(' ');
        }
        sentence.push_str(if words == "*" { "" } else { words });
        if let Some(end) = sentence.find(". ") {
            sentence.truncate(end + 1);
            break;
        }
        if sentence.ends_with('.') || end.is_some() {
            break;
        }
    }
    let sentence = sentence.trim();
    (!sentence.is_empty()).then(|| sentence.to_string())
}

/// Text without links to Rust items, in which Markdown sees no markup other than `code`.
fn escaped(text: &str) -> String {
    let text = text.replace("[`", "`").replace("`]", "`");
    let (mut escaped, mut in_code) = (String::new(), false);
    for c in text.chars() {
        in_code ^= c == '`';
        if c == '|' || (!in_code && matches!(c, '*' | '_' | '<' | '[' | '\\')) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_files_is_current() {
        run(true).unwrap();
    }

    #[test]
    fn the_first_sentence_of_every_language_is_found() {
        for (text, expected) in [
            ("//! One. Two.\n\n//! Three.", "One."),
            ("//! One\n//! two.\n", "One two."),
            ("// a[i] = 0.5·b.      Twin: c\nfn f() {}", "a[i] = 0.5·b."),
            ("/**\n * One,\n * two. Three.\n */", "One, two."),
            ("/** One. */\ncode", "One."),
            ("#!/usr/bin/env python3\n\"\"\"One\n\nTwo.\"\"\"", "One"),
            ("<!doctype html>\n<!-- One. -->\n<html>", "One."),
        ] {
            assert_eq!(first_sentence(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(first_sentence("fn f() {}\n// One.\n"), None);
        assert_eq!(first_sentence(""), None);
    }

    #[test]
    fn a_sentence_keeps_its_code_and_no_other_markup() {
        assert_eq!(escaped("[`A`] and a[i] * `b_c` | d_e"), "`A` and a\\[i] \\* `b_c` \\| d\\_e");
    }
}
