//! WGSL templates with strict syntax.
//!
//! - `@if NAME` or `@if !NAME`, `@else` and `@end`, each on a line of its own, keep or drop the lines
//!   between them. They nest.
//! - A line that begins with `@each r q:` is repeated for every `r` and every `q`. Each letter has a
//!   range, and `${r}` becomes its number. WGSL's registers cannot be indexed, so lines over them are
//!   written out.
//! - `${name}` becomes the text of that name, which may contain letters of the line.
//! - `${name(r, 0)}` becomes what the function of that name returns. Its arguments are letters of the
//!   line or whole numbers.
//!
//! Anything else behind an `@` must be an attribute of WGSL (`@group`, `@compute`…). A name that is not
//! known is an error even in lines that are dropped. Comments follow the same rules for `${name}`.

use crate::error::{Error, Result};
use std::fmt::Write;

/// A result of parsing a line, or the mistake in it.
type Parsed<T> = std::result::Result<T, String>;

/// The values that fill a template.
#[derive(Default)]
pub(crate) struct Values<'a> {
    /// Which `@if`s hold.
    pub(crate) conditions: Vec<(&'a str, bool)>,
    /// How far each letter of an `@each` counts.
    pub(crate) ranges: Vec<(char, u32)>,
    /// What each `${name}` becomes.
    pub(crate) texts: Vec<(&'a str, String)>,
    /// What each `${name(…)}` becomes.
    pub(crate) functions: Vec<Function<'a>>,
}

/// Text that depends on numbers.
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    /// How many numbers.
    pub(crate) arguments: usize,
    pub(crate) text: Text<'a>,
}

/// A function from numbers to a text.
type Text<'a> = Box<dyn Fn(&[u32]) -> String + 'a>;

/// The attributes of WGSL.
const ATTRIBUTES: [&str; 7] =
    ["align", "binding", "builtin", "compute", "group", "size", "workgroup_size"];

/// The template with `values` in it.
///
/// # Errors
/// The template does not follow the rules above. The message contains `name` and the line.
pub(crate) fn fill(name: &str, template: &str, values: &Values) -> Result<String> {
    let mut filled = String::with_capacity(2 * template.len());
    let mut blocks: Vec<Block> = Vec::new();
    let error = |line: usize, message: &str| {
        Error::Internal(format!("the template {name}, line {line}: {message}"))
    };
    let mut end = 0;
    for (number, line) in (1..).zip(template.lines()) {
        let kept = blocks.iter().all(|block| block.kept);
        values
            .line(line, number, kept, &mut blocks, &mut filled)
            .map_err(|message| error(number, &message))?;
        end = number;
    }
    match blocks.pop() {
        None => Ok(filled),
        Some(block) => Err(error(end, &format!("the @if of line {} has no @end", block.line))),
    }
}

/// An `@if` that has no `@end` yet.
struct Block {
    /// The number of its line.
    line: usize,
    /// Whether the current lines are kept.
    kept: bool,
    /// Whether its `@else` is behind.
    is_else: bool,
}

/// A part of a line.
enum Piece<'a> {
    Plain(&'a str),
    /// The number of a letter of the line, by its place among them.
    Letter(usize),
    Call(&'a Function<'a>, Vec<Argument>),
}

/// An argument of a function: a letter of the line, by its place among them, or a number.
enum Argument {
    Letter(usize),
    Number(u32),
}

impl<'a> Values<'a> {
    /// Takes one line: a directive, or lines to be added to `filled` if they are `kept`.
    fn line<'t>(
        &'t self,
        line: &'t str,
        number: usize,
        kept: bool,
        blocks: &mut Vec<Block>,
        filled: &mut String,
    ) -> Parsed<()>
    where
        'a: 't,
    {
        let words = line.trim();
        let (directive, rest) = words.split_once(' ').unwrap_or((words, ""));
        match (directive, rest) {
            ("@if", condition) => {
                let kept = self.holds(condition)?;
                blocks.push(Block { line: number, kept, is_else: false });
            }
            ("@else", "") => match blocks.last_mut() {
                Some(Block { kept, is_else: is_else @ false, .. }) => {
                    (*kept, *is_else) = (!*kept, true);
                }
                Some(_) => return Err("a second @else".into()),
                None => return Err("an @else without an @if".into()),
            },
            ("@end", "") => {
                blocks.pop().ok_or("an @end without an @if")?;
            }
            ("@each", rest) => {
                let (letters, body) =
                    rest.split_once(": ").ok_or("no ': ' behind the letters of @each")?;
                let letters: Vec<(char, u32)> =
                    letters.split(' ').map(|word| self.letter(word)).collect::<Parsed<_>>()?;
                self.expand(body, &letters, kept, filled)?;
            }
            _ => self.expand(line, &[], kept, filled)?,
        }
        Ok(())
    }

    fn holds(&self, condition: &str) -> Parsed<bool> {
        let (name, wanted) = match condition.strip_prefix('!') {
            Some(name) => (name, false),
            None => (condition, true),
        };
        let found = self.conditions.iter().find(|(known, _)| *known == name);
        found
            .map(|(_, holds)| *holds == wanted)
            .ok_or_else(|| format!("there is no condition '{name}'"))
    }

    fn letter(&self, word: &str) -> Parsed<(char, u32)> {
        let mut characters = word.chars();
        let letter = characters.next().filter(|_| characters.next().is_none());
        let found = self.ranges.iter().find(|(known, _)| Some(*known) == letter);
        found.copied().ok_or_else(|| format!("there is no letter '{word}'"))
    }

    /// Adds the lines that `body` expands to, if they are `kept`: one for each number of every letter,
    /// the last letter's first.
    fn expand<'t>(
        &'t self,
        body: &'t str,
        letters: &[(char, u32)],
        kept: bool,
        filled: &mut String,
    ) -> Parsed<()>
    where
        'a: 't,
    {
        check_attributes(body)?;
        let mut pieces = Vec::new();
        self.cut(body, letters, true, &mut pieces)?;
        let lines = letters.iter().map(|(_, count)| count).product();
        for line in (0..lines).take_while(|_| kept) {
            let mut rest: u32 = line;
            let mut numbers = vec![0; letters.len()];
            for (number, (_, count)) in numbers.iter_mut().zip(letters).rev() {
                (*number, rest) = (rest % count, rest / count);
            }
            for piece in &pieces {
                match piece {
                    Piece::Plain(text) => filled.push_str(text),
                    Piece::Letter(place) => {
                        let _ = write!(filled, "{}", numbers[*place]);
                    }
                    Piece::Call(function, arguments) => {
                        let given = arguments.iter().map(|argument| match argument {
                            Argument::Letter(place) => numbers[*place],
                            Argument::Number(number) => *number,
                        });
                        *filled += &(function.text)(&given.collect::<Vec<_>>());
                    }
                }
            }
            filled.push('\n');
        }
        Ok(())
    }

    /// Cuts a text at its tokens. Only a line of the template `has_names`; what a name becomes has
    /// letters at most.
    fn cut<'t>(
        &'t self,
        text: &'t str,
        letters: &[(char, u32)],
        has_names: bool,
        pieces: &mut Vec<Piece<'t>>,
    ) -> Parsed<()>
    where
        'a: 't,
    {
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (token, behind) = after.split_once('}').ok_or("a '${' without a '}'")?;
            pieces.push(Piece::Plain(before));
            rest = behind;
            let text = self.texts.iter().find(|(name, _)| has_names && *name == token);
            if let Some(place) = place_of(token, letters) {
                pieces.push(Piece::Letter(place));
            } else if let Some((_, text)) = text {
                self.cut(text, letters, false, pieces)?;
            } else {
                pieces.push(self.call(token, letters)?);
            }
        }
        pieces.push(Piece::Plain(rest));
        Ok(())
    }

    /// The call that a token is.
    fn call<'t>(&'t self, token: &str, letters: &[(char, u32)]) -> Parsed<Piece<'t>>
    where
        'a: 't,
    {
        let unknown = || format!("there is no '${{{token}}}' here");
        let (name, arguments) =
            token.strip_suffix(')').and_then(|call| call.split_once('(')).ok_or_else(unknown)?;
        let function = self.functions.iter().find(|f| f.name == name).ok_or_else(unknown)?;
        let argument = |word: &str| match place_of(word, letters) {
            Some(place) => Ok(Argument::Letter(place)),
            None => word.parse().map(Argument::Number).map_err(|_| unknown()),
        };
        let arguments: Vec<Argument> =
            arguments.split(", ").map(argument).collect::<Parsed<_>>()?;
        if arguments.len() != function.arguments {
            return Err(format!("'{name}' takes {} arguments", function.arguments));
        }
        Ok(Piece::Call(function, arguments))
    }
}

/// The place of the letter that `word` is among those of a line.
fn place_of(word: &str, letters: &[(char, u32)]) -> Option<usize> {
    letters.iter().position(|(letter, _)| word.strip_prefix(*letter) == Some(""))
}

/// Whether every word behind an `@` is an attribute of WGSL, but for comments.
fn check_attributes(line: &str) -> Parsed<()> {
    let code = line.split("//").next().unwrap_or_default();
    for behind in code.split('@').skip(1) {
        let end = behind.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(behind.len());
        if !ATTRIBUTES.contains(&&behind[..end]) {
            return Err(format!("there is no '@{}' here", &behind[..end]));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(template: &str) -> Result<String> {
        let broadcast = |numbers: &[u32]| format!("f({numbers:?})");
        let values = Values {
            conditions: vec![("yes", true), ("no", false)],
            ranges: vec![('r', 2), ('q', 3), ('z', 0)],
            texts: vec![
                ("name", "array[${r}]".into()),
                ("names", "other".into()),
                ("nested", "${name}".into()),
            ],
            functions: vec![Function { name: "f", arguments: 2, text: Box::new(broadcast) }],
        };
        super::fill("some.wgsl", template, &values)
    }

    fn filled(template: &str) -> String {
        fill(template).expect("a right template")
    }

    #[test]
    fn lines_are_repeated_for_every_letter() {
        assert_eq!(filled("  @each r: a_${r} = ${r}u;\nb"), "a_0 = 0u;\na_1 = 1u;\nb\n");
        let expected = "s_0_0\ns_0_1\ns_0_2\ns_1_0\ns_1_1\ns_1_2\n";
        assert_eq!(filled("@each r q: s_${r}_${q}"), expected);
        assert_eq!(filled("@each r: x = ${name};"), "x = array[0];\nx = array[1];\n");
        assert_eq!(filled("@each r: var x: f32;"), "var x: f32;\nvar x: f32;\n");
        assert_eq!(filled("@each r z: x\n"), "");
    }

    #[test]
    fn names_are_closed() {
        assert_eq!(filled("  ${names} names ${names}u"), "  other names otheru\n");
        assert_eq!(filled("@each r: ${f(r, 7)}"), "f([0, 7])\nf([1, 7])\n");
    }

    #[test]
    fn lines_are_kept_where_their_condition_holds() {
        assert_eq!(filled("@if yes\na\n@else\nb\n@end\nc"), "a\nc\n");
        assert_eq!(filled("@if !yes\na\n@else\nb\n@end"), "b\n");
        assert_eq!(filled("@if no\n@if yes\na\n@else\nb\n@end\n@end"), "");
    }

    #[test]
    fn attributes_stay() {
        let line = "@compute @workgroup_size(8) // as @if says\n";
        assert_eq!(filled(line), line);
    }

    #[test]
    fn mistakes_are_errors_with_their_line() {
        for (template, line, message) in [
            ("a\n@if maybe\n@end", 2, "there is no condition 'maybe'"),
            ("@if\n@end", 1, "there is no condition ''"),
            ("a\n@if yes\n@if no\n@end\nb", 5, "the @if of line 2 has no @end"),
            ("a\n\n@else", 3, "an @else without an @if"),
            ("@if yes\n@else\n@else\n@end", 3, "a second @else"),
            ("@if yes\n@end\n@end", 3, "an @end without an @if"),
            ("@end yes", 1, "there is no '@end' here"),
            ("@elif yes", 1, "there is no '@elif' here"),
            ("x = @name;", 1, "there is no '@name' here"),
            ("@each r x: a", 1, "there is no letter 'x'"),
            ("@each rq: a", 1, "there is no letter 'rq'"),
            ("@each r a = ${r}", 1, "no ': ' behind the letters of @each"),
            ("a\n${nam}", 2, "there is no '${nam}' here"),
            ("@if no\n${nam}\n@end", 2, "there is no '${nam}' here"),
            ("${name}", 1, "there is no '${r}' here"),
            ("@each r: ${nested}", 1, "there is no '${name}' here"),
            ("${q}", 1, "there is no '${q}' here"),
            ("@each r: ${q}", 1, "there is no '${q}' here"),
            ("${names", 1, "a '${' without a '}'"),
            ("${g(0)}", 1, "there is no '${g(0)}' here"),
            ("${f(0)}", 1, "'f' takes 2 arguments"),
            ("${f(0, q)}", 1, "there is no '${f(0, q)}' here"),
        ] {
            let error = fill(template).expect_err(template).to_string();
            let expected = format!("the template some.wgsl, line {line}: {message}: this is a bug");
            assert!(error.starts_with(&expected), "{template}: {error}");
        }
    }
}
