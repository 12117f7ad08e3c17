//! Tests of the documents: paths and names in them exist, they are short, and words to avoid are absent.

#![allow(clippy::expect_used, missing_docs, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

/// Documents with the most lines that each may have.
const LENGTHS: [(&str, usize); 2] = [("ARCHITECTURE.md", 200), ("README.md", 150)];

/// The documents whose paths and names are checked, besides all in `docs`.
const DOCUMENTS: [&str; 4] = ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "SECURITY.md"];

/// Folders with source files.
const SOURCES: [&str; 8] =
    ["src", "shaders", "examples", "cli", "tests", "benches", "xtask", "web"];

/// Folders with files that are installed or generated.
const GENERATED: [&str; 7] =
    ["node_modules", "target", "pkg", "package", "dist", "dist-speed", "texts"];

/// Ends of names that make a word in a document a path.
const ENDS: [&str; 10] = ["rs", "wgsl", "md", "ts", "mjs", "toml", "json", "py", "css", "html"];

/// Parts of a path that mean any name.
const PLACEHOLDERS: [&str; 3] = ["FAMILIES", "FAMILY", "NAME"];

/// Names of other projects, which do not occur in the source.
const FOREIGN: [&str; 1] = ["coefs_"];

/// Words to avoid, and what to write instead.
const AVOIDED: [(&str, &str); 40] = [
    ("stand", "be, be in"),
    ("stands", "contains, is in"),
    ("stood", "was in"),
    ("standing", "being"),
    ("told", "reported"),
    ("tell", "report"),
    ("tells", "reports"),
    ("telling", "reporting"),
    ("foretell", "predict"),
    ("mend", "fix"),
    ("mends", "fixes"),
    ("mended", "fixed"),
    ("rooms", "modules, files"),
    ("the room", "the module, the file, the space"),
    ("a room", "a module, a file, a space"),
    ("whoever", "the user, the caller"),
    ("somebody", "a user, a caller"),
    ("someone", "a user, a caller"),
    ("nobody", "no user, no caller"),
    ("anybody", "any user, any caller"),
    ("anyone", "any user, any caller"),
    ("everybody", "all, every user"),
    ("everyone", "all, every user"),
    ("who wants", "a user who needs"),
    ("who asks", "a caller"),
    ("in vain", "without success"),
    ("colour", "color"),
    ("colours", "colors"),
    ("grey", "gray"),
    ("centre", "center"),
    ("centres", "centers"),
    ("neighbour", "neighbor"),
    ("neighbours", "neighbors"),
    ("optimised", "optimized"),
    ("optimise", "optimize"),
    ("specialised", "specialized"),
    ("initialise", "initialize"),
    ("normalise", "normalize"),
    ("recognise", "recognize"),
    ("behaviour", "behavior"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a text file")
}

/// The part of a name after its last point.
fn end(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, end)| end)
}

/// All text files below `folder`, sorted, as paths from the root with `/`.
fn files(folder: &str) -> Vec<String> {
    const ENDS: [&str; 8] = ["rs", "wgsl", "md", "ts", "mjs", "html", "css", "py"];
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let inside = format!("{folder}/{name}");
        if path.is_dir() && !GENERATED.contains(&name.as_str()) {
            found.extend(files(&inside));
        } else if ENDS.contains(&end(&name)) || name == "Cargo.toml" {
            found.push(inside);
        }
    }
    found.sort();
    found
}

/// All source files with their text, without this file. Lines that are comments are left out.
fn sources() -> Vec<(String, String)> {
    let mut names: Vec<String> = SOURCES.iter().flat_map(|folder| files(folder)).collect();
    names.retain(|name| end(name) != "md" && name != "tests/documents.rs");
    names.push("Cargo.toml".into());
    let is_code = |line: &&str| !["//", "/*", "* "].iter().any(|c| line.trim().starts_with(c));
    let code = |text: String| text.lines().filter(is_code).collect::<Vec<_>>().join("\n");
    names.into_iter().map(|name| (name.clone(), code(read(&root().join(name))))).collect()
}

/// The documents with their text.
fn documents() -> Vec<(String, String)> {
    let mut names: Vec<String> = DOCUMENTS.map(String::from).to_vec();
    names.extend(files("docs"));
    names.into_iter().map(|name| (name.clone(), read(&root().join(name)))).collect()
}

/// The text outside of blocks of code.
fn prose(text: &str) -> String {
    let (mut prose, mut in_block) = (String::new(), false);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    prose
}

/// What is between backticks in the prose of a document.
fn code(text: &str) -> Vec<String> {
    let prose = prose(text);
    prose.split('`').skip(1).step_by(2).map(|code| code.replace('\n', " ")).collect()
}

/// The targets of the links to files, without anchors.
fn links(text: &str) -> Vec<String> {
    prose(text)
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or_default().to_string())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .collect()
}

/// Whether `code` is written like a path in the repository.
fn is_path(code: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let has_folder = code.trim_start_matches('/').contains('/');
    code.chars().all(plain) && (has_folder || ENDS.contains(&end(code)))
}

/// Whether a path exists, up to a part that means any name.
fn exists(path: &str) -> bool {
    let known = |part: &&str| !PLACEHOLDERS.contains(&part.split('.').next().unwrap_or_default());
    let known: PathBuf = path.split('/').take_while(known).collect();
    path.starts_with("target/") || root().join(known).exists()
}

/// The parts of a name such as `word`, `Type::method`, `function()` or `macro!`, and whether it is
/// called; nothing for other code.
fn name(code: &str) -> Option<(Vec<&str>, bool)> {
    let (name, called) = match code.split_once('(') {
        Some((name, rest)) if rest.ends_with(')') => (name, true),
        Some(_) => return None,
        None => (code.trim_end_matches('!'), false),
    };
    let is_word = |part: &&str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let parts: Vec<&str> = name.split("::").collect();
    parts.iter().all(is_word).then_some((parts, called))
}

/// Whether `text` contains `word` with no other letters around it.
fn contains(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(start, _)| {
        !text[..start].ends_with(is_part) && !text[start + word.len()..].starts_with(is_part)
    })
}

#[test]
fn the_documents_are_short() {
    for (name, most) in LENGTHS {
        let lines = read(&root().join(name)).lines().count();
        assert!(lines <= most, "{name} has {lines} lines, more than {most}");
    }
}

#[test]
fn paths_in_the_documents_exist() {
    let mut missing = Vec::new();
    for (document, text) in documents() {
        for path in code(&text).into_iter().filter(|code| is_path(code)) {
            if !exists(&path) {
                missing.push(format!("{document}: `{path}`"));
            }
        }
        let folder = root().join(&document).parent().expect("a folder").to_path_buf();
        for target in links(&text) {
            if !folder.join(&target).exists() {
                missing.push(format!("{document}: ({target})"));
            }
        }
    }
    assert!(missing.is_empty(), "paths that do not exist:\n{}", missing.join("\n"));
}

#[test]
fn names_in_the_documents_occur_in_the_source() {
    let sources = sources();
    let mut missing = Vec::new();
    for (document, text) in documents() {
        for code in code(&text).iter().filter(|code| !is_path(code)) {
            let Some((parts, called)) = name(code) else { continue };
            let last = parts.last().expect("a part");
            let call = format!("{last}(");
            let occurs = sources.iter().any(|(_, source)| {
                parts.iter().all(|part| contains(source, part))
                    && (!called || source.contains(&call))
            });
            if !occurs && !FOREIGN.contains(last) {
                missing.push(format!("{document}: `{code}`"));
            }
        }
    }
    assert!(missing.is_empty(), "names that are not in the source:\n{}", missing.join("\n"));
}

#[test]
fn words_to_avoid_do_not_occur() {
    let mut names: Vec<String> = SOURCES.iter().flat_map(|folder| files(folder)).collect();
    names.extend(files("docs"));
    names.extend(DOCUMENTS.map(String::from));
    names.extend(["BENCHMARKS.md", "CHANGELOG.md", "Cargo.toml", ".ci/run"].map(String::from));
    names.retain(|name| name != "tests/documents.rs");
    let mut found = Vec::new();
    for name in names {
        let faults = faults(&read(&root().join(&name)));
        found.extend(faults.iter().map(|fault| format!("{name}: {fault}")));
    }
    assert!(found.is_empty(), "words to avoid:\n{}", found.join("\n"));
}

/// The words to avoid in a text, each with its line. Words of an identifier count, and a phrase may
/// go over the end of a line.
fn faults(text: &str) -> Vec<String> {
    let mut words: Vec<(usize, String)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let separate = line.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.extend(separate.map(|word| (number, word.to_lowercase())));
    }
    let mut faults = Vec::new();
    for (i, (number, _)) in words.iter().enumerate() {
        for (phrase, instead) in AVOIDED {
            let mut rest = words[i..].iter().map(|(_, word)| word.as_str());
            if phrase.split(' ').all(|word| rest.next() == Some(word)) {
                faults.push(format!("line {number}: \"{phrase}\" ({instead})"));
            }
        }
    }
    faults
}

#[test]
fn code_links_and_words_are_recognized() {
    let text = "`src/a.rs`, `B::c()`\n```\n`d`\n```\n[e](f.md#g) [h](https://i) `j k`";
    assert_eq!(code(text), ["src/a.rs", "B::c()", "j k"]);
    assert_eq!(links(text), ["f.md"]);
    assert!(is_path("src/a.rs") && is_path("src/a/") && is_path("a.md") && is_path(".ci/run"));
    assert!(!is_path("a.b") && !is_path("~/a/b") && !is_path("@a/b") && !is_path("a b/c"));
    assert!(exists("src/lib.rs") && exists("src/NAME.rs") && exists("src/FAMILY/NAME.rs"));
    assert!(!exists("src/no.rs") && !exists("no/NAME.rs"));
    assert_eq!(name("A::b(c, d)"), Some((vec!["A", "b"], true)));
    assert_eq!(name("a!"), Some((vec!["a"], false)));
    assert!(name("a-b").is_none() && name("a.b").is_none() && name("a = b").is_none());
    assert!(contains("a_b(c)", "a_b") && !contains("a_b(c)", "a") && !contains("ab", "a"));
    assert_eq!(
        faults("Understands\n/// it in\n/// vain, a_is_told"),
        ["line 2: \"in vain\" (without success)", "line 3: \"told\" (reported)",]
    );
}
