//! Reads JSON with comments.

use crate::error::{Error, Result, invalid_format};
use jsonc_parser::ast;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde_json::{Map, Number, Value};

/// JSON as the standard has it, and comments.
const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// The value of a text in JSON, in which `//` and `/* */` begin comments. A key that is there twice in an object is an
/// error, since one of its values would be ignored.
pub(super) fn read(text: &str) -> Result<Value> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let parsed = parse_to_ast(text, &CollectOptions::default(), &OPTIONS)
        .map_err(|error| Error::Format(format!("no JSON: {error}")))?;
    match parsed.value {
        Some(value) => convert(&value, &mut String::new()),
        None => invalid_format("no JSON: it is empty"),
    }
}

/// `value`, which is at `path`.
fn convert(value: &ast::Value<'_>, path: &mut String) -> Result<Value> {
    Ok(match value {
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::BooleanLit(literal) => Value::Bool(literal.value),
        ast::Value::StringLit(literal) => Value::String(literal.value.to_string()),
        ast::Value::NumberLit(literal) => match literal.value.parse::<Number>() {
            Ok(number) => Value::Number(number),
            Err(_) => return invalid_format(format!("{path}: {} is no number", literal.value)),
        },
        ast::Value::Array(array) => {
            let mut values = Vec::with_capacity(array.elements.len());
            for (i, element) in array.elements.iter().enumerate() {
                values.push(below(path, &format!("[{i}]"), |path| convert(element, path))?);
            }
            Value::Array(values)
        }
        ast::Value::Object(object) => {
            let mut map = Map::new();
            for property in &object.properties {
                let key = property.name.as_str();
                let step = if path.is_empty() { key.into() } else { format!(".{key}") };
                let value = below(path, &step, |path| {
                    if map.contains_key(key) {
                        return invalid_format(format!("{path} is there twice"));
                    }
                    convert(&property.value, path)
                })?;
                map.insert(key.into(), value);
            }
            Value::Object(map)
        }
    })
}

/// Calls `act` with the path one step further.
fn below<T>(path: &mut String, step: &str, act: impl FnOnce(&mut String) -> T) -> T {
    let length = path.len();
    path.push_str(step);
    let result = act(path);
    path.truncate(length);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn comments_are_left_out_and_nothing_else() {
        let text =
            "\u{feff}// A\n{ /* B */ \"a\": [1, 2.5e-3, \"// no comment\"], \"b\": null } // C";
        let value = read(text).expect("JSON");
        assert_eq!(value, json!({ "a": [1, 2.5e-3, "// no comment"], "b": null }));
        assert_eq!(read("18446744073709551615").expect("a number"), json!(u64::MAX));
        for (bad, words) in [
            ("", "no JSON: it is empty"),
            ("{\"a\": 1,}", "no JSON: "),
            ("{a: 1}", "no JSON: "),
            ("{'a': 1}", "no JSON: "),
            ("{\"a\": NaN}", "no JSON: "),
            ("{\"a\": 0x10}", "no JSON: "),
            ("{\"a\" 1}", "line 1 column "),
            ("/* {", "no JSON: "),
            ("{} {}", "no JSON: "),
            ("{\"a\": {\"b\": [0, {\"c\": 1, \"c\": 2}]}}", "a.b[1].c is there twice"),
        ] {
            let error = read(bad).expect_err(bad).to_string();
            assert!(error.contains(words), "{bad}: {error}");
        }
        assert!(read(&"[".repeat(100_000)).is_err());
    }
}
