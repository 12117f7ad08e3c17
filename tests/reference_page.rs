//! Tests that `docs/reference.md`, `docs/config.md` and `docs/config.schema.json` agree with the tables of components.
//!
//! `cargo xtask reference` runs these tests with `IMPASTO_WRITE_REFERENCE=1`, which writes the files
//! instead of comparing them.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

use impasto::family::About;
use impasto::{Activation, Encoding, Loss, Optimizer, Schedule, Wrapper};
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// The page.
const PAGE: &str = "docs/reference.md";

/// What the page begins with.
const INTRODUCTION: &str = "\
# Reference

<!-- Written by `cargo xtask reference` from the tables in src. Do not edit. -->

Every activation, loss, optimizer, schedule and encoding. On the command line of `paint` (`--activation`, `--loss`,
`--optimizer`, `--schedule`, `--encoding`), for `from_name`, and in messages a component is written as its name, alone
or with parameters: `name:parameter=value,parameter=value`. A parameter that is left out has its default.

";

/// A family of components: its heading, what its formulas are written with, and its members.
struct Family {
    title: &'static str,
    symbols: &'static str,
    entries: Vec<Entry>,
}

/// A component.
struct Entry {
    name: &'static str,
    about: About,
    /// What is not in the formula; empty if all is.
    note: String,
    /// Its default parameters, by name.
    defaults: Value,
}

impl Entry {
    fn new(name: &'static str, about: About, note: String, component: &impl Serialize) -> Self {
        // A component with parameters is written as {"name": {"parameter": value, …}}.
        let tagged = serde_json::to_value(component).expect("plain data");
        Self { name, about, note, defaults: tagged[name].clone() }
    }

    fn write(&self, page: &mut String) {
        let About { formula, source, pytorch, parameters, .. } = self.about;
        let formula = in_lines(formula);
        write!(page, "### `{}`\n\n```text\n{formula}\n```\n\n", self.name).unwrap();
        write!(page, "{}.", escaped(source)).unwrap();
        if !pytorch.is_empty() {
            write!(page, " In PyTorch `{pytorch}`.").unwrap();
        }
        if !self.note.is_empty() {
            write!(page, " {}", self.note).unwrap();
        }
        page.push_str("\n\n");
        if parameters.is_empty() {
            return;
        }
        page.push_str("| parameter | default | range | meaning |\n|---|---|---|---|\n");
        for parameter in parameters {
            let default = self.defaults[parameter.name].to_string();
            writeln!(
                page,
                "| `{}` | {} | {} | {} |",
                parameter.name,
                default.strip_suffix(".0").unwrap_or(&default),
                parameter.range,
                escaped(parameter.meaning)
            )
            .unwrap();
        }
        page.push('\n');
    }
}

/// The formula with each assignment of `m ← …, w ← …` and each part after a semicolon in a line of its
/// own, in lines that can be read without scrolling.
fn in_lines(formula: &str) -> String {
    // `w ← …` or `Label: w ← …`.
    let assigns = |part: &str| {
        let (target, _) = part.split_once('←').unwrap_or_default();
        let (_, target) = target.split_once(": ").unwrap_or(("", target));
        target.split_whitespace().count() == 1
    };
    let (mut lines, mut line, mut depth) = (String::new(), String::new(), 0);
    let outside = |c: char| {
        depth += i32::from(matches!(c, '(' | '[')) - i32::from(matches!(c, ')' | ']'));
        depth == 0 && matches!(c, ',' | ';')
    };
    for part in formula.split_inclusive(outside).map(str::trim_start) {
        let separate = line.ends_with(';') || assigns(part);
        if !line.is_empty() && (separate || line.chars().count() + part.chars().count() > 100) {
            if separate {
                line.pop();
            }
            lines.push_str(&line);
            lines.push('\n');
            line.clear();
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(part);
    }
    lines + &line
}

/// Text in which Markdown sees no markup but `code`, also not that of a table.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if matches!(c, '|' | '*' | '_' | '<' | '[' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

fn families() -> [Family; 6] {
    let activation = |a: &Activation| Entry::new(a.name(), a.about(), String::new(), a);
    let loss = |l: &Loss| {
        let note = l.folded_activation().map_or(String::new(), |folded| {
            format!(
                "Computed from the output layer's weighted sums z: its activation must be \
                 `{folded}` or `identity`."
            )
        });
        Entry::new(l.name(), l.about(), note, l)
    };
    let schedule = |s: &Schedule| Entry::new(s.name(), s.about(), String::new(), s);
    let encoding = |e: &Encoding| Entry::new(e.name(), e.about(), String::new(), e);
    let wrapper = |w: &Wrapper| Entry::new(w.name(), w.about(), String::new(), w);
    let optimizer = |o: &Optimizer| Entry::new(o.name(), o.about(), String::new(), o);
    [
        Family {
            title: "Activations",
            symbols: "z is the weighted sum of a neuron, σ(z) = 1 / (1 + e⁻ᶻ). A hidden layer may \
                      have dropout (`Builder::dropout`): in training, each of its outputs is 0 with \
                      probability rate and otherwise divided by 1 − rate.",
            entries: Activation::ALL.iter().map(activation).collect(),
        },
        Family {
            title: "Losses",
            symbols: "y are the network's outputs, t the targets. Sums are over the samples of a \
                      batch and their outputs. A sample may have a weight (`Dataset::with_weights`, \
                      `with_class_weights`), which multiplies its terms.",
            entries: Loss::ALL.iter().map(loss).collect(),
        },
        Family {
            title: "Optimizers",
            symbols: "w is a parameter, g its gradient (with the L2 penalty, if there is one), rate \
                      the learning rate after the schedule. Everything else starts at 0 unless said.",
            entries: Optimizer::ALL.iter().map(optimizer).collect(),
        },
        Family {
            title: "Wrappers",
            symbols: "What surrounds an optimizer, in the order in which it is applied; the L2 penalty \
                      and the optimizer come before `lookahead`. Each can be there once \
                      (`Trainer::wrappers`).",
            entries: Wrapper::ALL.iter().map(wrapper).collect(),
        },
        Family {
            title: "Schedules",
            symbols: "rate is the learning rate before the schedule, steps the number of all steps; \
                      steps and epochs are counted from 1. With a warm-up, the rate first rises \
                      linearly from almost 0, and steps are counted after it.",
            entries: Schedule::ALL.iter().map(schedule).collect(),
        },
        Family {
            title: "Encodings",
            symbols: "x are the network's inputs. What is computed of them goes to the first layer.",
            entries: Encoding::ALL.iter().map(encoding).collect(),
        },
    ]
}

/// The anchor of the heading `name`, of which `names` may contain earlier ones.
fn anchor(name: &'static str, names: &mut Vec<&'static str>) -> String {
    let earlier = names.iter().filter(|earlier| **earlier == name).count();
    names.push(name);
    if earlier == 0 { name.into() } else { format!("{name}-{earlier}") }
}

fn page() -> String {
    let mut page = INTRODUCTION.to_string();
    let families = families();
    let mut names = Vec::new();
    for family in &families {
        let links: Vec<String> = family
            .entries
            .iter()
            .map(|entry| format!("[`{}`](#{})", entry.name, anchor(entry.name, &mut names)))
            .collect();
        writeln!(page, "- {}: {}", family.title, links.join(", ")).unwrap();
    }
    for Family { title, symbols, entries } in &families {
        write!(page, "\n## {title}\n\n{symbols}\n\n").unwrap();
        for entry in entries {
            entry.write(&mut page);
        }
        page.truncate(page.trim_end().len());
        page.push('\n');
    }
    page
}

/// Asserts that a file is `text`, or writes it.
fn assert_current(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var("IMPASTO_WRITE_REFERENCE").is_ok_and(|value| value == "1") {
        fs::write(&path, text).expect("the file can be written");
    }
    let there = fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    let mut number = 0;
    let stale =
        there.lines().chain(std::iter::repeat("")).zip(text.lines()).find(|(there, new)| {
            number += 1;
            there != new
        });
    assert_eq!(stale, None, "{name}, line {number}, is stale: run `cargo xtask reference`");
    assert_eq!(there.len(), text.len(), "{name} is stale: run `cargo xtask reference`");
}

#[test]
fn the_reference_page_is_what_the_tables_say() {
    assert_current(PAGE, &page());
}

/// The schema of configurations.
const SCHEMA: &str = "docs/config.schema.json";

/// The page about configurations, which has a table between two comments.
const CONFIGURATIONS: [&str; 3] =
    ["docs/config.md", "<!-- Written by `cargo xtask reference`. -->\n\n", "\n<!-- End. -->"];

/// The names of tiny-cuda-nn and their options, as a table.
fn vocabulary(schema: &Value) -> String {
    let mut table = String::from("| kind | otype | here | options |\n|---|---|---|---|\n");
    for kind in ["network", "encoding", "loss", "optimizer"] {
        let shapes = &schema["definitions"][format!("tiny-cuda-nn {kind}")]["anyOf"];
        for shape in shapes.as_array().expect("a list") {
            let quoted = |names: &Value| {
                let names = names.as_array().expect("names").iter();
                names
                    .map(|name| format!("`{}`", name.as_str().unwrap()))
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            let ours = shape["description"].as_str().unwrap();
            let properties = shape["properties"].as_object().unwrap();
            let is_own = |key: &&String| !key.contains("dims_to_encode") && *key != "otype";
            let options: Vec<String> = properties
                .keys()
                .filter(is_own)
                .map(|key| {
                    let shape = &properties[key];
                    let only = shape.get("const").or(shape["enum"]
                        .get(0)
                        .filter(|_| shape["enum"].as_array().is_some_and(|all| all.len() == 1)));
                    match (only, shape.get("default")) {
                        (Some(only), _) => format!("`{key}` (only {only})").replace('"', ""),
                        (None, Some(default)) => format!("`{key}` ({default})").replace('"', ""),
                        (None, None) => format!("`{key}`"),
                    }
                })
                .collect();
            let otype = quoted(&properties["otype"]["enum"]);
            writeln!(table, "| {kind} | {otype} | {ours} | {} |", options.join(", ")).unwrap();
        }
    }
    table
}

#[test]
fn the_schema_and_the_table_of_configurations_are_current() {
    let schema = impasto::config::schema::schema();
    let text = serde_json::to_string_pretty(&schema).expect("JSON");
    assert_current(SCHEMA, &format!("{text}\n"));
    let [name, start, end] = CONFIGURATIONS;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let page = fs::read_to_string(path).expect("the page").replace("\r\n", "\n");
    let (before, rest) = page.split_once(start).expect("where the table starts");
    let (_, after) = rest.split_once(end).expect("where the table ends");
    assert_current(name, &format!("{before}{start}{}{end}{after}", vocabulary(&schema)));
}
