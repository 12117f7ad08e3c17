//! What is printed.

use super::disassembly::Assembly;
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

    pub fn print(&self) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                if column == 0 {
                    line += &format!("{cell:<width$}");
                } else {
                    line += &format!("  {cell:>width$}");
                }
            }
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
    let of_loop = |value: fn(&super::disassembly::Counts) -> u32| {
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

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "?".into(), |value| format!("{value:.0}"))
}
