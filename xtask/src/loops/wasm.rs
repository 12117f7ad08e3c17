//! Loops of products in WebAssembly, as the compiler writes it in text.
//!
//! A browser compiles it once more, so registers are not seen here. What can be seen is whether a sum goes through
//! memory or from variable to variable, and whether something is called.

use std::mem;

use super::{Loop, Loops};

/// Fewer multiplications and additions than this are no loop of a tile.
const FEWEST: usize = 4;

/// Where an entry is in the table of a grid. No loop of products divides.
const TABLE: &str = "i32.rem_u";

/// A kind of vector instructions.
pub struct Wasm {
    /// Whether products multiply and add in one instruction.
    pub relaxed: bool,
}

/// A function's loops so far.
#[derive(Default)]
struct Function<'a> {
    name: &'a str,
    /// The types of its parameters and variables.
    types: Vec<&'a str>,
    /// The instructions of the loops that have not ended, and whether one began in it.
    open: Vec<(Vec<&'a str>, bool)>,
}

impl Wasm {
    /// The innermost loops of `assembly` whose only arithmetic on vectors multiplies and adds, with the number
    /// of times that each occurs.
    pub fn loops(&self, assembly: &str) -> Loops {
        let mut found = Loops::new();
        let mut function = Function::default();
        for line in assembly.lines() {
            let text = line.split('#').next().unwrap_or_default().trim();
            let (name, operands) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
            if let Some(label) = text.strip_suffix(':') {
                if !label.starts_with(".L") {
                    function = Function { name: label, ..Function::default() };
                }
            } else if name == ".functype" && operands.trim().starts_with(function.name) {
                let parameters = operands.split(['(', ')']).nth(1).unwrap_or_default();
                function.types.extend(types(parameters));
            } else if name == ".local" {
                function.types.extend(types(operands));
            } else if name == "loop" {
                function.open.iter_mut().for_each(|(_, has_inner)| *has_inner = true);
                function.open.push((Vec::new(), false));
            } else if name == "end_loop" {
                let (instructions, has_inner) = function.open.pop().unwrap_or_default();
                let one = self.measure(&instructions, &function.types);
                if let Some(one) = one.filter(|_| !has_inner) {
                    *found.entry(one).or_default() += 1;
                }
            } else if !text.is_empty() && !text.starts_with('.') {
                function.open.iter_mut().for_each(|(instructions, _)| instructions.push(text));
            }
        }
        found
    }

    /// The contents of a loop of products; `None` if it is no such loop.
    fn measure(&self, instructions: &[&str], types: &[&str]) -> Option<Loop> {
        let mut one = Loop { instructions: instructions.len(), ..Loop::default() };
        let (mut sums, mut before) = (0, "");
        for text in instructions {
            let before = mem::replace(&mut before, text);
            let (name, operand) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
            match name {
                "f32x4.relaxed_madd" if self.relaxed => one.products += 1,
                "f32x4.mul" if !self.relaxed => one.products += 1,
                "f32x4.add" if !self.relaxed => sums += 1,
                "v128.store" => one.stack += 1,
                "call" | "call_indirect" => one.calls += 1,
                "local.set" | "local.tee" if before.starts_with("local.get") => {
                    let variable = operand.trim().parse().ok();
                    let kind = variable.and_then(|number: usize| types.get(number));
                    one.moves += usize::from(kind == Some(&"v128"));
                }
                TABLE => return None,
                // Other arithmetic. Numbers one by one are no vectors.
                _ if ["f32x4.", "i32x4.", "f32."].iter().any(|some| name.starts_with(some)) => {
                    return None;
                }
                _ => {}
            }
        }
        let is_product = (self.relaxed || sums == one.products) && one.products >= FEWEST;
        is_product.then_some(one)
    }
}

/// The types in a list.
fn types(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIMD128: Wasm = Wasm { relaxed: false };
    const RELAXED: Wasm = Wasm { relaxed: true };

    /// The loop of a tile of 4 × 1 vectors in a loop around it, with what the compiler may put into it. Variables 0
    /// and 1 are numbers, the others vectors.
    fn tile(product: &str, extra: &str) -> String {
        let one = |sum| format!("\tlocal.get\t2\n{product}\tlocal.set\t{sum}\n");
        let products = [3, 4, 5, 6].map(one).concat();
        format!(
            "one:\n\t.functype\tone (i32, i32) -> ()\n\t.local  \tv128, v128, v128, v128, v128\n\
             \tloop    \t# label0:\n\tloop    \t# label1:\n\tlocal.get\t0\n\tv128.load\t0:p2align=2\n\
             \tlocal.set\t2\n{products}{extra}\tbr_if   \t0\n.LBB0_2:\n\tend_loop\n\tbr_if   \t0\n\
             \tend_loop\n\tend_function\n"
        )
    }

    const APART: &str = "\tf32x4.mul\n\tf32x4.add\n";
    const TOGETHER: &str = "\tf32x4.relaxed_madd\n";

    #[test]
    fn a_loop_of_products_is_found_once() {
        let apart = Loop { products: 4, instructions: 20, ..Loop::default() };
        let together = Loop { products: 4, instructions: 16, ..Loop::default() };
        assert_eq!(SIMD128.loops(&tile(APART, "")), Loops::from([(apart, 1)]));
        assert_eq!(RELAXED.loops(&tile(TOGETHER, "")), Loops::from([(together, 1)]));
        assert_eq!(RELAXED.loops(&tile(APART, "")), Loops::new());
        assert_eq!(SIMD128.loops(&tile(TOGETHER, "")), Loops::new());
        let two = tile(APART, "") + &tile(APART, "");
        assert_eq!(SIMD128.loops(&two), Loops::from([(apart, 2)]));
    }

    #[test]
    fn copies_stores_and_calls_are_counted() {
        let only = |extra: &str| {
            let found = SIMD128.loops(&tile(APART, extra)).into_keys().next();
            found.map(|found| (found.moves, found.stack, found.calls))
        };
        assert_eq!(only("\tlocal.get\t3\n\tlocal.set\t4\n"), Some((1, 0, 0)));
        assert_eq!(only("\tlocal.get\t0\n\tlocal.set\t1\n"), Some((0, 0, 0)), "no vector");
        assert_eq!(only("\tlocal.get\t3\n\tv128.store\t16\n"), Some((0, 1, 0)));
        assert_eq!(only("\tcall\tfmaf\n"), Some((0, 0, 1)));
    }

    #[test]
    fn other_arithmetic_is_no_loop_of_products() {
        for extra in
            ["\tf32x4.max\n", "\tf32x4.mul\n", "\tf32.mul\n", "\ti32x4.add\n", "\ti32.rem_u\n"]
        {
            assert_eq!(SIMD128.loops(&tile(APART, extra)), Loops::new(), "{extra}");
        }
    }
}
