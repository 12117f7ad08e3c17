//! What a cell of a table contains: a number, text or nothing.

/// Texts of cells that are missing, in lower case.
const MISSING: [&str; 5] = ["", "na", "n/a", "nan", "null"];

/// A cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    Missing,
    Number(f64),
    Text(&'a str),
}

impl<'a> Cell<'a> {
    /// Reads a cell. `has_decimal_comma` says whether 1,5 is a number, as in tables that are separated by semicolons.
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
            Ok(number) if number.is_finite() => Self::Number(number),
            _ => Self::Text(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_texts_and_missing_cells_are_distinguished() {
        for (text, expected) in [
            ("1.5", Cell::Number(1.5)),
            (" -2e3 ", Cell::Number(-2000.0)),
            ("+.5", Cell::Number(0.5)),
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
        assert_eq!(Cell::read("-1,5", true), Cell::Number(-1.5));
        assert_eq!(Cell::read("1.5", true), Cell::Number(1.5));
        assert_eq!(Cell::read("1.234,5", true), Cell::Text("1.234,5"));
        assert_eq!(Cell::read("1,234,5", true), Cell::Text("1,234,5"));
    }
}
