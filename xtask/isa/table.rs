//! The printed tables.

use super::disassembly::{Assembly, Counts};
use super::estimate::{Chip, Estimate};
use super::worker::Compiled;

/// Rows of text, aligned: the first column to the left, the others to the right.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(ToString::to_string).collect()] }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Adds a row unless there is one like it.
    pub fn new_row(&mut self, cells: Vec<String>) {
        if !self.rows.contains(&cells) {
            self.row(cells);
        }
    }

    pub fn print(&self) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).enumerate();
            let padded = cells.map(|(column, (cell, &width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            let line = padded.collect::<Vec<_>>().join("  ");
            println!("{}", line.trim_end());
        }
    }
}

/// The headings over [`statistics`].
pub const STATISTICS: [&str; 18] = [
    "kernel",
    "wave",
    "VGPR",
    "SGPR",
    "spill V",
    "spill S",
    "LDS",
    "scratch",
    "waves/SIMD",
    "instr",
    "VALU",
    "loop:ops",
    "fma",
    "vmem",
    "lds",
    "smem",
    "latency",
    "inv.thr.",
];

/// One kernel's row.
pub fn statistics(name: &str, compiled: &Compiled) -> Vec<String> {
    let statistic = |name: &str| number(compiled.statistic(name));
    let assembly = compiled.assembly().map(Assembly::parse);
    let whole = assembly.as_ref().map(Assembly::whole);
    // Before Mesa 24 the driver does not count them.
    let valu = compiled.statistic("VALU").or_else(|| whole.map(|counts| counts.valu as f64));
    let hottest = assembly
        .as_ref()
        .and_then(|assembly| Some(assembly.count(assembly.hottest_loop()?.clone())));
    let of_loop = |value: fn(&Counts) -> u32| {
        hottest.as_ref().map_or_else(|| "-".into(), |counts| value(counts).to_string())
    };
    vec![
        name.into(),
        compiled.subgroup_size.to_string(),
        statistic("VGPRs"),
        statistic("SGPRs"),
        statistic("Spilled VGPRs"),
        statistic("Spilled SGPRs"),
        statistic("LDS size"),
        statistic("Scratch size"),
        statistic("Subgroups per SIMD"),
        statistic("Instructions"),
        number(valu),
        of_loop(|counts| counts.operations),
        hottest.map_or_else(|| "-".into(), |counts| format!("{:.0}%", 100.0 * counts.fma_share())),
        of_loop(|counts| counts.vmem_loads),
        of_loop(|counts| counts.lds_loads),
        of_loop(|counts| counts.smem_loads),
        statistic("Latency"),
        statistic("Inverse Throughput"),
    ]
}

/// One kernel's row, with the statistics of these names.
pub fn own_statistics(name: &str, compiled: &Compiled, names: &[&str]) -> Vec<String> {
    let values = names.iter().map(|name| number(compiled.statistic(name)));
    [name.into(), compiled.subgroup_size.to_string()].into_iter().chain(values).collect()
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "?".into(), |value| format!("{value:.0}"))
}

/// The chip that the estimates are for.
pub fn chip(chip: &Chip) -> String {
    format!(
        "Estimated, not measured (see --help), for a {} at {} GHz: {:.1} TFLOP/s, {} GB/s; in µs",
        chip.product,
        chip.clock_ghz,
        chip.gigaflops() / 1e3,
        chip.gigabytes_per_second,
    )
}

/// The headings over [`estimate`].
pub const ESTIMATES: [&str; 10] = [
    "dispatch",
    "waves",
    "on a SIMD",
    "fit",
    "busy",
    "latency",
    "memory",
    "estimate",
    "bound by",
    "roofline",
];

/// One dispatch's row.
pub fn estimate(name: &str, estimate: &Estimate) -> Vec<String> {
    vec![
        name.into(),
        format!("{:.0}", estimate.waves),
        format!("{:.0}", estimate.waves_on_a_simd),
        format!("{:.0}", estimate.occupancy),
        time(estimate.busy),
        time(estimate.latency),
        time(estimate.memory),
        time(estimate.total()),
        estimate.bound.into(),
        time(estimate.roofline),
    ]
}

/// The sum of a step's dispatches.
#[derive(Default)]
pub struct Step {
    estimate: f64,
    roofline: f64,
}

impl Step {
    pub fn add(&mut self, estimate: &Estimate) {
        self.estimate += estimate.total();
        self.roofline += estimate.roofline;
    }

    pub fn row(&self) -> Vec<String> {
        let mut row = vec![String::new(); ESTIMATES.len()];
        row[0] = "in all".into();
        row[7] = time(self.estimate);
        row[9] = time(self.roofline);
        row
    }
}

fn time(microseconds: f64) -> String {
    format!("{microseconds:.2}")
}
