//! A training run on the CPU, on a thread of its own.

use super::jobs::Jobs;
use super::run::Run;
use crate::dataset::Dataset;
use crate::engine::notes::Notes;
use crate::engine::{
    KEPT, Outcome, Output, Pending, Plan, Session, Step, check_evaluation, check_gradient,
    no_place, not_finite, ready,
};
use crate::error::Result;
use crate::gradients::{self, Gradients, Wanted};
use crate::loss::Loss;
use crate::network::{Network, whole_samples};
use crate::resources::Resources;
use crate::state::State;
use crate::stop::StopHandle;
use std::sync::Arc;

/// Multiplications with a parameter that take less time than to hand them to another thread and to
/// wait for it.
const WORTH_A_JOB: usize = 2_000_000;

/// A training run on the CPU: its steps are taken by threads of its own.
pub(super) struct CpuSession {
    run: Arc<Run>,
    /// The network without its parameters.
    network: Network,
    jobs: Jobs,
    /// Where the next steps keep what was before them.
    keep: Option<usize>,
    /// Whether something was kept in each place.
    kept: [bool; KEPT],
}

impl CpuSession {
    pub(super) fn new(
        network: &Network,
        plan: Plan,
        dataset: &Dataset,
        most_threads: usize,
        notes: &Arc<Notes>,
    ) -> Result<Self> {
        let mut run = Run::new(network, plan, dataset, most_threads)?;
        run.notes = Arc::clone(notes);
        Ok(Self {
            run: Arc::new(run),
            network: network.shape(),
            jobs: Jobs::new(),
            keep: None,
            kept: [false; KEPT],
        })
    }

    /// Keeps the present moment at once, if the next steps were to keep it.
    fn keep_now(&mut self) {
        if self.keep.is_some() {
            drop(self.start(&[]));
        }
    }

    /// Starts these steps, and the keeping of what was before them.
    fn start(&mut self, steps: &[Step]) -> Pending<'static, Outcome> {
        let samples = steps.iter().map(|step| step.count).sum();
        let short = self.run.work(samples) < WORTH_A_JOB;
        let (run, steps, place) = (Arc::clone(&self.run), steps.to_vec(), self.keep.take());
        let outcome = self.jobs.start(short, move || run.train(&steps, place));
        Box::pin(async move { outcome.await? })
    }
}

impl Session for CpuSession {
    fn train(&mut self, steps: &[Step]) -> Result<Pending<'static, Outcome>> {
        self.run.plan.check_steps(steps, self.run.dataset.len())?;
        Ok(self.start(steps))
    }

    fn parameters(&mut self) -> Pending<'_, Vec<f64>> {
        let run = Arc::clone(&self.run);
        self.jobs.start(true, move || run.parameters())
    }

    fn state(&mut self) -> Pending<'_, State> {
        let run = Arc::clone(&self.run);
        let state = self.jobs.start(true, move || run.state());
        Box::pin(async move { state.await? })
    }

    fn restore<'a>(&'a mut self, state: &'a State) -> Pending<'a, ()> {
        if let Err(error) = self.run.check_state(state) {
            return ready(Err(error));
        }
        self.keep_now();
        let (run, state) = (Arc::clone(&self.run), state.clone());
        self.jobs.start(true, move || run.restore(&state))
    }

    fn predict<'a>(&'a mut self, inputs: &'a [f64], output: Output) -> Pending<'a, Vec<f64>> {
        let samples = match whole_samples(inputs, self.run.widths()[0]) {
            Ok(samples) => samples,
            Err(error) => return ready(Err(error)),
        };
        let (run, inputs) = (Arc::clone(&self.run), inputs.to_vec());
        let short = run.work(samples) < WORTH_A_JOB;
        self.jobs.start(short, move || run.predict(&inputs, output))
    }

    fn evaluate<'a>(&'a mut self, dataset: &'a Dataset, loss: Loss) -> Pending<'a, f64> {
        if let Err(error) = check_evaluation(&self.network, loss, dataset) {
            return ready(Err(error));
        }
        let (run, dataset) = (Arc::clone(&self.run), dataset.clone());
        let short = run.work(dataset.len()) < WORTH_A_JOB;
        let loss = self.jobs.start(short, move || run.evaluate(&dataset, loss));
        Box::pin(async move { loss.await? })
    }

    fn apply<'a>(&'a mut self, gradient: &'a [f64], learning_rate: f64) -> Pending<'a, ()> {
        if let Err(error) = check_gradient(self.run.parameters, gradient, learning_rate) {
            return ready(Err(error));
        }
        let (run, place) = (Arc::clone(&self.run), self.keep.take());
        let gradient = gradient.to_vec();
        let outcome = self.jobs.start(true, move || run.apply(&gradient, learning_rate, place));
        Box::pin(
            async move { if outcome.await??.diverged.is_some() { not_finite() } else { Ok(()) } },
        )
    }

    fn backward<'a>(
        &'a mut self,
        inputs: &'a [f32],
        output_gradient: &'a [f32],
        wanted: Wanted,
    ) -> Pending<'a, Gradients> {
        let samples = match gradients::check(&self.network, inputs, output_gradient) {
            Ok(samples) => samples,
            Err(error) => return ready(Err(error)),
        };
        let (inputs, output_gradient) = (inputs.to_vec(), output_gradient.to_vec());
        let (run, short) = (Arc::clone(&self.run), self.run.work(samples) < WORTH_A_JOB);
        let gradients =
            self.jobs.start(short, move || run.backward([&inputs, &output_gradient], wanted));
        Box::pin(async move { gradients.await? })
    }

    fn stop_with(&mut self, stop: &StopHandle) {
        self.run.stop_with(stop);
    }

    fn resources(&self) -> Resources {
        let kept = self.kept.iter().filter(|kept| **kept).count() as u64;
        let once = self.run.resources;
        Resources { kept: kept * once.kept, ..once }
    }

    fn can_keep(&self) -> bool {
        self.run.can_keep()
    }

    fn keep(&mut self, place: usize) -> Pending<'_, ()> {
        let Some(kept) = self.kept.get_mut(place) else { return ready(no_place(place)) };
        *kept = true;
        self.keep_now();
        // Each thread keeps its share when it takes the next steps.
        self.keep = Some(place);
        ready(Ok(()))
    }

    fn go_back(&mut self, place: usize) -> Pending<'_, ()> {
        if !self.kept.get(place).is_some_and(|kept| *kept) {
            return ready(no_place(place));
        }
        self.keep_now();
        let run = Arc::clone(&self.run);
        self.jobs.start(true, move || run.go_back(place))
    }
}

#[cfg(all(test, feature = "threads"))]
mod tests {
    use crate::cpu::CpuEngine;
    use crate::{Activation, Dataset, Engine, Error, Network, Trainer};
    use std::thread;

    #[test]
    fn a_caller_may_have_a_small_stack() {
        let work = || -> Result<usize, Error> {
            let engine: Engine = CpuEngine::new(None)?.into();
            let network = Network::builder(2).hidden(&[20, 20], Activation::Relu);
            let mut network = network.output(3, Activation::Identity).build()?;
            let dataset = Dataset::new(vec![0.5; 600], vec![0.5; 900], 2, 3)?;
            let trainer = Trainer { epochs: 2, ..Trainer::default() };
            trainer.fit(&engine, &mut network, &dataset)?;
            Ok(engine.predict(&network, &[0.5_f32; 20])?.len())
        };
        let started = thread::Builder::new().stack_size(64 << 10).spawn(work);
        let outputs = started.expect("started").join().expect("no panic");
        assert_eq!(outputs.expect("trains and predicts"), 30);
    }
}
