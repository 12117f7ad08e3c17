//! What a cell of a table contains: a number, text or nothing.

use std::borrow::Cow;

/// Texts of cells that are missing, in lower case.
const MISSING: [&str; 5] = ["", "na", "n/a", "nan", "null"];

/// A cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    Missing,
    /// A finite number, and how it is written.
    Number {
        number: f64,
        text: &'a str,
    },
    Text(&'a str),
}

impl<'a> Cell<'a> {
    /// Reads a cell. `has_decimal_comma` says whether 1,5 is a number, as in tables whose separator is not a comma.
    pub fn read(text: &'a str, has_decimal_comma: bool) -> Self {
        let text = text.trim();
        if text == "?" || MISSING.iter().any(|missing| text.eq_ignore_ascii_case(missing)) {
            return Self::Missing;
        }
        // Not the words that also parse, such as inf.
        let begins = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | ',');
        let ends = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',');
        if !text.starts_with(begins) || !text.ends_with(ends) {
            return Self::Text(text);
        }
        let number = match (has_decimal_comma, text.split_once(',')) {
            (true, Some((whole, rest))) if !whole.contains('.') => {
                format!("{whole}.{rest}").parse::<f64>()
            }
            _ => text.parse::<f64>(),
        };
        match number {
            Ok(number) if number.is_finite() => Self::Number { number, text },
            _ => Self::Text(text),
        }
    }

    /// The category or class of the cell, if it is not missing. Equal numbers have the same category, such as 2 and
    /// 2.0, unless one of them is an identifier, such as 002.
    pub fn category(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Missing => None,
            // The decimal separator is the same in all tables.
            Self::Number { text, .. } if is_identifier(text) => Some(text.replace(',', ".").into()),
            Self::Number { number, .. } => Some(number.to_string().into()),
            Self::Text(text) => Some(text.into()),
        }
    }
}

/// Whether the text of a number says more than its value: it has leading zeros, or more digits than an f64 keeps.
fn is_identifier(text: &str) -> bool {
    const DIGITS: usize = f64::DIGITS as usize;
    let unsigned = text.trim_start_matches(['+', '-']);
    let begins_with_digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    if unsigned.strip_prefix('0').is_some_and(begins_with_digit) {
        return true;
    }
    let significand = unsigned.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = significand.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').len() > DIGITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_texts_and_missing_cells_are_distinguished() {
        let number = |number, text| Cell::Number { number, text };
        for (text, expected) in [
            ("1.5", number(1.5, "1.5")),
            (" -2e3 ", number(-2000.0, "-2e3")),
            ("+.5", number(0.5, "+.5")),
            ("007", number(7.0, "007")),
            ("", Cell::Missing),
            ("NaN", Cell::Missing),
            ("n/a", Cell::Missing),
            ("?", Cell::Missing),
            ("inf", Cell::Text("inf")),
            ("-inf", Cell::Text("-inf")),
            ("1e999", Cell::Text("1e999")),
            ("12 m", Cell::Text("12 m")),
            ("1,5", Cell::Text("1,5")),
            ("2024-01-05", Cell::Text("2024-01-05")),
        ] {
            assert_eq!(Cell::read(text, false), expected, "{text}");
        }
        assert_eq!(Cell::read("-1,5", true), number(-1.5, "-1,5"));
        assert_eq!(Cell::read("1.5", true), number(1.5, "1.5"));
        assert_eq!(Cell::read("1.234,5", true), Cell::Text("1.234,5"));
        assert_eq!(Cell::read("1,234,5", true), Cell::Text("1,234,5"));
    }

    #[test]
    fn categories_of_identifiers_are_their_texts() {
        for (text, category) in [
            ("2", Some("2")),
            ("2.0", Some("2")),
            ("+2", Some("2")),
            ("2.000000000000000000e+00", Some("2")),
            ("0", Some("0")),
            ("0.5", Some("0.5")),
            ("007", Some("007")),
            ("-07", Some("-07")),
            ("00", Some("00")),
            ("123456789012345", Some("123456789012345")),
            ("12345678901234567", Some("12345678901234567")),
            ("12345678901234568", Some("12345678901234568")),
            ("red", Some("red")),
            ("NA", None),
        ] {
            assert_eq!(Cell::read(text, false).category().as_deref(), category, "{text}");
        }
        for (text, category) in [("1,50", "1.5"), ("01,50", "01.50")] {
            assert_eq!(Cell::read(text, true).category().as_deref(), Some(category), "{text}");
        }
    }
}
