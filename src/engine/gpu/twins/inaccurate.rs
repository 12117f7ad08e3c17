//! Tests on a driver that is as inaccurate as WGSL permits.
//!
//! Software adapters round correctly, so that a tolerance that is too narrow would fail on a real GPU first.
//! Here the text of each kernel is changed before it is compiled: division, `exp`, `log` and `sqrt` return
//! what is nearly as far off as `accuracy` says.

use crate::accuracy::{DIVISION, EPSILON, LOG, LOG_NEAR_ONE, SQRT};
use std::cell::Cell;
use std::fmt::Write;

/// In which direction functions and divisions are off: 1 for too large, -1 for too small.
#[derive(Clone, Copy, Debug)]
pub(super) struct Errors {
    functions: f64,
    divisions: f64,
}

/// How much of the error that is permitted is made. What is left is the adapter's own rounding, and that
/// of the factor with which the error is made.
const PART: f64 = 0.7;

thread_local! {
    /// The errors of the drivers that tests on this thread open.
    static HERE: Cell<Option<Errors>> = const { Cell::new(None) };
}

/// The errors that drivers make on this thread.
pub(super) fn errors() -> Option<Errors> {
    HERE.get()
}

/// Runs a test on drivers whose errors add up, and on such as have them the other way round.
pub(super) fn on_inaccurate_drivers(test: fn()) {
    for (functions, divisions) in [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0)] {
        HERE.set(Some(Errors { functions, divisions }));
        test();
        HERE.set(None);
    }
}

impl Errors {
    /// The kernel with these errors.
    pub(super) fn made_in(self, text: &str) -> String {
        let mut changed = String::new();
        for line in text.lines() {
            let code = line.split("//").next().unwrap_or_default();
            // Only integers are written with a `u` behind them.
            let is_integer = code.split(|c: char| !c.is_alphanumeric()).any(|word| {
                word.strip_suffix('u').is_some_and(|w| w.bytes().all(|b| b.is_ascii_digit()))
            });
            let code = if is_integer { code.into() } else { code.replace(" / ", " * DIVIDED / ") };
            let _ = writeln!(changed, "{}", renamed(&code));
        }
        let Self { functions, divisions } = self;
        let off = |units: f64, sign: f64| sign * PART * units * EPSILON;
        let (divided, root) = (1.0 + off(DIVISION, divisions), 1.0 + off(SQRT, functions));
        let (log, near) = (1.0 + off(LOG, functions), functions * PART * LOG_NEAR_ONE);
        let (fixed, growing) = (off(3.0, functions), off(2.0, functions));
        let _ = write!(
            changed,
            "const DIVIDED: f32 = {divided:?};\n\
             fn rough_sqrt(x: f32) -> f32 {{ return sqrt(x) * {root:?}; }}\n\
             fn rough_log(x: f32) -> f32 {{\n    \
             return select(log(x) * {log:?}, log(x) + {near:?}, x >= 0.5 && x <= 2.0);\n}}\n\
             fn rough_exp(x: f32) -> f32 {{\n    \
             return exp(x) * (1.0 + {fixed:?} + {growing:?} * min(abs(x), 104.0));\n}}\n"
        );
        changed
    }
}

/// The line with calls of the functions that are changed.
fn renamed(line: &str) -> String {
    let mut renamed = line.to_string();
    for name in ["exp", "log", "sqrt"] {
        let call = format!("{name}(");
        let (mut result, mut rest) = (String::new(), renamed.as_str());
        while let Some(at) = rest.find(&call) {
            let within = rest[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            result += &rest[..at];
            result += if within { "" } else { "rough_" };
            result += &call;
            rest = &rest[at + call.len()..];
        }
        renamed = result + rest;
    }
    renamed
}

#[test]
fn errors_are_made_where_they_may_be() {
    let errors = Errors { functions: 1.0, divisions: -1.0 };
    let text =
        errors.made_in("let y = exp(x) / exp_m1(x); // x / y\nlet i = j / 4u;\nsqrt(log(2.0))");
    let lines: Vec<&str> = text.lines().take(3).collect();
    let expected = [
        "let y = rough_exp(x) * DIVIDED / exp_m1(x); ",
        "let i = j / 4u;",
        "rough_sqrt(rough_log(2.0))",
    ];
    assert_eq!(lines, expected);
    assert!(text.contains("const DIVIDED: f32 = 0.9999997"), "{text}");
}
