//! A model of the time of a dispatch, from its instructions.
//!
//! Nothing here is measured. The model, for each wave of a kernel:
//!
//! - Every instruction runs as often as the loops around it do, and both sides of every branch. The
//!   dispatch says how often the loops run in which the kernel spends its time ([`Assembly::nests`]);
//!   the others are taken to run once. Of a kernel of which nothing is said, loops run as often as
//!   ACO assumes, 8, 4, 2, 2… times by their depth (`aco_statistics.cpp`).
//! - It occupies one of four parts of its SIMD: vector unit (a cycle for 32 lanes on RDNA, four for
//!   64 on GCN; four times that for roots, exponentials and 32-bit integer products; RDNA 3 issues
//!   a pair in one; 32 for a product of matrices, 128 multiply-adds a cycle), scalar unit, vector memory path and workgroup memory (by the bytes that go to
//!   its lanes). The busiest part bounds the waves that a SIMD has to run: `busy`.
//! - Its latency is the sum of the cycles that ACO gives each instruction, waiting included:
//!   320 for vector memory, 20 for workgroup memory, 30 or 200 for scalar loads, whatever else
//!   happens. As many waves as fit at once hide each other's; waves beyond that come after:
//!   `latency`, which is what counts where there are few.
//! - Bytes of the dispatch through the memory's bandwidth, as if no cache held anything over from
//!   another dispatch: `memory`.
//!
//! The estimate is the largest of the three. It knows nothing of cache misses, bank conflicts, the
//! time to launch a dispatch and the barrier after it (some microseconds each), clocks that change.
//! It compares kernels of one GPU. It does not predict measured times.

use std::collections::HashMap;
use std::ops::Range;

use impasto::gpu::Dispatch;

use super::disassembly::{Assembly, Class, Instruction};
use super::worker::Compiled;

/// A GPU to estimate for.
#[derive(Clone, Copy, Debug)]
pub struct Chip {
    pub family: &'static str,
    pub product: &'static str,
    generation: Generation,
    /// Compute units.
    units: f64,
    pub clock_ghz: f64,
    /// Of its memory.
    pub gigabytes_per_second: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Generation {
    Gcn5,
    Rdna2,
    Rdna3,
}

/// Units, clocks and bandwidths as AMD states them for the product: boost clock of the RX 6900 XT,
/// game clock of the RX 7900 XTX, typical clock under load of the RX Vega 64 (boost 1.546 GHz).
const CHIPS: [Chip; 3] = [
    Chip {
        family: "NAVI21",
        product: "RX 6900 XT",
        generation: Generation::Rdna2,
        units: 80.0,
        clock_ghz: 2.25,
        gigabytes_per_second: 512.0,
    },
    Chip {
        family: "NAVI31",
        product: "RX 7900 XTX",
        generation: Generation::Rdna3,
        units: 96.0,
        clock_ghz: 2.3,
        gigabytes_per_second: 960.0,
    },
    Chip {
        family: "VEGA10",
        product: "RX Vega 64",
        generation: Generation::Gcn5,
        units: 64.0,
        clock_ghz: 1.5,
        gigabytes_per_second: 484.0,
    },
];

/// Cycles of a product of matrices of 16 rows and columns on RDNA 3: 512 operations a cycle of a compute unit,
/// as AMD states them (123 TFLOP/s in f16 for the RX 7900 XTX), which are 128 multiply-adds of a SIMD.
const CYCLES_OF_MATRICES: f64 = 16.0 * 16.0 * 16.0 / 128.0;

/// The chip of a family, where one is known.
pub fn chip(family: &str) -> Option<&'static Chip> {
    CHIPS.iter().find(|chip| chip.family.eq_ignore_ascii_case(family))
}

impl Chip {
    /// In 10⁹ a second. On RDNA 3 with every instruction one of a pair, which no kernel reaches.
    pub fn gigaflops(&self) -> f64 {
        let per_unit = match self.generation {
            Generation::Gcn5 | Generation::Rdna2 => 128.0,
            Generation::Rdna3 => 256.0,
        };
        self.units * per_unit * self.clock_ghz
    }

    fn simds_per_unit(&self) -> f64 {
        if self.generation == Generation::Gcn5 { 4.0 } else { 2.0 }
    }

    /// Bytes that workgroup memory gives a SIMD in a cycle: 128 for a compute unit on all three.
    fn lds_bytes(&self) -> f64 {
        128.0 / self.simds_per_unit()
    }

    /// Bytes that the nearest vector cache gives a SIMD in a cycle, and as many addresses as it
    /// takes in: 64 bytes for a compute unit on GCN, 128 on RDNA.
    fn cache_bytes(&self) -> f64 {
        let of_unit = if self.generation == Generation::Gcn5 { 64.0 } else { 128.0 };
        of_unit / self.simds_per_unit()
    }

    /// Waves that a SIMD holds at once: by the driver's count, its slots, and its registers.
    ///
    /// The latter two because Mesa 22.3 and 25.0 count twice as many waves of 64 as fit on RDNA.
    fn occupancy(&self, compiled: &Compiled) -> f64 {
        let (slots, registers) = match self.generation {
            Generation::Gcn5 => (10.0, 256.0),
            Generation::Rdna2 => (16.0, 1024.0),
            Generation::Rdna3 => (16.0, 1536.0),
        };
        let lanes = if self.generation == Generation::Gcn5 { 64.0 } else { 32.0 };
        let of_wave = compiled.statistic("VGPRs").unwrap_or(1.0).max(1.0)
            * (compiled.subgroup_size as f64 / lanes).max(1.0);
        let reported = compiled.statistic("Subgroups per SIMD").unwrap_or(slots);
        reported.min(slots).min((registers / of_wave).floor()).max(1.0)
    }

    fn cost(&self, instruction: &Instruction, wave: f64) -> Busy {
        let mut busy = Busy::default();
        let bytes = instruction.bytes as f64 * wave;
        let gcn = self.generation == Generation::Gcn5;
        match instruction.class {
            Class::Valu if instruction.matrices => busy.valu = CYCLES_OF_MATRICES,
            Class::Valu => {
                let passes = if gcn { wave / 16.0 } else { wave / 32.0 };
                // RDNA 3 runs both halves of a wave of 64 at once where it could pair them.
                let paired = self.generation == Generation::Rdna3
                    && instruction.operations == 1
                    && instruction.fmas > 0;
                let passes = if paired { passes.min(1.0) } else { passes };
                busy.valu = passes.max(1.0) * if instruction.slow { 4.0 } else { 1.0 };
            }
            Class::Scalar | Class::Smem => busy.scalar = if gcn { 4.0 } else { 1.0 },
            Class::Vmem => busy.vmem = (bytes / self.cache_bytes()).max(1.0),
            Class::Lds => busy.lds = (bytes / self.lds_bytes()).max(1.0),
        }
        busy
    }
}

/// Cycles for which a wave occupies the parts of its SIMD.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Busy {
    valu: f64,
    scalar: f64,
    vmem: f64,
    lds: f64,
}

impl Busy {
    fn add(&mut self, other: Self, times: f64) {
        self.valu += other.valu * times;
        self.scalar += other.scalar * times;
        self.vmem += other.vmem * times;
        self.lds += other.lds * times;
    }

    fn most(&self) -> (f64, &'static str) {
        let parts =
            [(self.valu, "VALU"), (self.scalar, "scalar"), (self.vmem, "VMEM"), (self.lds, "LDS")];
        parts.into_iter().fold((0.0, "-"), |most, part| if part.0 > most.0 { part } else { most })
    }
}

/// One dispatch, in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    pub waves: f64,
    pub waves_on_a_simd: f64,
    pub occupancy: f64,
    pub busy: f64,
    pub latency: f64,
    pub memory: f64,
    pub bound: &'static str,
    /// The larger of operations over peak and bytes over bandwidth.
    pub roofline: f64,
}

impl Estimate {
    pub fn total(&self) -> f64 {
        self.busy.max(self.latency).max(self.memory)
    }

    /// `None` without assembly.
    pub fn new(
        chip: &Chip,
        dispatch: &Dispatch,
        workgroup_size: [u32; 3],
        compiled: &Compiled,
    ) -> Option<Self> {
        let assembly = Assembly::parse(compiled.assembly()?);
        let wave = compiled.subgroup_size as f64;
        let threads: f64 = workgroup_size.iter().map(|&size| size as f64).product();
        let workgroups: f64 = dispatch.workgroups.iter().map(|&count| count as f64).product();
        let waves_of_workgroup = (threads / wave).ceil();
        // Of the fullest compute unit.
        let waves_of_unit = (workgroups / chip.units).ceil() * waves_of_workgroup;
        let waves_on_a_simd = (waves_of_unit / chip.simds_per_unit()).ceil();

        let runs = runs(&assembly, &dispatch.trips);
        let mut busy = Busy::default();
        for (instruction, &times) in assembly.instructions.iter().zip(&runs) {
            busy.add(chip.cost(instruction, wave), times);
        }
        let (cycles, part) = busy.most();
        let occupancy = chip.occupancy(compiled);
        let rounds = (waves_on_a_simd / occupancy).ceil();
        let microseconds = |cycles: f64| cycles / (chip.clock_ghz * 1e3);
        let memory = dispatch.bytes / (chip.gigabytes_per_second * 1e3);
        let mut estimate = Self {
            waves: workgroups * waves_of_workgroup,
            waves_on_a_simd,
            occupancy,
            busy: microseconds(cycles * waves_on_a_simd),
            latency: microseconds(latency(&assembly, compiled, &runs) * rounds),
            memory,
            bound: part,
            roofline: memory.max(dispatch.flops / (chip.gigaflops() * 1e3)),
        };
        if estimate.latency > estimate.busy {
            estimate.bound = "latency";
        }
        if estimate.memory >= estimate.total() {
            estimate.bound = "memory";
        }
        Some(estimate)
    }
}

/// How often each instruction runs, with the loops of each nest running so often.
fn runs(assembly: &Assembly, trips: &[Vec<f64>]) -> Vec<f64> {
    let mut of_loop: HashMap<&Range<usize>, f64> = HashMap::new();
    // Where the compiler has made one nest of several or the reverse, the last represents the rest.
    for (nest, loops) in assembly.nests().into_iter().enumerate() {
        let Some(trips) = trips.get(nest).or(trips.last()) else { break };
        for (depth, range) in loops.into_iter().enumerate() {
            of_loop.insert(range, trips.get(depth).copied().unwrap_or(1.0));
        }
    }
    let known = trips.iter().any(|trips| !trips.is_empty());
    let runs_of = |depth: usize, range: &Range<usize>| {
        if known { of_loop.get(range).copied().unwrap_or(1.0) } else { assumed_trips(depth) }
    };
    (0..assembly.instructions.len())
        .map(|i| {
            let around = assembly.loops.iter().filter(|range| range.contains(&i)).enumerate();
            around.map(|(depth, range)| runs_of(depth, range)).product()
        })
        .collect()
}

/// What ACO assumes of a loop inside `depth` others.
fn assumed_trips(depth: usize) -> f64 {
    match depth {
        0 => 8.0,
        1 => 4.0,
        _ => 2.0,
    }
}

/// Cycles from a wave's start to its end.
fn latency(assembly: &Assembly, compiled: &Compiled, runs: &[f64]) -> f64 {
    if let Some(cycles) = assembly.align(&compiled.cycles) {
        return cycles.iter().zip(runs).map(|(&cycles, times)| cycles as f64 * times).sum();
    }
    // Without the cycles of each instruction, the driver's sum, stretched as the loops are.
    let assumed: f64 = self::runs(assembly, &[]).iter().sum();
    let here: f64 = runs.iter().sum();
    compiled.statistic("Latency").unwrap_or(0.0) * here / assumed.max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disassembly::Cycles;

    const LOOP: &str = "
BB0:
	s_mov_b32 s0, 0 ; 00
BB1:
	v_fma_f32 v0, v1, v2, v0 ; 00
	ds_read_b128 v[0:3], v4 ; 00
	s_cbranch_scc1 BB1 ; 00
BB2:
	s_endpgm ; 00
";

    fn compiled() -> Compiled {
        Compiled {
            subgroup_size: 32,
            statistics: vec![("VGPRs".into(), 64.0), ("Subgroups per SIMD".into(), 16.0)],
            representations: vec![("Assembly".into(), LOOP.into())],
            cycles: [1, 5, 20, 4, 1].map(|clocks| Cycles { clocks, filler: false }).to_vec(),
        }
    }

    fn dispatch(workgroups: u32) -> Dispatch {
        Dispatch {
            workgroups: [workgroups, 1, 1],
            trips: vec![vec![100.0]],
            flops: 1e6,
            bytes: 0.0,
        }
    }

    #[test]
    fn a_lone_wave_takes_its_latency() {
        let chip = chip("navi21").unwrap();
        let estimate = Estimate::new(chip, &dispatch(1), [32, 1, 1], &compiled()).unwrap();
        assert_eq!(estimate.bound, "latency");
        assert_eq!(estimate.waves, 1.0);
        assert!((estimate.latency - (2.0 + 100.0 * 29.0) / 2250.0).abs() < 1e-9);
        // 32 lanes of 16 bytes at 64 bytes a cycle.
        assert!((estimate.busy - 800.0 / 2250.0).abs() < 1e-9);
    }

    #[test]
    fn many_waves_are_bound_by_the_busiest_part() {
        let chip = chip("NAVI21").unwrap();
        let estimate =
            Estimate::new(chip, &dispatch(80 * 2 * 16), [32, 1, 1], &compiled()).unwrap();
        assert_eq!(estimate.bound, "LDS");
        assert_eq!((estimate.waves_on_a_simd, estimate.occupancy), (16.0, 16.0));
        assert!((estimate.total() - 16.0 * 800.0 / 2250.0).abs() < 1e-9);
    }

    #[test]
    fn the_peak_is_that_of_the_data_sheet() {
        for (family, teraflops) in [("NAVI21", 23.04), ("NAVI31", 56.5), ("VEGA10", 12.3)] {
            let peak = chip(family).unwrap().gigaflops() / 1e3;
            assert!((peak / teraflops - 1.0).abs() < 0.01, "{family}: {peak}");
        }
    }
}
