//! `cargo xtask loops`: the machine code of the CPU engine's matrix products.
//!
//! The compiler writes the library as assembly. In a loop that only multiplies and adds vectors, a sum that
//! moves to the stack and back, or from register to register, costs up to half of the speed. A new compiler
//! or another shape of a tile can cause such moves, and no test of results notices them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use crate::workspace::{Cargo, root};

/// A kind of vector instructions: what its registers are called in assembly, and the multiplications and
/// additions in the loop of its largest tile.
struct Vectors {
    name: &'static str,
    register: &'static str,
    largest: usize,
}

/// The kinds on x86-64. A tile of 8 × 3 vectors on AVX-512, of 6 × 2 on AVX2.
const VECTORS: [Vectors; 2] = [
    Vectors { name: "AVX2", register: "ymm", largest: 12 },
    Vectors { name: "AVX-512", register: "zmm", largest: 24 },
];

/// Fewer multiplications and additions than this are no loop of a tile.
const FEWEST: usize = 4;

/// A loop of products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Loop {
    products: usize,
    instructions: usize,
    /// Copies from a vector register to another.
    moves: usize,
    /// Instructions that read or write the stack.
    stack: usize,
}

/// Compiles the CPU engine to assembly and prints its loops of products. Fails where one of them moves a
/// vector between registers or uses the stack.
///
/// # Errors
///
/// When the library does not compile, or the loops are not found.
pub fn run() -> Result<ExitCode> {
    if cfg!(not(target_arch = "x86_64")) {
        println!("SKIPPED: the loops of products are read on x86-64 only");
        return Ok(ExitCode::SUCCESS);
    }
    let assembly = fs::read_to_string(compile()?).context("cannot read the assembly")?;
    let mut clean = true;
    for vectors in VECTORS {
        let loops = loops(&assembly, vectors.register);
        println!("{}: {} loops of products", vectors.name, loops.values().sum::<usize>());
        println!(
            "{:>8} {:>12} {:>6} {:>6} {:>6}",
            "products", "instructions", "moves", "stack", "times"
        );
        for (Loop { products, instructions, moves, stack }, times) in &loops {
            println!("{products:>8} {instructions:>12} {moves:>6} {stack:>6} {times:>6}");
        }
        ensure!(
            loops.keys().any(|found| found.products == vectors.largest),
            "there is no loop of {} products for {}: if the largest tile has changed, change \
             xtask/src/loops.rs too",
            vectors.largest,
            vectors.name
        );
        if loops.keys().any(|found| found.moves + found.stack > 0) {
            println!("FAILED: a loop for {} does not keep its sums in place", vectors.name);
            clean = false;
        }
    }
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The path of the library's assembly, written anew.
fn compile() -> Result<PathBuf> {
    // A folder of its own, so that no other build is repeated. Without the GPU engine it takes few seconds.
    let target = root().join("target/loops");
    let path = target.join("impasto.s");
    // Cargo does not know of the file, so it would not write it again.
    cargo(&["clean", "--release", "--package", "impasto"], &target, &[])?;
    let rustc = ["rustc", "--release", "--package", "impasto", "--lib"];
    let features = ["--no-default-features", "--features", "threads"];
    let emit = format!("--emit=asm={}", path.display());
    cargo(&[&rustc[..], &features[..]].concat(), &target, &["--", &emit])?;
    Ok(path)
}

/// Runs cargo with this target folder.
fn cargo(arguments: &[&str], target: &Path, last: &[&str]) -> Result<()> {
    let mut command = Cargo::new().command();
    command.args(arguments).arg("--quiet").arg("--target-dir").arg(target).args(last);
    let status = command.status().context("cannot start cargo")?;
    ensure!(status.success(), "`cargo {}` failed", arguments.join(" "));
    Ok(())
}

/// The innermost loops of `assembly` whose only arithmetic on vectors multiplies and adds, in registers of
/// this name, with the number of times that each occurs. A loop may have branches, such as the masked end of
/// a row: what is in them counts as if it ran each time.
fn loops(assembly: &str, register: &str) -> BTreeMap<Loop, usize> {
    let mut found = BTreeMap::new();
    let (mut instructions, mut labels) = (Vec::new(), BTreeMap::new());
    // The first instruction of each loop so far that has another jump back.
    let mut starts: Vec<usize> = Vec::new();
    // Without a frame, rbp is a register as others, such as an address of A.
    let mut frame = false;
    for line in assembly.lines() {
        let text = line.split('#').next().unwrap_or_default().trim();
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
            frame |= text == "movq\t%rsp, %rbp";
            // A jump back to a label ends a loop. It is an innermost one if no other loop began in it. A loop with
            // several jumps back is read up to the first: what follows may be a loop around it.
            let to = text.strip_prefix('j').and_then(|jump| jump.split_whitespace().nth(1));
            let Some(start) = to.and_then(|label| labels.get(label)) else { continue };
            let is_innermost = starts.iter().all(|other| other < start);
            starts.push(*start);
            if let Some(one) =
                measure(&instructions[*start..], register, frame).filter(|_| is_innermost)
            {
                *found.entry(one).or_default() += 1;
            }
        }
    }
    found
}

/// The contents of a loop of products, in a function whose rbp is the `frame` of its stack or not; `None` if it
/// is no such loop.
fn measure(instructions: &[&str], register: &str, frame: bool) -> Option<Loop> {
    let mut one = Loop { instructions: instructions.len(), ..Loop::default() };
    for text in instructions {
        let (name, operands) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let stack = operands.contains("(%rsp") || (frame && operands.contains("(%rbp"));
        one.stack += usize::from(stack);
        if !operands.contains(register) {
            continue;
        }
        if name.starts_with("vfmadd") && name.ends_with("ps") {
            one.products += 1;
        } else if name.starts_with("vmov") {
            // With a mask it sets a part of the vector to 0.
            one.moves += usize::from(!operands.contains(['(', '{']));
        } else if !["vbroadcast", "vand", "vpand", "vblend"]
            .iter()
            .any(|some| name.starts_with(some))
        {
            // Other arithmetic.
            return None;
        }
    }
    (one.products >= FEWEST).then_some(one)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_loop_of_products_is_found_once() {
        let one = Loop { products: 4, instructions: 11, moves: 0, stack: 0 };
        assert_eq!(loops(&tile(""), "ymm"), BTreeMap::from([(one, 1)]));
        assert_eq!(loops(&tile(""), "zmm"), BTreeMap::new());
        assert_eq!(loops(&(tile("") + &tile("")), "ymm"), BTreeMap::from([(one, 2)]));
    }

    #[test]
    fn a_loop_with_a_branch_is_read_and_an_outer_one_is_not() {
        // A part of a vector is set to 0 where a branch says so.
        let branch = "\tjb\t.LBB0_3\n\tvandps\t%ymm4, %ymm2, %ymm4\n.LBB0_3:\n\tnop\n";
        let one = Loop { products: 4, instructions: 14, moves: 0, stack: 0 };
        assert_eq!(loops(&tile(branch), "ymm"), BTreeMap::from([(one, 1)]));
        let masked = "\tvmovaps\t%ymm4, %ymm4 {%k1} {z}\n";
        let one = Loop { products: 4, instructions: 12, moves: 0, stack: 0 };
        assert_eq!(loops(&tile(masked), "ymm"), BTreeMap::from([(one, 1)]));
        // A spill in the branch is found.
        let spill = branch.replace("\tnop\n", "\tvmovups\t%ymm4, 32(%rsp)\n");
        let found = loops(&tile(&spill), "ymm").into_keys().next();
        assert_eq!(found.map(|found| found.stack), Some(1));
    }

    #[test]
    fn moves_and_the_stack_are_counted() {
        let only =
            |extra: &str| loops(&tile(extra), "ymm").into_keys().next().map(|l| (l.moves, l.stack));
        assert_eq!(only("\tvmovaps\t%ymm4, %ymm5\n"), Some((1, 0)));
        assert_eq!(only("\tvmovups\t%ymm4, 32(%rsp)\n"), Some((0, 1)));
        // An address in rbp, unless the function has a frame.
        let rbp = tile("\tmovq\t-8(%rbp), %rax\n");
        let stack = |text: &str| loops(text, "ymm").into_keys().next().map(|found| found.stack);
        assert_eq!(stack(&rbp), Some(0));
        let start = "\t.cfi_startproc\n";
        let framed = rbp.replace(start, &format!("{start}\tmovq\t%rsp, %rbp\n"));
        assert_eq!(stack(&framed), Some(1));
    }

    #[test]
    fn other_arithmetic_is_no_loop_of_products() {
        assert_eq!(loops(&tile("\tvmulps\t%ymm4, %ymm5, %ymm5\n"), "ymm"), BTreeMap::new());
    }
}
