//! The public functions of the library, as its source files declare them.
//!
//! The files are read line by line, as rustfmt writes them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module's path below the crate: `engine::cpu` is `["engine", "cpu"]`.
pub type Module = Vec<String>;

/// A public type, trait or function outside of an `impl`, by its module and name.
type Item = (Module, String);

/// A function of the public interface.
pub struct Function {
    /// Its type or trait, or else its module.
    pub owner: String,
    pub name: String,
    pub is_method: bool,
    pub docs: String,
    pub place: String,
}

impl Function {
    pub fn full_name(&self) -> String {
        format!("{}::{}", self.owner, self.name)
    }
}

/// What a source file says, without its tests.
#[derive(Default)]
pub struct Source {
    /// The documentation of the module itself.
    pub docs: String,
    /// The types, traits and functions outside of an `impl` with their documentation.
    pub items: BTreeMap<String, String>,
    /// The functions with `pub`, and those of traits with `pub`: (owner or nothing, name, documentation,
    /// line).
    pub functions: Vec<(Option<String>, String, String, usize)>,
    /// The modules with `pub`.
    modules: Vec<String>,
    /// The paths behind `pub use`.
    pub exports: Vec<Vec<String>>,
    /// The enum and the modules of a `family!`.
    family: Option<(String, Vec<String>)>,
}

/// The word at the start of `text`.
pub fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// The text behind one of these keywords.
fn behind<'a>(line: &'a str, keywords: &[&str]) -> Option<&'a str> {
    keywords.iter().find_map(|keyword| line.strip_prefix(keyword))
}

/// The name of a function that this line declares.
fn declared(line: &str, visibility: &str) -> Option<String> {
    let mut rest = line.strip_prefix(visibility)?;
    for keyword in ["const ", "async ", "unsafe "] {
        rest = rest.strip_prefix(keyword).unwrap_or(rest);
    }
    rest.strip_prefix("fn ").map(|rest| word(rest).to_string())
}

/// The type of `impl<…> Type<…> {`; nothing for the implementation of a trait.
fn implemented(header: &str) -> Option<String> {
    let rest = header.strip_prefix("impl")?;
    let rest = if rest.starts_with('<') { rest.split_once("> ")?.1 } else { rest.trim_start() };
    let is_of_trait = rest.split(" where ").next()?.contains(" for ");
    (!is_of_trait).then(|| rest.trim_start_matches('$')).map(|rest| word(rest).to_string())
}

/// The paths of the tree of a `use`, without its new names.
fn leaves(tree: &str) -> Vec<Vec<String>> {
    let Some((before, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        return vec![path.split("::").map(|part| part.trim().to_string()).collect()];
    };
    let before: Vec<String> =
        before.trim_end_matches("::").split("::").map(|part| part.trim().to_string()).collect();
    let inside = rest.rsplit_once('}').map_or(rest, |(inside, _)| inside);
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for c in inside.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().expect("a part").push(c);
    }
    let parts = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty());
    parts.flat_map(leaves).map(|leaf| [before.clone(), leaf].concat()).collect()
}

/// Adds a line of documentation.
fn add(docs: &mut String, line: &str) {
    docs.push_str(line.strip_prefix(' ').unwrap_or(line));
    docs.push('\n');
}

/// Reads a source file as rustfmt writes it.
pub fn parse(text: &str) -> Source {
    let mut source = Source::default();
    let (mut docs, mut hidden) = (String::new(), false);
    // The owner of the block that the line is in, with the indentation of its functions, and whether they are
    // public without `pub`.
    let mut block: Option<(Option<String>, usize, bool)> = None;
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let code = line.trim_start();
        let indentation = line.len() - code.len();
        if code == "mod tests {" {
            break;
        } else if let Some(text) = code.strip_prefix("//!") {
            add(&mut source.docs, text);
            continue;
        } else if let Some(text) = code.strip_prefix("///") {
            add(&mut docs, text);
            continue;
        } else if code.starts_with('#') {
            hidden |= code == "#[doc(hidden)]";
            // Documentation that depends on a feature.
            let with_feature = code.starts_with("#[cfg_attr(feature");
            if let Some((_, text)) = code.split_once(", doc = \"").filter(|_| with_feature) {
                add(&mut docs, text.trim_end_matches("\")]"));
            }
            continue;
        }
        if let Some(name) = behind(code, &["pub mod "]).filter(|_| indentation == 0) {
            source.modules.push(word(name).to_string());
        } else if let Some(tree) = behind(code, &["pub use "]).filter(|_| indentation == 0) {
            let mut tree = tree.to_string();
            while !tree.ends_with(';') {
                tree.push_str(lines.next().expect("the end of a use").1.trim());
            }
            if !hidden {
                source.exports.extend(leaves(tree.trim_end_matches(';')));
            }
        } else if code == "family! {" && indentation == 0 {
            let (name, modules, docs) = family(&mut lines);
            source.items.insert(name.clone(), docs);
            source.family = Some((name, modules));
        } else if code.starts_with("impl") && block.as_ref().is_none_or(|b| indentation + 4 <= b.1)
        {
            let mut header = code.to_string();
            while !header.ends_with('{') && !header.ends_with('}') {
                header.push(' ');
                header.push_str(lines.next().expect("the end of a header").1.trim());
            }
            block = implemented(&header).map(|owner| (Some(owner), indentation + 4, false));
        } else if let Some(rest) = behind(code, &["pub trait ", "pub struct ", "pub enum "]) {
            if !hidden {
                source.items.insert(word(rest).to_string(), docs.clone());
            }
            if code.starts_with("pub trait ") {
                block = Some((Some(word(rest).to_string()), indentation + 4, true));
            }
        } else if line == "}" {
            block = None;
        } else if let Some(name) = declared(code, "pub ").filter(|_| indentation == 0) {
            source.items.insert(name.clone(), docs.clone());
            source.functions.push((None, name, docs.clone(), number + 1));
        } else if let Some((owner, at, is_trait)) = &block
            && *at == indentation
            && let Some(name) = declared(code, if *is_trait { "" } else { "pub " })
            && !hidden
        {
            source.functions.push((owner.clone(), name, docs.clone(), number + 1));
        }
        if code.is_empty() || code.ends_with(['{', '}', ';', ',']) {
            docs.clear();
            hidden = false;
        }
    }
    source
}

/// The enum and the modules that a `family!` declares, and the documentation of the enum.
fn family<'a>(lines: &mut impl Iterator<Item = (usize, &'a str)>) -> (String, Vec<String>, String) {
    let (mut name, mut modules, mut docs) = (String::new(), Vec::new(), String::new());
    for (_, line) in lines.take_while(|(_, line)| *line != "}") {
        let code = line.trim_start();
        if let Some(text) = code.strip_prefix("///") {
            add(&mut docs, text);
        } else if name.is_empty() && code.ends_with('{') && code.contains(", \"") {
            name = word(code).to_string();
        } else if code.contains(" as \"") {
            modules.push(word(code).to_string());
        }
    }
    (name, modules, docs)
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folder` with this extension, sorted.
pub fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("target") {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|end| end == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

pub fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a text file")
}

/// The library's modules with their files. Of modules that features exchange, the one with the feature.
pub fn library() -> BTreeMap<Module, (String, Source)> {
    let folder = root().join("src");
    let mut modules = BTreeMap::new();
    for path in files(&folder, "rs") {
        let name =
            path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/");
        if name.contains("/without_") || name == "src/guide.rs" {
            continue;
        }
        let below = path.strip_prefix(&folder).expect("below src").with_extension("");
        let mut module: Module =
            below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        module.retain(|part| part != "lib");
        modules.insert(module, (name, parse(&read(&path))));
    }
    modules
}

/// The public modules and items of a library.
#[derive(Default)]
pub struct Public {
    pub modules: BTreeSet<Module>,
    /// With the module in which a user finds each.
    pub items: BTreeMap<Item, Module>,
}

impl Public {
    pub fn of(library: &BTreeMap<Module, (String, Source)>) -> Self {
        let mut public = Self::default();
        public.add_module(library, &Module::new());
        public
    }

    fn add_module(&mut self, library: &BTreeMap<Module, (String, Source)>, module: &Module) {
        let Some((_, source)) = library.get(module) else { return };
        if !self.modules.insert(module.clone()) {
            return;
        }
        let family = source.family.iter();
        let all = source.modules.iter().chain(family.clone().flat_map(|(_, modules)| modules));
        for name in all {
            self.add_module(library, &[module.as_slice(), std::slice::from_ref(name)].concat());
        }
        for name in source.items.keys().chain(family.map(|(name, _)| name)) {
            self.items.entry((module.clone(), name.clone())).or_insert_with(|| module.clone());
        }
        for path in &source.exports {
            self.add_export(library, module, path, module);
        }
    }

    /// Adds what `path` leads to from the module `from`, which a user finds in the module `seen`.
    fn add_export(
        &mut self,
        library: &BTreeMap<Module, (String, Source)>,
        from: &Module,
        path: &[String],
        seen: &Module,
    ) {
        let mut target = match path[0].as_str() {
            "crate" => path[1..].to_vec(),
            "self" => [from.as_slice(), &path[1..]].concat(),
            "super" => [&from[..from.len() - 1], &path[1..]].concat(),
            _ => [from.as_slice(), path].concat(),
        };
        if library.contains_key(&target) {
            return self.add_module(library, &target);
        }
        let name = target.pop().expect("a name");
        let Some((_, source)) = library.get(&target) else { return };
        let is_here = source.items.contains_key(&name)
            || source.family.as_ref().is_some_and(|(family, _)| *family == name);
        if is_here {
            self.items.insert((target, name), seen.clone());
        } else if let Some(further) = source.exports.iter().find(|path| path.last() == Some(&name))
        {
            self.add_export(library, &target, further, seen);
        }
    }
}

/// The functions of the public interface.
pub fn functions(library: &BTreeMap<Module, (String, Source)>, public: &Public) -> Vec<Function> {
    let names: BTreeSet<&String> = public.items.keys().map(|(_, name)| name).collect();
    let mut functions = Vec::new();
    for (module, (file, source)) in library {
        for (owner, name, docs, line) in &source.functions {
            let item = (module.clone(), owner.as_ref().unwrap_or(name).clone());
            let place = format!("{file}:{line}");
            let of = |owner: String, is_method| Function {
                owner,
                name: name.clone(),
                is_method,
                docs: docs.clone(),
                place: place.clone(),
            };
            match owner.as_deref() {
                None => {
                    if let Some(seen) = public.items.get(&item) {
                        functions.push(of(seen.last().map_or("impasto", |m| m).to_string(), false));
                    }
                }
                // The macro that writes the functions of every family.
                Some("Family") => {
                    let families = library.values().filter_map(|(_, source)| source.family.clone());
                    functions.extend(families.map(|(family, _)| of(family, true)));
                }
                Some(owner) => {
                    let is_own = source.items.contains_key(owner);
                    if public.items.contains_key(&item) || (!is_own && names.contains(&item.1)) {
                        // Traits of one name, such as the formulas of each family, are distinguished by their
                        // modules.
                        let same = public.items.keys().filter(|(_, name)| name == owner).count();
                        let prefix = module.last().filter(|_| same > 1 && is_own);
                        let prefix = prefix.map_or(String::new(), |prefix| format!("{prefix}::"));
                        functions.push(of(format!("{prefix}{owner}"), true));
                    }
                }
            }
        }
    }
    functions
}
