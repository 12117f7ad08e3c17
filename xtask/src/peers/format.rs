//! Numbers and tables of `BENCHMARKS.md`.

/// A table in Markdown; the first column is words, the others are figures.
pub fn table(header: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule: Vec<String> =
        (0..header.len()).map(|i| if i == 0 { "---" } else { "---:" }.into()).collect();
    let rows: String = rows.iter().map(|row| line(row)).collect();
    line(header) + &line(&rule) + &rows
}

/// A text from elsewhere as a part of a line: what Markdown or HTML would read otherwise is escaped.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        if letter.is_control() {
            escaped.push(' ');
            continue;
        }
        if r"\`*_[]<>|~&$".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

/// A text from elsewhere as code in a line or in a cell of a table.
pub fn code(text: &str) -> String {
    let text = text.replace(char::is_control, " ").replace('`', "'");
    format!("`{}`", text.replace('|', r"\|"))
}

/// Three significant digits.
pub fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    if value >= 1_000.0 {
        return count(value);
    }
    let decimals = (2 - value.abs().log10().floor() as i32).max(0);
    let text = format!("{value:.*}", decimals as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

/// As [`short`], with the zeros at the end, so that columns line up.
pub fn figure(value: f64) -> String {
    if value >= 1_000.0 {
        return count(value);
    }
    let decimals = (2 - value.max(1e-9).log10().floor() as i32).max(0);
    format!("{value:.*}", decimals as usize)
}

/// Seconds in microseconds, with three significant digits.
pub fn micro(seconds: f64) -> String {
    figure(seconds * 1e6)
}

/// A whole number with commas between thousands.
pub fn count(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_from_elsewhere_stays_text() {
        assert_eq!(escaped("16×16 f16 → f32 (a, b) v1.2-3"), "16×16 f16 → f32 (a, b) v1.2-3");
        assert_eq!(escaped("a_b | `c` <b>&amp;\r\n\t\\"), r"a\_b \| \`c\` \<b\>\&amp;   \\");
        assert_eq!(code("a|`b`\n<c>"), r"`a\|'b' <c>`");
    }

    #[test]
    fn numbers_are_written_for_readers() {
        assert_eq!(count(12_345_678.0), "12,345,678");
        assert_eq!(count(100.0), "100");
        assert_eq!(short(0.050), "0.05");
        assert_eq!(short(1_234.0), "1,234");
        assert_eq!(figure(0.0400), "0.0400");
        assert_eq!(figure(12.34), "12.3");
    }
}
