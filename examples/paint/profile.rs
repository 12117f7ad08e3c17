//! How long each kernel of a training step takes.

use crate::print_line;
use impasto::{Dataset, Engine, KernelTime, Network, Plan, Result};

/// Prints a table of the kernels of a step.
pub fn print(engine: &Engine, network: &Network, plan: &Plan, dataset: &Dataset) -> Result<()> {
    let kernels = pollster::block_on(engine.profile(network, plan, dataset))?;
    for line in table(&kernels) {
        print_line(line);
    }
    Ok(())
}

/// One line a kernel, the slowest first, and one for all.
fn table(kernels: &[KernelTime]) -> Vec<String> {
    let total: f64 = kernels.iter().map(|kernel| kernel.seconds).sum();
    let mut sorted: Vec<&KernelTime> = kernels.iter().collect();
    sorted.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    let mut lines = vec![format!(
        "{:<22} {:>10} {:>12} {:>7} {:>9} {:>7}",
        "kernel of a step", "dispatches", "device time", "share", "GFLOP/s", "GB/s"
    )];
    for kernel in sorted {
        let rate = |amount: f64| {
            if amount > 0.0 && kernel.seconds > 0.0 {
                format!("{:.1}", amount / kernel.seconds * 1e-9)
            } else {
                "-".to_string()
            }
        };
        lines.push(format!(
            "{:<22} {:>10} {:>9.1} µs {:>5.1} % {:>9} {:>7}",
            kernel.kernel,
            kernel.dispatches,
            kernel.seconds * 1e6,
            100.0 * kernel.seconds / total.max(f64::MIN_POSITIVE),
            rate(kernel.operations),
            rate(kernel.bytes),
        ));
    }
    let dispatches: usize = kernels.iter().map(|kernel| kernel.dispatches).sum();
    lines.push(format!("{:<22} {dispatches:>10} {:>9.1} µs", "all", total * 1e6));
    lines
}
