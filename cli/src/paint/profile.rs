//! How long each kernel of a training step takes, or each phase of one on the CPU engine, and what the search for
//! the kernels' shapes measured.

use super::console::print_line;
use impasto::{Backend, CandidateTime, Dataset, Engine, KernelTime, Network, Plan, Result};

/// The times of the kernels or phases of a step, and the candidates of the search in this run.
pub struct Profile {
    backend: Backend,
    pub kernels: Vec<KernelTime>,
    pub candidates: Vec<CandidateTime>,
}

impl Profile {
    /// Measures the kernels or phases of a step.
    pub fn take(
        engine: &Engine,
        network: &Network,
        plan: &Plan,
        dataset: &Dataset,
    ) -> Result<Self> {
        let kernels = pollster::block_on(engine.profile(network, plan, dataset))?;
        let backend = engine.device().backend;
        Ok(Self { backend, kernels, candidates: engine.candidates() })
    }

    /// Prints a table of the kernels or phases of a step, and one of the candidates.
    pub fn print(&self) {
        let columns = match self.backend {
            Backend::Cpu => ["phase of a step", "calls", "time"],
            _ => ["kernel of a step", "dispatches", "device time"],
        };
        for line in table(columns, &self.kernels).into_iter().chain(candidates(&self.candidates)) {
            print_line(line);
        }
    }
}

/// One line a candidate, the fastest first, under a heading; nothing if there was no search.
fn candidates(times: &[CandidateTime]) -> Vec<String> {
    let mut sorted: Vec<&CandidateTime> = times.iter().collect();
    sorted.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let line = |time: &CandidateTime| format!("{:>9.1} µs {}", time.seconds * 1e6, time.shapes);
    let heading = (!times.is_empty()).then(|| "a step in the shapes that the search tried".into());
    heading.into_iter().chain(sorted.into_iter().map(line)).collect()
}

/// One line a kernel, the slowest first, and one for all, under the names of the first columns.
fn table([name, calls, time]: [&str; 3], kernels: &[KernelTime]) -> Vec<String> {
    let total: f64 = kernels.iter().map(|kernel| kernel.seconds).sum();
    let mut sorted: Vec<&KernelTime> = kernels.iter().collect();
    sorted.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    let mut lines = vec![format!(
        "{name:<22} {calls:>10} {time:>12} {:>7} {:>9} {:>7}",
        "share", "GFLOP/s", "GB/s"
    )];
    let count = |calls: usize| if calls > 0 { calls.to_string() } else { "-".to_string() };
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
            count(kernel.dispatches),
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
