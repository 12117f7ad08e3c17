//! New names for the declarations in a text of WGSL, so that several texts can be in one kernel.

use std::collections::HashSet;

/// What ends a line, and a comment that began with `//`.
const LINE_BREAKS: [char; 7] = ['\n', '\u{b}', '\u{c}', '\r', '\u{85}', '\u{2028}', '\u{2029}'];

/// The text with `suffix` behind the names of all functions, constants, variables and types that it declares
/// outside of functions, but for those in `kept`. Other names that would then be the same get it too.
pub(crate) fn suffixed(text: &str, suffix: &str, kept: &[&str]) -> String {
    let tokens = tokens(text);
    let mut declared = declared(&tokens);
    declared.retain(|name| !kept.contains(name));
    // `scale_1` of a function must not become what `scale` becomes.
    let is_renamed = |name: &str| {
        let mut shorter = std::iter::successors(Some(name), |name| name.strip_suffix(suffix));
        shorter.any(|name| declared.contains(name))
    };
    let mut renamed = String::with_capacity(2 * text.len());
    // How many braces are open, and at which depth the members of a structure are.
    let (mut depth, mut members) = (0_usize, None);
    let mut code = tokens.iter().filter(|token| token.kind != Kind::Space).peekable();
    let mut before = "";
    let mut end = 0;
    while let Some(token) = code.next() {
        renamed.push_str(&text[end..token.start]);
        renamed.push_str(token.text);
        end = token.start + token.text.len();
        match token.text {
            "struct" => members = Some(depth + 1),
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                members = members.filter(|members| *members <= depth);
            }
            _ => {}
        }
        let after = code.peek().map_or("", |token| token.text);
        let is_member = before == "." || (members == Some(depth) && after == ":");
        let is_name = token.kind == Kind::Name && before != "@" && !is_member;
        if is_name && is_renamed(token.text) {
            renamed.push_str(suffix);
        }
        before = token.text;
    }
    renamed.push_str(&text[end..]);
    renamed
}

/// Whether a text has an attribute with one of these names.
pub(crate) fn has_attribute(text: &str, names: &[&str]) -> bool {
    let tokens = tokens(text);
    let code: Vec<&str> = tokens.iter().filter(|t| t.kind != Kind::Space).map(|t| t.text).collect();
    code.windows(2).any(|pair| pair[0] == "@" && names.contains(&pair[1]))
}

/// The names that are declared outside of functions.
fn declared<'a>(tokens: &[Token<'a>]) -> HashSet<&'a str> {
    let mut names = HashSet::new();
    let mut depth = 0_usize;
    // Whether the next name is that of a declaration. That of a variable follows its address space in `<>`.
    let (mut expected, mut angles) = (false, 0_usize);
    for token in tokens.iter().filter(|token| token.kind != Kind::Space) {
        match token.text {
            "{" | "(" => depth += 1,
            "}" | ")" => depth = depth.saturating_sub(1),
            "<" if expected => angles += 1,
            ">" if expected => angles = angles.saturating_sub(1),
            "fn" | "const" | "override" | "alias" | "struct" | "var" if depth == 0 => {
                (expected, angles) = (true, 0);
            }
            name if expected && angles == 0 && token.kind == Kind::Name => {
                names.insert(name);
                expected = false;
            }
            _ => {}
        }
    }
    names
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A name or a keyword.
    Name,
    /// Blanks and comments.
    Space,
    /// A number, or a single other character.
    Other,
}

#[derive(Clone, Copy)]
struct Token<'a> {
    kind: Kind,
    text: &'a str,
    start: usize,
}

/// The parts of a text, in their order and without gaps.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let until = |end: Option<usize>| end.unwrap_or(rest.len());
        let is_in_name = |c: char| c.is_alphanumeric() || c == '_';
        let (kind, length) = if first.is_whitespace() {
            (Kind::Space, until(rest.find(|c: char| !c.is_whitespace())))
        } else if rest.starts_with("//") {
            (Kind::Space, until(rest.find(LINE_BREAKS)))
        } else if rest.starts_with("/*") {
            (Kind::Space, comment(rest))
        } else if first.is_ascii_digit() {
            // With the letters of its exponent and its type.
            (Kind::Other, until(rest.find(|c: char| !is_in_name(c) && c != '.')))
        } else if is_in_name(first) {
            (Kind::Name, until(rest.find(|c: char| !is_in_name(c))))
        } else {
            (Kind::Other, first.len_utf8())
        };
        let start = text.len() - rest.len();
        let (token, others) = rest.split_at(length);
        tokens.push(Token { kind, text: token, start });
        rest = others;
    }
    tokens
}

/// The length of the comment that a text begins with. Comments may contain comments.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::suffixed;

    #[test]
    fn what_is_declared_outside_of_functions_is_renamed_wherever_it_is_used() {
        let text = "// Of scale and twice.
            const scale: f32 = 0x1F * 1e2f; alias Number=f32;
            var<private, read_write> last: Number;
            struct Pair { scale: f32, @align(16) twice: array<Number, 2> }
            /* fn twice /* nested */ */ fn twice (v : Pair) -> f32 { return v.scale*scale+v.twice[0]; }
            @must_use fn f2(z: f32) -> f32 { let z2: f32 = twice(Pair(z, array<Number, 2>())); last=z2;
                return f2f(z2); }
            fn f2f(z: f32) -> f32 { const scale = 2.0; return scale * z; }
            fn main(z: f32) -> f32 { return f2(z).x; }";
        let expected = "// Of scale and twice.
            const scale_1: f32 = 0x1F * 1e2f; alias Number_1=f32;
            var<private, read_write> last_1: Number_1;
            struct Pair_1 { scale: f32, @align(16) twice: array<Number_1, 2> }
            /* fn twice /* nested */ */ fn twice_1 (v : Pair_1) -> f32 { return v.scale*scale_1+v.twice[0]; }
            @must_use fn f2_1(z: f32) -> f32 { let z2: f32 = twice_1(Pair_1(z, array<Number_1, 2>())); last_1=z2;
                return f2f_1(z2); }
            fn f2f_1(z: f32) -> f32 { const scale_1 = 2.0; return scale_1 * z; }
            fn main(z: f32) -> f32 { return f2_1(z).x; }";
        assert_eq!(suffixed(text, "_1", &["main"]), expected);
    }

    #[test]
    fn names_that_would_become_the_same_stay_different() {
        let text =
            "const k = 2.0; fn main(z: f32) -> f32 { let k_1 = z; let k_1_1 = k_1; let main_1 = z;
            return k * k_1 * k_1_1 * l_1 * main_1; }";
        let expected = "const k_1 = 2.0; fn main(z: f32) -> f32 { let k_1_1 = z; let k_1_1_1 = k_1_1; let main_1 = z;
            return k_1 * k_1_1 * k_1_1_1 * l_1 * main_1; }";
        assert_eq!(suffixed(text, "_1", &["main"]), expected);
    }

    #[test]
    fn a_comment_ends_with_its_line() {
        for end in super::LINE_BREAKS {
            let renamed = suffixed(&format!("// fn a{end}fn b() {{}}"), "_1", &[]);
            assert_eq!(renamed, format!("// fn a{end}fn b_1() {{}}"));
        }
    }

    #[test]
    fn any_text_is_taken() {
        for text in
            ["", "/* open", "/*/", "fn", "} } fn a", "struct é { é: f32 }", "var<", "1e", "€ fn"]
        {
            let renamed = suffixed(text, "_1", &[]);
            assert_eq!(renamed.replace("_1", ""), text);
        }
    }
}
