//! Tests of configurations: the names of tiny-cuda-nn and those of this crate, what is refused, and that every
//! configuration is written and read again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "config/refusals.rs"]
mod refusals;
#[path = "config/samples.rs"]
mod samples;
#[path = "config/schema.rs"]
mod schema;

#[path = "config/vocabulary.rs"]
mod vocabulary;
#[path = "config/writing.rs"]
mod writing;

use impasto::Configuration;
use serde_json::Value;

/// Reads a configuration of a network of 2 inputs.
fn read(text: &str) -> Configuration {
    Configuration::from_json(text, 2).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The message for one that cannot be read.
fn refusal(text: &str) -> String {
    match Configuration::from_json(text, 2) {
        Ok(read) => panic!("{text} was read: {read:?}"),
        Err(error) => error.to_string(),
    }
}

/// A name with every second letter in the other case.
fn mixed(name: &str) -> String {
    let turn = |(i, c): (usize, char)| match (i % 2, c.is_ascii_lowercase()) {
        (0, true) => c.to_ascii_uppercase(),
        (0, false) => c.to_ascii_lowercase(),
        _ => c,
    };
    name.chars().enumerate().map(turn).collect()
}

/// `value` with all texts in mixed case.
fn in_mixed_case(value: &Value) -> Value {
    match value {
        Value::String(text) => mixed(text).into(),
        Value::Array(all) => all.iter().map(in_mixed_case).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.clone(), in_mixed_case(value))).collect()
        }
        other => other.clone(),
    }
}
