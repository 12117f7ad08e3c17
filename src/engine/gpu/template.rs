//! Templates of WGSL: registers cannot be indexed, so lines over them are written out.
//!
//! - `@if NAME` or `@if !NAME`, `@else`, `@end`, each on a line of its own, keep or drop the lines
//!   between them. They nest.
//! - A line that begins with `@each r q` stands once for every `r` and every `q`, in which `@r` and
//!   `@q` become their numbers. Each letter's range is part of the template's values.
//! - Any other `@name` in the template's values becomes its text, which may contain letters of the
//!   line it stands in. WGSL's own attributes (`@group`, `@compute`…) stay.

/// What a template is filled with.
#[derive(Default)]
pub(super) struct Values {
    /// Which `@if`s hold; what is not named does not.
    pub(super) conditions: Vec<(&'static str, bool)>,
    /// How far each letter of an `@each` counts.
    pub(super) ranges: Vec<(char, u32)>,
    /// What each `@name` becomes.
    pub(super) texts: Vec<(&'static str, String)>,
}

/// The template with `values` in it.
pub(super) fn fill(template: &str, values: &Values) -> String {
    let mut filled = String::with_capacity(2 * template.len());
    // For every open `@if`, whether the lines at hand are kept.
    let mut kept = Vec::new();
    for line in template.lines() {
        let words = line.trim();
        if let Some(condition) = words.strip_prefix("@if ") {
            kept.push(values.holds(condition));
        } else if words == "@else" {
            if let Some(last) = kept.last_mut() {
                *last = !*last;
            }
        } else if words == "@end" {
            kept.pop();
        } else if kept.iter().all(|kept| *kept) {
            values.expand(line, &mut filled);
        }
    }
    filled
}

impl Values {
    fn holds(&self, condition: &str) -> bool {
        let (name, wanted) = match condition.strip_prefix('!') {
            Some(name) => (name, false),
            None => (condition, true),
        };
        self.conditions.iter().any(|(known, holds)| *known == name && *holds) == wanted
    }

    /// Adds the lines that `line` stands for.
    fn expand(&self, line: &str, filled: &mut String) {
        let mut line = line.to_string();
        for (name, text) in &self.texts {
            line = line.replace(&format!("@{name}"), text);
        }
        let mut lines = Vec::new();
        match line.trim_start().strip_prefix("@each ") {
            None => lines.push(line),
            Some(rest) => {
                let mut body = rest;
                let mut letters = Vec::new();
                // The first word that is no letter begins the body.
                while let Some((word, after)) = body.split_once(' ')
                    && let Some((letter, count)) =
                        self.ranges.iter().find(|(letter, _)| word == letter.to_string())
                {
                    letters.push((*letter, *count));
                    body = after;
                }
                lines.push(body.to_string());
                for (letter, count) in letters {
                    let each = |line: String| {
                        (0..count).map(move |n| line.replace(&format!("@{letter}"), &n.to_string()))
                    };
                    lines = lines.into_iter().flat_map(each).collect();
                }
            }
        }
        for line in lines {
            filled.push_str(&line);
            filled.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str) -> String {
        let values = Values {
            conditions: vec![("yes", true), ("no", false)],
            ranges: vec![('r', 2), ('q', 3)],
            texts: vec![("name", "array[@r]".into())],
        };
        fill(template, &values)
    }

    #[test]
    fn lines_are_repeated_for_every_letter() {
        assert_eq!(filled("  @each r a_@r = @ru;\nb"), "a_0 = 0u;\na_1 = 1u;\nb\n");
        let expected = "s_0_0\ns_0_1\ns_0_2\ns_1_0\ns_1_1\ns_1_2\n";
        assert_eq!(filled("@each r q s_@r_@q"), expected);
        assert_eq!(filled("@each r x = @name;"), "x = array[0];\nx = array[1];\n");
    }

    #[test]
    fn lines_are_kept_where_their_condition_holds() {
        assert_eq!(filled("@if yes\na\n@else\nb\n@end\nc"), "a\nc\n");
        assert_eq!(filled("@if !yes\na\n@else\nb\n@end"), "b\n");
        assert_eq!(filled("@if no\n@if yes\na\n@else\nb\n@end\n@end\n@if unknown\nd\n@end"), "");
    }

    #[test]
    fn attributes_stay() {
        assert_eq!(filled("@compute @workgroup_size(8)"), "@compute @workgroup_size(8)\n");
    }
}
