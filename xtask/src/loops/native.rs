//! Loops of products in assembly for x86-64 and aarch64, as the compiler writes it for Linux.

use std::collections::BTreeMap;

use super::{Loop, Loops};

/// Fewer multiplications and additions than this are no loop of a tile.
const FEWEST: usize = 4;

/// A kind of assembly.
pub enum Native {
    /// Of x86-64, with the name of its vector registers.
    X86 { register: &'static str },
    /// Of aarch64.
    Aarch64,
}

/// What an instruction does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Multiplies and adds vectors.
    Product,
    /// Copies a vector register.
    Move,
    /// Other arithmetic on vectors.
    Arithmetic,
    Call,
    Other,
}

impl Native {
    /// The innermost loops of `assembly` whose only arithmetic on vectors multiplies and adds, with the number
    /// of times that each occurs. A loop may have branches, such as the masked end of a row: what is in them
    /// counts as if it ran each time.
    pub fn loops(&self, assembly: &str) -> Loops {
        let mut found = Loops::new();
        let (mut instructions, mut labels) = (Vec::new(), BTreeMap::new());
        // The first instruction of each loop so far that has another jump back.
        let mut starts: Vec<usize> = Vec::new();
        // Without a frame, its register is one as others, such as an address of A.
        let mut frame = false;
        for line in assembly.lines() {
            let text = line.split(self.comment()).next().unwrap_or_default().trim();
            if let Some(label) = text.strip_suffix(':') {
                if !label.starts_with(".L") {
                    // Another function.
                    instructions.clear();
                    labels.clear();
                    starts.clear();
                    frame = false;
                }
                labels.insert(label, instructions.len());
            } else if !text.is_empty() && !text.starts_with('.') {
                instructions.push(text);
                frame |= self.makes_frame(text);
                // A jump back to a label ends a loop. It is an innermost one if no other loop began in it. A loop
                // with several jumps back is read up to the first: what follows may be a loop around it.
                let Some(start) = self.jump(text).and_then(|to| labels.get(to)) else { continue };
                let is_innermost = starts.iter().all(|other| other < start);
                starts.push(*start);
                let one = self.measure(&instructions[*start..], frame);
                if let Some(one) = one.filter(|_| is_innermost) {
                    *found.entry(one).or_default() += 1;
                }
            }
        }
        found
    }

    /// The contents of a loop of products, in a function that has a `frame` or not; `None` if it is no such loop.
    fn measure(&self, instructions: &[&str], frame: bool) -> Option<Loop> {
        let mut one = Loop { instructions: instructions.len(), ..Loop::default() };
        for text in instructions {
            let (name, operands) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
            one.stack += usize::from(self.is_on_stack(operands, frame));
            match self.kind(name, operands) {
                Kind::Product => one.products += 1,
                Kind::Move => one.moves += 1,
                Kind::Call => one.calls += 1,
                Kind::Arithmetic => return None,
                Kind::Other => {}
            }
        }
        (one.products >= FEWEST).then_some(one)
    }

    fn kind(&self, name: &str, operands: &str) -> Kind {
        let is_one_of = |names: &[&str]| names.iter().any(|some| name.starts_with(some));
        match self {
            Self::X86 { .. } if name.starts_with("call") => Kind::Call,
            Self::X86 { register } if !operands.contains(register) => Kind::Other,
            Self::X86 { .. } if name.starts_with("vfmadd") && name.ends_with("ps") => Kind::Product,
            // With a mask it sets a part of the vector to 0.
            Self::X86 { .. } if name.starts_with("vmov") && operands.contains(['(', '{']) => {
                Kind::Other
            }
            Self::X86 { .. } if name.starts_with("vmov") => Kind::Move,
            Self::X86 { .. } if is_one_of(&["vbroadcast", "vand", "vpand", "vblend"]) => {
                Kind::Other
            }
            Self::Aarch64 if ["bl", "blr"].contains(&name) => Kind::Call,
            Self::Aarch64 if !has_vector(operands) => Kind::Other,
            Self::Aarch64 if name == "fmla" && operands.contains(".4s") => Kind::Product,
            // What it loads can be multiplied as it is, so a copy to all numbers of a vector is one too many.
            Self::Aarch64 if ["mov", "fmov", "dup", "ins"].contains(&name) => Kind::Move,
            Self::Aarch64 if is_one_of(&["ld", "st", "and", "bit", "bif", "bsl"]) => Kind::Other,
            _ => Kind::Arithmetic,
        }
    }

    /// Where an instruction jumps to, if it does.
    fn jump<'a>(&self, text: &'a str) -> Option<&'a str> {
        let (name, operands) = text.split_once(char::is_whitespace)?;
        let jumps = match self {
            Self::X86 { .. } => name.starts_with('j'),
            Self::Aarch64 => {
                name.starts_with("b.") || ["b", "cbz", "cbnz", "tbz", "tbnz"].contains(&name)
            }
        };
        operands.split_whitespace().last().filter(|_| jumps)
    }

    fn is_on_stack(&self, operands: &str, frame: bool) -> bool {
        let [stack, base] = match self {
            Self::X86 { .. } => ["(%rsp", "(%rbp"],
            Self::Aarch64 => ["[sp", "[x29"],
        };
        operands.contains(stack) || (frame && operands.contains(base))
    }

    fn makes_frame(&self, text: &str) -> bool {
        match self {
            Self::X86 { .. } => text == "movq\t%rsp, %rbp",
            Self::Aarch64 => text == "mov\tx29, sp" || text.starts_with("add\tx29, sp, "),
        }
    }

    fn comment(&self) -> &'static str {
        match self {
            Self::X86 { .. } => "#",
            Self::Aarch64 => "//",
        }
    }
}

/// Whether operands on aarch64 have a vector register, or a number in one.
fn has_vector(operands: &str) -> bool {
    operands.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| {
        let number = word.strip_prefix(['v', 'q', 'd', 's']).unwrap_or_default();
        !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const AVX2: Native = Native::X86 { register: "ymm" };
    const AVX512: Native = Native::X86 { register: "zmm" };

    /// The loop of a tile of 4 × 1 vectors, with what the compiler may put into it.
    fn tile(extra: &str) -> String {
        let products = [4, 5, 6, 7].map(|sum| {
            format!("\tvbroadcastss\t({sum},%rax), %ymm0\n\tvfmadd231ps\t%ymm0, %ymm1, %ymm{sum}\n")
        });
        let products = products.concat();
        format!(
            "one:\n\t.cfi_startproc\n.LBB0_1:\n\tmovq\t%rax, %rbx # not a vector\n.LBB0_2:\n\t\
             vmovups\t(%rcx), %ymm1\n{products}{extra}\tdecq\t%rdx\n\tjne\t.LBB0_2\n\t\
             jmp\t.LBB0_1\n"
        )
    }

    /// The same for NEON.
    fn neon_tile(extra: &str) -> String {
        let products = [4, 5, 6, 7].map(|sum| {
            format!("\tld1r\t{{ v0.4s }}, [x6], x20\n\tfmla\tv{sum}.4s, v1.4s, v0.4s\n")
        });
        let products = products.concat();
        format!(
            "one:\n.LBB0_1:\n\tmov\tx0, x1 // not a vector\n.LBB0_2:\n\tldr\tq1, [x3]\n{products}\
             {extra}\tsubs\tx1, x1, #1\n\tb.ne\t.LBB0_2\n\tcbnz\tx0, .LBB0_1\n"
        )
    }

    fn only(native: &Native, assembly: &str) -> Option<Loop> {
        native.loops(assembly).into_keys().next()
    }

    #[test]
    fn a_loop_of_products_is_found_once() {
        let one = Loop { products: 4, instructions: 11, ..Loop::default() };
        assert_eq!(AVX2.loops(&tile("")), Loops::from([(one, 1)]));
        assert_eq!(AVX512.loops(&tile("")), Loops::new());
        assert_eq!(AVX2.loops(&(tile("") + &tile(""))), Loops::from([(one, 2)]));
        assert_eq!(Native::Aarch64.loops(&neon_tile("")), Loops::from([(one, 1)]));
    }

    #[test]
    fn a_loop_with_a_branch_is_read_and_an_outer_one_is_not() {
        // A part of a vector is set to 0 where a branch says so.
        let branch = "\tjb\t.LBB0_3\n\tvandps\t%ymm4, %ymm2, %ymm4\n.LBB0_3:\n\tnop\n";
        let one = Loop { products: 4, instructions: 14, ..Loop::default() };
        assert_eq!(AVX2.loops(&tile(branch)), Loops::from([(one, 1)]));
        let masked = "\tvmovaps\t%ymm4, %ymm4 {%k1} {z}\n";
        let one = Loop { products: 4, instructions: 12, ..Loop::default() };
        assert_eq!(AVX2.loops(&tile(masked)), Loops::from([(one, 1)]));
        // A spill in the branch is found.
        let spill = branch.replace("\tnop\n", "\tvmovups\t%ymm4, 32(%rsp)\n");
        assert_eq!(only(&AVX2, &tile(&spill)).map(|found| found.stack), Some(1));
    }

    #[test]
    fn moves_the_stack_and_calls_are_counted() {
        let only_in = |native, text: &str| {
            only(native, text).map(|found| (found.moves, found.stack, found.calls))
        };
        let avx2 = |extra: &str| only_in(&AVX2, &tile(extra));
        assert_eq!(avx2("\tvmovaps\t%ymm4, %ymm5\n"), Some((1, 0, 0)));
        assert_eq!(avx2("\tvmovups\t%ymm4, 32(%rsp)\n"), Some((0, 1, 0)));
        assert_eq!(avx2("\tcallq\tabs\n"), Some((0, 0, 1)));
        let neon = |extra: &str| only_in(&Native::Aarch64, &neon_tile(extra));
        assert_eq!(neon(""), Some((0, 0, 0)));
        assert_eq!(neon("\tmov\tv4.16b, v5.16b\n"), Some((1, 0, 0)));
        assert_eq!(neon("\tdup\tv0.4s, v0.s[0]\n"), Some((1, 0, 0)));
        assert_eq!(neon("\tmov\tx4, x5\n"), Some((0, 0, 0)));
        assert_eq!(neon("\tstr\tq4, [sp, #16]\n"), Some((0, 1, 0)));
        assert_eq!(neon("\tldp\tq4, q5, [sp]\n"), Some((0, 1, 0)));
        assert_eq!(neon("\tbl\tabs\n"), Some((0, 0, 1)));
    }

    #[test]
    fn the_register_of_the_frame_is_the_stack_only_where_there_is_a_frame() {
        let stack = |native, text: &str| only(native, text).map(|found| found.stack);
        let rbp = tile("\tmovq\t-8(%rbp), %rax\n");
        assert_eq!(stack(&AVX2, &rbp), Some(0));
        let start = "\t.cfi_startproc\n";
        let framed = rbp.replace(start, &format!("{start}\tmovq\t%rsp, %rbp\n"));
        assert_eq!(stack(&AVX2, &framed), Some(1));
        let x29 = neon_tile("\tldur\tq4, [x29, #-16]\n");
        assert_eq!(stack(&Native::Aarch64, &x29), Some(0));
        for made in ["mov\tx29, sp", "add\tx29, sp, #16"] {
            let framed = x29.replace("one:\n", &format!("one:\n\t{made}\n"));
            assert_eq!(stack(&Native::Aarch64, &framed), Some(1), "{made}");
        }
    }

    #[test]
    fn other_arithmetic_is_no_loop_of_products() {
        assert_eq!(AVX2.loops(&tile("\tvmulps\t%ymm4, %ymm5, %ymm5\n")), Loops::new());
        let neon = neon_tile("\tfmul\tv4.4s, v5.4s, v5.4s\n");
        assert_eq!(Native::Aarch64.loops(&neon), Loops::new());
    }

    #[test]
    fn vector_registers_of_aarch64_are_recognized() {
        for operands in ["v4.4s, v1.4s, v0.s[0]", "q1, [x3]", "s0, [x6]", "{ v0.4s }, [x6], x20"] {
            assert!(has_vector(operands), "{operands}");
        }
        for operands in ["x0, x1", "sp, sp, #16", "w0, #4", ".LBB0_2", "x1, d", "xzr"] {
            assert!(!has_vector(operands), "{operands}");
        }
    }
}
