//! Tests that imports form no cycle, that no file is too long, and that every public async function has a
//! blocking form.

#![allow(clippy::expect_used, missing_docs, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The most lines of a source file.
const MOST_LINES: usize = 600;

/// Files that are longer and will be divided. A test fails on one that is not too long any more.
const TOO_LONG: &[&str] = &[];

/// Imports that close a cycle and will go: (module, what it imports). A test fails on one that is not
/// there any more.
const KNOWN: &[(&str, &str)] = &[];

/// The modules that may contain unsafe code. Their documentation says why they need it.
const UNSAFE: &[&str] = &[
    "benches/tiles.rs",
    "cli/src/paint/allocator.rs",
    "src/engine/cpu/kernel.rs",
    "src/engine/cpu/product.rs",
    "src/engine/gpu/compile.rs",
    "src/engine/gpu/matrices.rs",
    "src/engine/gpu/pipelines.rs",
    "xtask/isa/device.rs",
];

/// The path of a module below the crate: `engine::cpu` is `["engine", "cpu"]`.
type Module = Vec<String>;

/// All files below `folder` with one of these extensions, but for what is installed or built there.
fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    const FOREIGN: [&str; 6] = ["node_modules", "target", "pkg", "package", "dist", "dist-speed"];
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() && !FOREIGN.contains(&name.as_str()) {
            found.extend(files(&path, extensions));
        } else if name.rsplit_once('.').is_some_and(|(_, end)| extensions.contains(&end)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a text file")
}

#[test]
fn no_file_is_longer_than_six_hundred_lines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut long = Vec::new();
    for folder in ["src", "shaders", "examples", "cli", "tests", "benches", "xtask", "web"] {
        let source = ["rs", "wgsl", "ts", "mjs", "html", "css", "py"];
        for path in files(&root.join(folder), &source) {
            if read(&path).lines().count() > MOST_LINES {
                let name = path.strip_prefix(root).expect("below the root");
                long.push(name.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    assert_eq!(long, TOO_LONG);
}

#[test]
fn unsafe_code_is_only_in_the_modules_that_are_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["benches", "cli", "examples", "src", "web", "xtask"] {
        for path in files(&root.join(folder), &["rs"]) {
            let text = read(&path);
            let name = path.strip_prefix(root).expect("below the root");
            let name = name.to_string_lossy().replace('\\', "/");
            assert!(!text.contains("allow(unsafe_code"), "{name} allows unsafe code: expect it");
            if text.contains("expect(unsafe_code") {
                assert!(text.contains("//! Unsafe: "), "{name} does not say why it is unsafe");
                found.push(name);
            }
        }
    }
    assert_eq!(found, UNSAFE);
    // In every package, since each takes the lints of the workspace.
    for folder in ["", "benches/", "cli/", "web/", "xtask/"] {
        let name = format!("{folder}Cargo.toml");
        let text = read(&root.join(&name));
        assert!(text.contains("[lints]\nworkspace = true"), "{name}");
    }
}

/// Each tile that the CPU engine computes products in is measured by `cargo bench --bench tiles`.
#[test]
fn every_tile_has_a_benchmark() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let product = read(&root.join("src/engine/cpu/product.rs"));
    let benchmark = read(&root.join("benches/tiles.rs"));
    // What is between the brackets of each call, without the type of the vectors and `PARTS`.
    let calls = |function: &str| -> BTreeSet<String> {
        let start = format!("{function}::<");
        product
            .split(&start)
            .skip(1)
            .filter_map(|call| {
                let sizes = call.split_once(", ")?.1.split_once(", PARTS>")?.0;
                Some(sizes.to_string())
            })
            .filter(|sizes| !sizes.contains('>'))
            .collect()
    };
    let mut tiles = BTreeSet::new();
    let (rows, widths) = (calls("rows"), calls("panel"));
    for tile in rows {
        match tile.strip_suffix(", N") {
            // Only browsers have it.
            Some("3") => {}
            // Only panels of two vectors have it.
            Some("6") => drop(tiles.insert("Rows, 6, 2".to_string())),
            Some(rows) => tiles.extend(widths.iter().map(|width| format!("Rows, {rows}, {width}"))),
            None => drop(tiles.insert(format!("Rows, {tile}"))),
        }
    }
    assert!(tiles.contains("Rows, 8, 3") && tiles.contains("Rows, 1, 8"), "they are found");
    for (function, kind) in [("narrow_tile", "Along"), ("narrow_turned_tile", "Turned")] {
        let narrow = calls(function);
        assert!(!narrow.is_empty(), "they are found");
        let name = kind.to_lowercase();
        tiles.extend(narrow.iter().map(|size| format!("{kind}, {name}, {size}")));
    }
    let missing: Vec<_> =
        tiles.iter().filter(|tile| !benchmark.contains(&format!("tile!({tile}, "))).collect();
    assert!(missing.is_empty(), "benches/tiles.rs does not measure {missing:?}");
}

#[test]
fn every_public_async_function_has_a_blocking_form() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let texts: Vec<String> = files(&folder, &["rs"]).iter().map(|path| read(path)).collect();
    let named = |text: &str| {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').expect("an end");
        text[..end].to_string()
    };
    let functions = |start: &str| -> Vec<String> {
        let functions = texts.iter().flat_map(|text| text.split(start).skip(1).map(named));
        functions.collect()
    };
    let (waiting, blocking) = (functions("pub async fn "), functions("pub fn "));
    assert!(waiting.contains(&"fit_async".into()), "they are found");
    for name in waiting {
        let form = name.strip_suffix("_async").map(str::to_string);
        assert!(form.is_some_and(|form| blocking.contains(&form)), "{name}");
    }
}

#[test]
fn imports_form_no_cycle() {
    let mut imports = imports(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(imports["trainer"].contains("engine"), "imports are found");
    for (module, imported) in KNOWN {
        let there = imports.get_mut(*module).is_some_and(|all| all.remove(*imported));
        assert!(there, "{module} does not import {imported} any more: remove that from KNOWN");
    }
    // A module is on no cycle if none of those that it imports is.
    while let Some(free) = imports
        .iter()
        .find(|(_, imported)| imported.iter().all(|module| !imports.contains_key(module)))
        .map(|(module, _)| module.clone())
    {
        imports.remove(&free);
    }
    let Some(mut module) = imports.keys().next() else { return };
    // Each of the rest imports another of them, so that this comes round.
    let mut way: Vec<&str> = Vec::new();
    while !way.contains(&module.as_str()) {
        way.push(module);
        module = imports[module].iter().find(|m| imports.contains_key(*m)).expect("a next one");
    }
    let start = way.iter().position(|m| m == module).expect("it was passed");
    panic!("a cycle of imports: {} → {module}", way[start..].join(" → "));
}

/// The modules that each file of the library imports or names by a path, without tests. Paths that a
/// macro writes are not found.
fn imports(folder: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut modules: BTreeMap<Module, Vec<String>> = BTreeMap::new();
    for path in files(folder, &["rs"]) {
        let name = path.strip_prefix(folder).expect("below src").with_extension("");
        let mut module: Module =
            name.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        module.retain(|part| part != "lib");
        modules.insert(module, without_visibility(tokens(&read(&path))));
    }
    let mut tests = Vec::new();
    for (module, tokens) in &mut modules {
        for name in remove_tests(tokens) {
            tests.push([module.as_slice(), &[name]].concat());
        }
    }
    modules.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
    let names: BTreeSet<Module> = modules.keys().cloned().collect();
    // What the crate's root re-exports, by name.
    let mut exported: BTreeMap<String, Module> = BTreeMap::new();
    for path in paths(&modules[&Module::new()]) {
        let (module, rest) = longest_module(&names, &[], &path);
        exported.extend(rest.first().map(|name| (name.clone(), module)));
    }
    let mut imports = BTreeMap::new();
    for (module, tokens) in modules.iter().filter(|(module, _)| !module.is_empty()) {
        let mut imported = BTreeSet::new();
        for path in paths(tokens) {
            let Some((start, path)) = start(&names, module, &path) else { continue };
            let (mut target, rest) = longest_module(&names, start, path);
            if target.is_empty() {
                target = rest.first().and_then(|n| exported.get(n)).cloned().unwrap_or_default();
            }
            if target != *module && !target.is_empty() {
                imported.insert(target.join("::"));
            }
        }
        imports.insert(module.join("::"), imported);
    }
    imports
}

/// The module at which a path begins, and what is left of the path; nothing for a path that leads out
/// of the crate.
fn start<'a>(
    names: &BTreeSet<Module>,
    module: &'a [String],
    path: &'a [String],
) -> Option<(&'a [String], &'a [String])> {
    match path[0].as_str() {
        "crate" => Some((&[], &path[1..])),
        "self" => Some((module, &path[1..])),
        "super" => {
            let up = path.iter().take_while(|part| *part == "super").count();
            Some((&module[..module.len().checked_sub(up)?], &path[up..]))
        }
        child => {
            let below = [module, &[child.to_string()]].concat();
            names.contains(&below).then_some((module, path))
        }
    }
}

/// The module that a path from `start` leads to, and what it names there.
fn longest_module(
    names: &BTreeSet<Module>,
    start: &[String],
    path: &[String],
) -> (Module, Vec<String>) {
    let mut module = start.to_vec();
    for (i, part) in path.iter().enumerate() {
        module.push(part.clone());
        if !names.contains(&module) {
            module.pop();
            return (module, path[i..].to_vec());
        }
    }
    (module, Vec::new())
}

/// Identifiers, `::` and single characters; no comments, strings or spaces.
fn tokens(text: &str) -> Vec<String> {
    let (mut tokens, mut rest) = (Vec::new(), text);
    while let Some(c) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("r#\"") {
            rest.find("\"#").map_or(rest.len(), |end| end + 2)
        } else if c == '"' {
            string_length(rest)
        } else if rest.starts_with("'\\") {
            3 + rest[3..].find('\'').map_or(0, |end| end + 1)
        } else if c == '\'' && rest.chars().nth(2) == Some('\'') {
            rest.char_indices().nth(3).map_or(rest.len(), |(end, _)| end)
        } else if word > 0 {
            tokens.push(rest[..word].to_string());
            word
        } else if rest.starts_with("::") {
            tokens.push("::".to_string());
            2
        } else {
            if !c.is_whitespace() {
                tokens.push(c.to_string());
            }
            c.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// The tokens without the paths of `pub(in path)`, which import nothing.
fn without_visibility(tokens: Vec<String>) -> Vec<String> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        let is_path = token == "in" && kept.ends_with(&["pub".to_string(), "(".to_string()]);
        kept.push(token);
        while is_path && rest.peek().is_some_and(|next| next != ")") {
            rest.next();
        }
    }
    kept
}

/// The bytes of the string that `text` begins with, with its quotes.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return i + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

/// Removes each item under `#[cfg(test)]`; returns the names of the modules among them that have a
/// file.
fn remove_tests(tokens: &mut Vec<String>) -> Vec<String> {
    const ATTRIBUTE: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut modules = Vec::new();
    while let Some(start) = tokens.windows(7).position(|window| *window == ATTRIBUTE) {
        // An item ends with its body or a semicolon, a field with a comma or where its struct does.
        let (mut depth, mut end) = (0_usize, start + 7);
        while end < tokens.len() {
            match tokens[end].as_str() {
                "{" | "(" | "[" => depth += 1,
                ";" | "," if depth == 0 => break,
                "}" if depth <= 1 => break,
                "}" | ")" | "]" => depth -= 1,
                _ => {}
            }
            end += 1;
        }
        if let [.., keyword, name, last] = &tokens[start..=end]
            && (keyword.as_str(), last.as_str()) == ("mod", ";")
        {
            modules.push(name.clone());
        }
        let ends_its_struct = depth == 0 && tokens[end] == "}";
        tokens.drain(start..if ends_its_struct { end } else { end + 1 });
    }
    modules
}

/// All paths of two parts or more, those of a group `a::{b, c}` apart.
fn paths(tokens: &[String]) -> Vec<Vec<String>> {
    let is_name = |token: &str| token.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let (mut paths, mut i) = (Vec::new(), 0);
    // The path before each open group; empty without a `::` before its brace.
    let (mut before, mut path): (Vec<Vec<String>>, Vec<String>) = (Vec::new(), Vec::new());
    while i < tokens.len() {
        let follows = i > 0 && tokens[i - 1] == "::";
        match tokens[i].as_str() {
            "{" => before.push(if follows { path.clone() } else { Vec::new() }),
            "}" => drop(before.pop()),
            name if is_name(name) => {
                if !follows {
                    path = before.last().cloned().unwrap_or_default();
                }
                path.push(name.to_string());
                let ends = tokens.get(i + 1).is_none_or(|next| next != "::");
                let group = tokens.get(i + 2).is_some_and(|next| !is_name(next));
                if (ends || group) && path.len() > 1 {
                    paths.push(path.clone());
                }
            }
            _ => {}
        }
        i += 1;
    }
    paths
}
