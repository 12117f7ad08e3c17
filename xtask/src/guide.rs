//! `cargo xtask guide`: builds the guide in `docs/guide` as a book with mdBook, and checks its links.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace::{Cargo, root};

/// The version of mdBook that is installed.
const VERSION: &str = "0.5.4";

/// The book, below the root of the repository; `docs/guide/book.toml` names the same folder.
const BOOK: &str = "target/guide";

/// Builds the book in `target/guide`.
///
/// # Errors
///
/// mdBook cannot be installed or fails, or a link leads nowhere.
pub fn run() -> Result<()> {
    let mdbook = mdbook()?;
    let status = Command::new(&mdbook)
        .current_dir(root())
        .args(["build", "docs/guide"])
        .status()
        .with_context(|| format!("cannot start {}", mdbook.display()))?;
    ensure!(status.success(), "mdBook failed");
    let pages = pages(&root().join(BOOK))?;
    let faults = faults(&pages);
    ensure!(faults.is_empty(), "faults in the guide:\n{}", faults.join("\n"));
    println!("Built {BOOK}/index.html: {} pages, all links lead to something.", pages.len());
    Ok(())
}

/// The program mdBook in `target/tools`, which is installed if it is not there. A build without
/// optimization is enough for a small book, and without a server and a watcher it takes a minute.
fn mdbook() -> Result<PathBuf> {
    let folder = root().join("target/tools");
    let program = folder.join("bin").join(format!("mdbook{}", std::env::consts::EXE_SUFFIX));
    let found = Command::new(&program).arg("--version").output();
    if found.is_ok_and(|found| String::from_utf8_lossy(&found.stdout).trim().ends_with(VERSION)) {
        return Ok(program);
    }
    println!("Installing mdBook {VERSION} in {}", folder.display());
    let status = Cargo::new()
        .command()
        .args(["install", "mdbook", "--version", VERSION, "--locked", "--force", "--debug"])
        .args(["--no-default-features", "--features", "search", "--root"])
        .arg(&folder)
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .status()
        .context("cannot start `cargo install`")?;
    ensure!(status.success(), "mdBook cannot be installed");
    Ok(program)
}

/// All files of the book by their paths in it, with the text of each page.
fn pages(book: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let mut pages = BTreeMap::new();
    for file in files(book)? {
        if file.extension().is_some_and(|end| end == "html") {
            let text = fs::read_to_string(&file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            pages.insert(file.strip_prefix(book)?.to_path_buf(), text);
        }
    }
    Ok(pages)
}

/// All files below `folder`.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

/// Links that lead nowhere, and includes that mdBook has not replaced.
fn faults(pages: &BTreeMap<PathBuf, String>) -> Vec<String> {
    let book = root().join(BOOK);
    let mut faults = BTreeSet::new();
    for (page, text) in pages {
        if text.contains("{{#") {
            faults.insert(format!("{}: an include was not replaced", page.display()));
        }
        for link in links(text) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { page.clone() } else { resolved(page, path) };
            let is_there = match pages.get(&target) {
                Some(text) => anchor.is_empty() || text.contains(&format!("id=\"{anchor}\"")),
                None => book.join(&target).is_file(),
            };
            // A page that the server gives for an unknown address has links from the root.
            if !is_there && page != Path::new("404.html") {
                faults.insert(format!("{}: {link}", page.display()));
            }
        }
    }
    faults.into_iter().collect()
}

/// The targets of links and pictures of a page, without those on other servers.
fn links(text: &str) -> Vec<&str> {
    let values = [" href=\"", " src=\""].into_iter().flat_map(|name| text.split(name).skip(1));
    let values = values.filter_map(|rest| rest.split_once('"')).map(|(value, _)| value);
    let is_outside = |link: &str| link.contains("://") || link.starts_with("data:");
    values.filter(|link| !is_outside(link) && !link.is_empty()).collect()
}

/// The path in the book that a link of `page` leads to.
fn resolved(page: &Path, link: &str) -> PathBuf {
    let mut target = page.parent().map(Path::to_path_buf).unwrap_or_default();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir => drop(target.pop()),
            Component::CurDir => {}
            part => target.push(part),
        }
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let page = |text: &str| text.to_string();
        let pages = BTreeMap::from([
            ("a.html".into(), page(r##"<a href="b/c.html#d"> <a href="#e"> <h1 id="e">"##)),
            ("b/c.html".into(), page(r#"<h1 id="d"> <a href="../a.html"> <img src="no.svg">"#)),
            ("f.html".into(), page(r#"<a href="a.html#no"> <a href="https://g"> {{#include h}}"#)),
        ]);
        let expected =
            ["b/c.html: no.svg", "f.html: a.html#no", "f.html: an include was not replaced"];
        assert_eq!(faults(&pages), expected);
    }
}
