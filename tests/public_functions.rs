//! Tests that each public function is called in an example, or that its documentation refers to one.
//!
//! An example is
//! - one in the documentation of the function, of its type or trait, or of their other functions,
//! - one in README.md, in a chapter of the guide or in the documentation of a public module,
//! - a program in `cli`, `examples` or `tests/outside`.
//!
//! Where other types have a function of the same name, or the name is a common one, an example that is not in
//! the documentation of the type must contain the name of the type.
//!
//! Instead of an example, the documentation can contain `Blocking form of [name]` or `See [name] for an
//! example`, where `name` is a function that has one, or a type whose examples call this function. Functions
//! that need neither are in [`WITHOUT`].

#![allow(clippy::expect_used, missing_docs, reason = "tests")]

#[path = "public_functions/sources.rs"]
mod sources;

use sources::{Function, Public, files, functions, library, read, root, word};
use std::collections::{BTreeMap, BTreeSet};

/// Functions, or types, traits and modules with all of theirs, that no example has to call, and why. A test
/// fails on one whose functions are all called.
const WITHOUT: &[(&str, &str)] = &[
    ("activation::Formula", "for activations of this crate; users call Activation"),
    ("encoding::Formula", "for encodings of this crate; users call Encoding"),
    ("loss::Formula", "for losses of this crate; users call Loss"),
    ("optimizer::Formula", "for optimizers of this crate; users call Optimizer"),
    ("schedule::Formula", "for schedules of this crate; users call Schedule"),
    ("wrapper::Formula", "for wrappers of this crate; users call Wrapper"),
    ("Number", "the arithmetic of the formulas of this crate"),
    ("reference", "the twins of the kernels; tests call them"),
    ("GpuEngine::with_largest_buffer", "for tests"),
    ("GpuEngine::destroy", "for tests"),
];

/// Names that types of other crates have, too.
const COMMON: [&str; 22] = [
    "apply",
    "check",
    "decode",
    "encode",
    "get",
    "index",
    "is_empty",
    "iter",
    "len",
    "load",
    "name",
    "new",
    "open",
    "parameters",
    "read",
    "run",
    "save",
    "start",
    "step",
    "stop",
    "update",
    "write",
];

/// Kinds of a block of code that is not an example in Rust that must compile.
const NOT_COMPILED: [&str; 2] = ["ignore", "compile_fail"];

/// The blocks of Rust in a text of Markdown.
fn examples(text: &str) -> Vec<String> {
    let (mut blocks, mut lines) = (Vec::new(), text.lines().map(str::trim_start));
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
        let is_rust = ["", "rust", "no_run", "should_panic"].contains(&word(kind));
        if is_rust && !NOT_COMPILED.iter().any(|not| kind.contains(not)) {
            blocks.push(block.join("\n"));
        }
    }
    blocks
}

/// The texts before and behind each place where `text` contains `name` as a whole word.
fn places<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let around = text.match_indices(name).map(move |(i, _)| (&text[..i], &text[i + name.len()..]));
    around
        .filter(move |(before, behind)| !before.ends_with(is_part) && !behind.starts_with(is_part))
}

/// Whether a call starts with `text`, behind the name of a function.
fn is_call(text: &str) -> bool {
    text.starts_with('(') || text.starts_with("::<")
}

/// Whether `text` calls a method of this name, or names one by a path.
fn calls_method(text: &str, name: &str) -> bool {
    places(text, name).any(|(before, behind)| {
        (before.ends_with('.') && is_call(behind))
            || (before.ends_with("::") && (is_call(behind) || !behind.starts_with("::")))
    })
}

/// Whether `text` implements a method of the trait `owner`.
fn implements(text: &str, owner: &str, name: &str) -> bool {
    let is_method =
        |(before, behind): (&str, &str)| before.ends_with("fn ") && behind.starts_with(['(', '<']);
    let is_implemented =
        |(before, behind): (&str, &str)| before.ends_with("impl ") && behind.starts_with(" for ");
    places(text, owner).any(is_implemented) && places(text, name).any(is_method)
}

/// Whether `text` calls a function of a module, by a path or after importing it.
fn calls_function(text: &str, module: &str, name: &str) -> bool {
    let path = format!("{module}::");
    let has = |part: &str, word: &str| places(part, word).next().is_some();
    let mut imports = text.split(';').filter(|part| part.contains("use impasto"));
    let is_imported = imports.any(|part| has(part, module) && has(part, name));
    places(text, name).filter(|(_, behind)| is_call(behind)).any(|(before, _)| {
        let is_alone = !before.ends_with(['.', ':']) && !before.ends_with("fn ");
        before.ends_with(&path) || (is_imported && is_alone)
    })
}

/// Whether `text` contains the name of a type, or that of a variable called like the type.
fn names(text: &str, owner: &str) -> bool {
    let mut variable = String::new();
    for c in owner.chars() {
        if c.is_uppercase() && !variable.is_empty() {
            variable.push('_');
        }
        variable.extend(c.to_lowercase());
    }
    [owner, &variable].into_iter().any(|name| places(text, name).next().is_some())
}

/// The function or type that the documentation refers to, as it writes it.
fn reference(docs: &str) -> Option<&str> {
    let is_example = |rest: &&str| {
        let Some((_, rest)) = rest.split_once("`]") else { return false };
        let target = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        let rest = target.map_or(rest, |(_, rest)| rest);
        rest.split_whitespace().take(3).eq(["for", "an", "example."])
    };
    let words = docs.split_whitespace().collect::<Vec<_>>().join(" ");
    let see = words.split("See [`").skip(1).find(is_example);
    let found = see.or_else(|| words.split_once("Blocking form of [`").map(|(_, rest)| rest))?;
    let length = found.find('`')?;
    let start = docs.find(&found[..length])?;
    Some(&docs[start..start + length])
}

/// The examples that a user finds.
struct Examples {
    /// Those in the documentation of a type or trait and its functions.
    own: BTreeMap<String, Vec<String>>,
    /// Those of all documents and programs.
    shared: Vec<String>,
}

impl Examples {
    /// Whether an example calls or implements the function. `others` have one of the same name.
    fn show(&self, function: &Function, others: bool) -> bool {
        let Function { owner, name, docs, .. } = function;
        if !function.is_method {
            let shared = self.shared.iter().chain(self.own.get(owner).into_iter().flatten());
            return examples(docs).iter().chain(shared).any(|e| calls_function(e, owner, name));
        }
        let short = owner.rsplit("::").next().unwrap_or(owner);
        let shows = |text: &String| calls_method(text, name) || implements(text, short, name);
        let needs_owner = others || COMMON.contains(&name.as_str());
        self.own.get(owner).is_some_and(|own| own.iter().any(shows))
            || self.shared.iter().any(|text| shows(text) && (!needs_owner || names(text, short)))
    }
}

/// The faults of functions that are neither called nor have a reason, and of reasons that nothing needs.
fn faults(functions: &[Function], all: &Examples, without: &[(&str, &str)]) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for function in functions.iter().filter(|function| function.is_method) {
        *counts.entry(&function.name).or_default() += 1;
    }
    let is_shown = |f: &&Function| all.show(f, counts.get(f.name.as_str()).is_some_and(|n| *n > 1));
    let mut shown: BTreeSet<String> =
        functions.iter().filter(is_shown).map(Function::full_name).collect();
    // The function that the documentation of another one refers to, or the type if its examples call that
    // one.
    let target = |function: &Function| {
        let name = reference(&function.docs)?;
        let last = name.rsplit("::").next().unwrap_or(name);
        let of_type = all
            .own
            .get(last)
            .is_some_and(|own| own.iter().any(|example| calls_method(example, &function.name)));
        if of_type {
            return Some(None);
        }
        let owner = name.rsplit("::").nth(1).filter(|owner| *owner != "Self");
        Some(Some(format!("{}::{last}", owner.unwrap_or(&function.owner))))
    };
    // A reference may lead to another one.
    loop {
        let refers = |function: &&Function| match target(function) {
            Some(Some(name)) => shown.contains(&name),
            Some(None) => true,
            None => false,
        };
        let new: Vec<String> = functions.iter().filter(refers).map(Function::full_name).collect();
        let before = shown.len();
        shown.extend(new);
        if shown.len() == before {
            break;
        }
    }
    let (mut faults, mut used) = (Vec::new(), BTreeSet::new());
    for function in functions {
        let (place, name) = (&function.place, function.full_name());
        if shown.contains(&name) {
            continue;
        }
        if let Some((reason, _)) = without.iter().find(|(w, _)| *w == name || *w == function.owner)
        {
            used.insert(*reason);
        } else if let Some(Some(target)) = target(function) {
            faults.push(format!("{place}: {name} refers to {target}, which no example calls"));
        } else {
            faults.push(format!("{place}: no example calls {name}"));
        }
    }
    let unused = without.iter().filter(|(name, _)| !used.contains(name));
    faults.extend(unused.map(|(name, _)| format!("{name} is in WITHOUT and need not be")));
    faults
}

#[test]
fn every_public_function_is_called_in_an_example() {
    let library = library();
    let public = Public::of(&library);
    let functions = functions(&library, &public);
    for known in [
        "Trainer::fit",
        "Compute::forward",
        "Loss::from_name",
        "impasto::evaluate",
        "reference::matmul",
    ] {
        assert!(functions.iter().any(|function| function.full_name() == known), "{known}");
    }
    let mut own: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for function in functions.iter().filter(|function| function.is_method) {
        own.entry(function.owner.clone()).or_default().extend(examples(&function.docs));
    }
    for (name, docs) in library.values().flat_map(|(_, source)| &source.items) {
        own.entry(name.clone()).or_default().extend(examples(docs));
    }
    let mut shared: Vec<String> =
        public.modules.iter().flat_map(|module| examples(&library[module].1.docs)).collect();
    shared.extend(examples(&read(&root().join("README.md"))));
    for path in files(&root().join("docs/guide/src"), "md") {
        shared.extend(examples(&read(&path)));
    }
    for folder in ["cli", "examples", "tests/outside"] {
        shared.extend(files(&root().join(folder), "rs").iter().map(|path| read(path)));
    }
    let faults = faults(&functions, &Examples { own, shared }, WITHOUT);
    assert!(
        faults.is_empty(),
        "add an example, or `See [..] for an example.` to the documentation:\n{}",
        faults.join("\n")
    );
}

#[test]
fn public_functions_are_found() {
    let source = sources::parse(
        "//! A module.\n\
         pub use a::{b, c::D};\n\
         /// A type.\n\
         #[derive(Clone)]\n\
         pub struct A<'a> {\n    a: &'a str,\n}\n\n\
         impl<'a> A<'a> {\n\
         \x20   /// First.\n\
         \x20   #[inline]\n\
         \x20   pub const fn first(&self) {}\n\n\
         \x20   pub(crate) fn second(&self) {}\n\n\
         \x20   #[doc(hidden)]\n    pub fn third(&self) {}\n}\n\n\
         impl Default for A<'_> {\n    fn default() -> Self {\n        todo!()\n    }\n}\n\n\
         pub trait B {\n    /// Fourth.\n    fn fourth(\n        &self,\n    );\n}\n\n\
         pub async fn fifth() {}\n\n\
         fn sixth() {}\n\n\
         #[cfg(test)]\nmod tests {\n    pub fn seventh() {}\n}\n",
    );
    let found: Vec<_> = source
        .functions
        .iter()
        .map(|(owner, name, docs, _)| (owner.as_deref(), name.as_str(), docs.as_str()))
        .collect();
    let expected =
        [(Some("A"), "first", "First.\n"), (Some("B"), "fourth", "Fourth.\n"), (None, "fifth", "")];
    assert_eq!(found, expected);
    assert_eq!(source.exports, [vec!["a", "b"], vec!["a", "c", "D"]]);
    assert_eq!(source.items["A"], "A type.\n");
}

#[test]
fn functions_without_an_example_are_found() {
    const NONE: [&str; 0] = [];
    let function = |owner: &str, name: &str, docs: &str| Function {
        owner: owner.into(),
        name: name.into(),
        is_method: owner.starts_with(char::is_uppercase),
        docs: docs.into(),
        place: "here".into(),
    };
    let all = Examples {
        own: BTreeMap::from([("A".into(), vec!["a.own(); a.len(); B::path".into()])]),
        shared: vec![
            "run.rare(); x.common(); list.push(1);".into(),
            "impl T for X {\n    fn make(&self) {}\n}".into(),
            "use impasto::{free, B};\nlet b = B::new(); free(b.common());".into(),
        ],
    };
    let without =
        |functions: &[Function], reasons: &[(&str, &str)]| faults(functions, &all, reasons);
    let shown = [
        function("A", "own", ""),
        function("A", "len", ""),
        function("A", "path", ""),
        function("B", "rare", ""),
        function("B", "new", ""),
        function("T", "make", ""),
        function("impasto", "free", ""),
        function(
            "A",
            "own_async",
            "Like [`own`](Self::own). See [`own`](Self::own) for\nan example.",
        ),
        function("B", "own_too", "See [`A::own`] for an example."),
        function("B", "twin", "Blocking form of [`rare`](Self::rare)."),
        function("C", "own", "See [`A`] for an example."),
    ];
    assert_eq!(without(&shown, &[]), NONE);
    for (owner, name, docs) in [
        ("A", "other", ""),
        ("A", "other", "See [`own`](Self::own)."),
        ("A", "missing", "See [`nothing`](Self::nothing) for an example."),
        ("A", "cycle", "See [`cycle`](Self::cycle) for an example."),
        ("B", "len", ""),
        ("T", "own", ""),
        ("U", "make", ""),
        ("other", "free", ""),
        ("B", "hidden", "```ignore\nb.hidden();\n```"),
    ] {
        // Two types have this function, so that a call alone does not say of which type it is.
        let more = [function("Z", name, "Blocking form of [`A::own`].")];
        let functions: Vec<Function> = [function(owner, name, docs), function("A", "own", "")]
            .into_iter()
            .chain(more)
            .collect();
        let found = without(&functions, &[]);
        assert_eq!(found.len(), 1, "{owner}::{name}: {found:?}");
        let full = format!("{owner}::{name}");
        assert_eq!(without(&functions, &[(&full, "a reason")]), NONE);
    }
    assert_eq!(without(&shown, &[("A::own", "a reason")]).len(), 1, "a reason that nothing needs");
}
