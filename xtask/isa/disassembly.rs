//! Loops and instruction classes in the assembly that the driver prints.
//!
//! It looks like this, each label opening a basic block:
//!
//! ```text
//! BB1:
//!     s_cmp_ge_u32 s25, s5             ; bf090519
//!     s_cbranch_scc1 BB5               ; bf85006a
//! ```

use std::collections::HashMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The unit that an instruction occupies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The vector unit.
    Valu,
    /// The scalar unit: arithmetic, branches, waiting.
    Scalar,
    /// Loads and stores through the vector memory path: buffer, global, image, scratch.
    Vmem,
    /// Loads through the scalar cache.
    Smem,
    /// Shared (workgroup) memory.
    Lds,
}

/// One instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a property of an instruction")]
pub struct Instruction {
    pub class: Class,
    /// Operations in it: two where RDNA 3 issues a pair at once.
    pub operations: u32,
    /// Those of them that multiply and add.
    pub fmas: u32,
    /// Whether it is a load, in a memory class.
    pub loads: bool,
    /// Whether it runs at a quarter of the rate: exponential, logarithm, root, reciprocal, sine,
    /// product of 32-bit integers.
    pub slow: bool,
    /// Bytes that a lane moves, in a memory class.
    pub bytes: u32,
    /// Whether it does nothing.
    pub filler: bool,
    /// Whether it multiplies matrices of 16 rows and columns, with all lanes of the wave.
    pub matrices: bool,
}

/// The multiply-adds of a product of matrices of 16 rows and columns, for each of 32 lanes.
const FMAS_OF_MATRICES: u32 = 16 * 16 * 16 / 32;

/// The instructions of a kernel.
#[derive(Clone, Debug, Default)]
pub struct Assembly {
    pub instructions: Vec<Instruction>,
    /// From the target of a branch backwards to that branch, sorted by their start, outer first.
    pub loops: Vec<Range<usize>>,
}

/// What ACO says an instruction takes, waiting included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cycles {
    pub clocks: u32,
    /// Whether the instruction does nothing.
    pub filler: bool,
}

impl Cycles {
    /// Reads lines such as `( 31 clk)   s4 = s_buffer_load_dword s[8-11], 0`.
    pub fn parse(text: &str) -> Vec<Self> {
        let of_line = |line: &str| {
            let (clocks, code) = line.trim().strip_prefix('(')?.split_once(" clk)")?;
            let filler = code.split_whitespace().any(is_filler);
            Some(Self { clocks: clocks.trim().parse().ok()?, filler })
        };
        text.lines().filter_map(of_line).collect()
    }
}

/// The instructions of a range, by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub instructions: u32,
    pub operations: u32,
    pub fmas: u32,
    pub valu: u32,
    pub vmem_loads: u32,
    pub smem_loads: u32,
    pub lds_loads: u32,
}

impl Assembly {
    pub fn parse(text: &str) -> Self {
        let mut instructions = Vec::new();
        let mut labels = HashMap::new();
        let mut branches = Vec::new();
        for line in text.lines() {
            if let Some(label) = line.trim_end().strip_suffix(':')
                && label.starts_with("BB")
            {
                labels.insert(label, instructions.len());
                continue;
            }
            // Instructions are indented; headlines and constant data are not.
            if !line.starts_with(char::is_whitespace) {
                continue;
            }
            let code = line.split(';').next().unwrap_or_default().trim();
            if let Some(times) = repetitions(code)
                && let Some(&last) = instructions.last()
            {
                instructions.extend(std::iter::repeat_n(last, times));
                continue;
            }
            let mut words = code.split_whitespace();
            let Some(mnemonic) = words.next() else { continue };
            let Some(instruction) = classify(mnemonic, code) else { continue };
            if mnemonic == "s_branch" || mnemonic.starts_with("s_cbranch") {
                branches.extend(words.next().map(|target| (instructions.len(), target)));
            }
            instructions.push(instruction);
        }

        // Several branches to one head (`continue`) make one loop.
        let mut ends: HashMap<usize, usize> = HashMap::new();
        for (from, target) in branches {
            if let Some(&head) = labels.get(target)
                && head <= from
            {
                let end = ends.entry(head).or_default();
                *end = (*end).max(from + 1);
            }
        }
        let mut loops: Vec<_> = ends.into_iter().map(|(head, end)| head..end).collect();
        loops.sort_by_key(|range| range.start);
        Self { instructions, loops }
    }

    /// The cycles of each instruction, from those that ACO has printed.
    ///
    /// It prints them before the assembler aligns loops with instructions that do nothing.
    /// `None` where the two do not match.
    pub fn align(&self, cycles: &[Cycles]) -> Option<Vec<u32>> {
        let mut rest = cycles.iter().peekable();
        let mut aligned = Vec::new();
        for instruction in &self.instructions {
            let inserted = instruction.filler && rest.peek().is_none_or(|next| !next.filler);
            aligned.push(if inserted { 1 } else { rest.next()?.clocks });
        }
        rest.next().is_none().then_some(aligned)
    }

    /// The innermost loop with the most fused multiply-adds; the longest one if none has any.
    pub fn hottest_loop(&self) -> Option<&Range<usize>> {
        self.innermost().max_by_key(|range| (self.count((*range).clone()).fmas, range.len()))
    }

    /// The loops in which the kernel spends its time, nest by nest, outermost first: around each
    /// innermost one with at least half as many fused multiply-adds as the hottest has.
    pub fn nests(&self) -> Vec<Vec<&Range<usize>>> {
        let fmas = |range: &Range<usize>| self.count(range.clone()).fmas;
        let most = self.hottest_loop().map_or(0, fmas);
        self.innermost()
            .filter(|range| 2 * fmas(range) >= most)
            .map(|inner| self.loops.iter().filter(|outer| is_within(inner, outer)).collect())
            .collect()
    }

    fn innermost(&self) -> impl Iterator<Item = &Range<usize>> {
        self.loops.iter().filter(|range| {
            !self.loops.iter().any(|other| other != *range && is_within(other, range))
        })
    }

    pub fn whole(&self) -> Counts {
        self.count(0..self.instructions.len())
    }

    pub fn count(&self, range: Range<usize>) -> Counts {
        let mut counts = Counts::default();
        for instruction in &self.instructions[range] {
            counts.instructions += 1;
            counts.operations += instruction.operations;
            counts.fmas += instruction.fmas;
            match instruction.class {
                Class::Valu => counts.valu += 1,
                Class::Vmem => counts.vmem_loads += u32::from(instruction.loads),
                Class::Smem => counts.smem_loads += u32::from(instruction.loads),
                Class::Lds => counts.lds_loads += u32::from(instruction.loads),
                Class::Scalar => {}
            }
        }
        counts
    }
}

impl Counts {
    /// How much of the work is multiplying and adding, from 0 to 1.
    pub fn fma_share(&self) -> f64 {
        if self.operations == 0 { 0.0 } else { self.fmas as f64 / self.operations as f64 }
    }
}

fn is_within(inner: &Range<usize>, outer: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// The count of a line that repeats the instruction above it.
fn repetitions(code: &str) -> Option<usize> {
    code.strip_prefix("(then repeated ")?.strip_suffix(" times)")?.parse().ok()
}

/// Whether an instruction does nothing: the assembler aligns loops with such.
pub fn is_filler(mnemonic: &str) -> bool {
    ["s_nop", "s_inst_prefetch", "s_set_inst_prefetch"]
        .iter()
        .any(|filler| mnemonic.starts_with(filler))
}

/// `code` is the instruction with its operands; the second half of a pair is after `::`.
fn classify(mnemonic: &str, code: &str) -> Option<Instruction> {
    let memory = ["buffer_", "tbuffer_", "global_", "flat_", "image_", "scratch_"];
    let class = if memory.iter().any(|prefix| mnemonic.starts_with(prefix)) {
        Class::Vmem
    } else if mnemonic.starts_with("ds_") {
        Class::Lds
    } else if mnemonic.starts_with("s_load") || mnemonic.starts_with("s_buffer_load") {
        Class::Smem
    } else if mnemonic.starts_with("v_") {
        Class::Valu
    } else if mnemonic.starts_with("s_") {
        Class::Scalar
    } else {
        return None;
    };
    let halves: Vec<&str> =
        code.split("::").map(|half| half.split_whitespace().next().unwrap_or_default()).collect();
    // Not `ds_load_...`, `buffer_load_...` alone: RDNA 2 says `ds_read_...`.
    let loads = mnemonic.contains("load") || mnemonic.contains("read");
    let matrices = mnemonic.starts_with("v_wmma_");
    let fmas = halves.iter().filter(|half| is_fma(half)).count() as u32;
    Some(Instruction {
        class,
        operations: if matrices { FMAS_OF_MATRICES } else { halves.len() as u32 },
        fmas: if matrices { FMAS_OF_MATRICES } else { fmas },
        matrices,
        loads: loads && !matches!(class, Class::Valu | Class::Scalar),
        slow: class == Class::Valu && is_slow(mnemonic),
        filler: is_filler(mnemonic),
        bytes: if matches!(class, Class::Vmem | Class::Lds) { lane_bytes(mnemonic) } else { 0 },
    })
}

fn is_fma(mnemonic: &str) -> bool {
    let plain = mnemonic.strip_prefix("v_").unwrap_or_default();
    let plain = plain.strip_prefix("dual_").unwrap_or(plain);
    let plain = plain.strip_prefix("pk_").unwrap_or(plain);
    // Before RDNA, `mad` and `mac` of floats; those of integers compute addresses.
    let floats = plain.contains("_f32") || plain.contains("_f16");
    ["fma", "dot"].iter().any(|prefix| plain.starts_with(prefix))
        || floats && ["mad", "mac"].iter().any(|prefix| plain.starts_with(prefix))
}

fn is_slow(mnemonic: &str) -> bool {
    let integers = ["v_mul_lo_u32", "v_mul_lo_i32", "v_mul_hi_", "v_mad_u64_u32", "v_mad_i64_i32"];
    ["v_exp_", "v_log_", "v_rcp_", "v_rsq_", "v_sqrt_", "v_sin_", "v_cos_"]
        .iter()
        .chain(&integers)
        .any(|prefix| mnemonic.starts_with(prefix))
}

/// What a lane loads or stores, from the width in the name: `x4` and `b128` are 16 bytes.
fn lane_bytes(mnemonic: &str) -> u32 {
    let has = |width: &str| mnemonic.contains(width);
    let one = if has("x4") || has("b128") {
        16
    } else if has("x3") || has("b96") {
        12
    } else if has("x2") || has("b64") {
        8
    } else {
        4
    };
    // Two elements at two addresses: `ds_read2_b32`, `ds_load_2addr_b32`.
    if has("read2") || has("write2") || has("2addr") { 2 * one } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NESTED: &str = "
BB0:
	s_mov_b32 s0, 0                   ; be800380
	s_nop 0                           ; bf800000
	(then repeated 2 times)
BB1:
	s_load_dwordx4 s[4:7], s[2:3], 0x10 ; f4080101 fa000010
BB2:
	ds_read_b128 v[0:3], v4           ; dbfc0000
	v_fma_f32 v8, v0, v1, v8          ; d54b0008
	v_dual_fmac_f32 v5, v0, v1 :: v_dual_mov_b32 v6, 0 ; c8000000
	v_mad_u32_u24 v9, v0, v1, v2      ; d5430009
	s_cbranch_scc1 BB4                ; bf85006a
	s_branch BB2                      ; bf820000
BB4:
	v_exp_f32_e32 v1, v2              ; 7e024b02
	s_cbranch_scc0 BB1                ; bf840000
BB5:
	buffer_store_dword v0, v1, s[0:3], 0 offen ; e0701000
	s_endpgm                          ; bf810000

Constant data:
[000000] 00000000
";

    #[test]
    fn loops_are_branches_backwards() {
        let assembly = Assembly::parse(NESTED);
        assert_eq!(assembly.instructions.len(), 15);
        assert_eq!(assembly.loops, [4..13, 5..11]);
        let hottest = assembly.hottest_loop().unwrap();
        assert_eq!(hottest, &(5..11));
        assert_eq!(assembly.nests(), [[&(4..13), &(5..11)]]);
        let counts = assembly.count(hottest.clone());
        assert_eq!((counts.instructions, counts.operations, counts.fmas), (6, 7, 2));
        assert_eq!((counts.vmem_loads, counts.lds_loads, counts.smem_loads), (0, 1, 0));
        assert_eq!(assembly.whole().smem_loads, 1);
        assert_eq!(assembly.whole().vmem_loads, 0);
        assert!(assembly.instructions[11].slow);
        assert_eq!(assembly.instructions[5].bytes, 16);
        assert!(assembly.instructions[3].filler);
    }

    #[test]
    fn a_product_of_matrices_is_many_multiply_adds() {
        let text = "\tv_wmma_f32_16x16x16_f16 v[0:7], v[8:15], v[16:23], v[0:7] ; cc404000\n";
        let counts = Assembly::parse(text).whole();
        assert_eq!((counts.instructions, counts.operations, counts.fmas), (1, 128, 128));
        assert!(counts.fma_share() == 1.0);
    }

    #[test]
    fn what_the_assembler_adds_takes_a_cycle() {
        let said = "BB0\n\t(  1 clk)   s0 = s_mov_b32 s3\n\t( 31 clk)   s_waitcnt lgkmcnt(0)\n";
        let cycles = Cycles::parse(said);
        assert_eq!(cycles.iter().map(|cycles| cycles.clocks).collect::<Vec<_>>(), [1, 31]);
        let assembly = Assembly::parse("\ts_mov_b32 s0, s3\n\ts_nop 0\n\ts_waitcnt lgkmcnt(0)\n");
        assert_eq!(assembly.align(&cycles), Some(vec![1, 1, 31]));
        assert_eq!(assembly.align(&cycles[..1]), None);
        assert_eq!(Assembly::parse("\ts_nop 0\n").align(&cycles), None);
    }

    #[test]
    fn nothing_is_read_from_nothing() {
        let assembly = Assembly::parse("");
        assert_eq!(assembly.whole(), Counts::default());
        assert_eq!(assembly.hottest_loop(), None);
    }
}
