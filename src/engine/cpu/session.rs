//! A training run on the CPU, beside its caller.

use super::jobs::Jobs;
use super::run::Run;
use crate::dataset::Dataset;
use crate::engine::{Outcome, Pending, Plan, Session, Step};
use crate::error::Result;
use crate::network::Network;
use std::sync::Arc;

/// Multiplications with a parameter that take less time than to hand them to another thread and to
/// wait for it.
const WORTH_A_JOB: usize = 2_000_000;

/// A training run on the CPU: its steps are taken by threads of its own.
pub(super) struct CpuSession {
    run: Arc<Run>,
    jobs: Jobs,
}

impl CpuSession {
    pub(super) fn new(
        network: &Network,
        plan: Plan,
        dataset: &Dataset,
        most_threads: usize,
    ) -> Result<Self> {
        let run = Run::new(network, plan, dataset, most_threads)?;
        Ok(Self { run: Arc::new(run), jobs: Jobs::new() })
    }
}

impl Session for CpuSession {
    fn train(&mut self, steps: &[Step]) -> Result<Pending<'static, Outcome>> {
        self.run.plan.check_steps(steps, self.run.dataset.len())?;
        let samples = steps.iter().map(|step| step.count).sum();
        let short = self.run.work(samples) < WORTH_A_JOB;
        let (run, steps) = (Arc::clone(&self.run), steps.to_vec());
        let outcome = self.jobs.start(short, move || run.train(&steps));
        Ok(Box::pin(async move { outcome.await? }))
    }

    fn parameters(&mut self) -> Pending<'_, Vec<f64>> {
        let run = Arc::clone(&self.run);
        self.jobs.start(true, move || run.parameters())
    }
}
