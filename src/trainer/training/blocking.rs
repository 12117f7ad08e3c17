//! The blocking forms of the functions of `Training`.

use super::Training;
use super::saved::TrainingState;
use crate::dataset::Dataset;
use crate::engine::Engine;
use crate::error::Result;
use crate::metric::{Metric, Metrics};
use crate::network::Network;
use crate::summary::{Ending, Epoch};
use crate::trainer::data::TrainingData;
use crate::trainer::{Event, Trainer};
use pollster::block_on;
use std::ops::ControlFlow;

impl Trainer {
    /// Loads `network` and `data` into an engine, ready to train. [`fit`](Self::fit) calls this and
    /// [`run`](Training::run).
    ///
    /// ```
    /// use impasto::{Activation, Backend, Dataset, Engine, Network, Trainer};
    ///
    /// let samples = Dataset::from_rows(&[[0.0], [1.0]], &[[1.0], [0.0]])?;
    /// let network = Network::builder(1).hidden(&[8], Activation::Tanh);
    /// let network = network.output(1, Activation::Identity).build()?;
    /// let engine = Engine::open(Backend::Cpu)?;
    /// let mut training = Trainer::default().begin(&engine, &network, &samples)?;
    /// let loss = training.step(100)?;
    /// training.set_learning_rate(1e-4)?;
    /// while let Some(epoch) = training.epoch()? {
    ///     println!("epoch {}: loss {}", epoch.number, epoch.loss);
    /// }
    /// let trained = training.network()?;
    /// # assert!(loss.is_some() && trained != network);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// Settings that make no sense or do not fit the network, or a device that failed.
    pub fn begin(
        &self,
        engine: impl Into<Engine>,
        network: &Network,
        data: impl Into<TrainingData>,
    ) -> Result<Training> {
        block_on(self.begin_async(engine, network, data))
    }
}

impl Training {
    /// Blocking form of [`run_async`](Self::run_async).
    ///
    /// # Errors
    /// As [`run_async`](Self::run_async).
    pub fn run(&mut self) -> Result<Ending> {
        block_on(self.run_async())
    }

    /// Blocking form of [`run_with_async`](Self::run_with_async).
    ///
    /// # Errors
    /// As [`run_async`](Self::run_async).
    pub fn run_with(&mut self, watch: impl FnMut(&Event) -> ControlFlow<()>) -> Result<Ending> {
        block_on(self.run_with_async(watch))
    }

    /// Blocking form of [`run_to_async`](Self::run_to_async).
    ///
    /// ```
    /// use impasto::reference::ReferenceEngine;
    /// use impasto::{Activation, Dataset, Ending, Network, Trainer};
    /// use std::ops::ControlFlow;
    ///
    /// let samples = Dataset::from_rows(&[[0.0], [1.0]], &[[1.0], [0.0]])?;
    /// let network = Network::builder(1).output(1, Activation::Identity).build()?;
    /// let trainer = Trainer { epochs: 20, ..Trainer::default() };
    /// let mut training = trainer.begin(ReferenceEngine::new(), &network, &samples)?;
    /// // What the network predicts early, where it changes most.
    /// for step in [1, 2, 4, 8] {
    ///     let ending = training.run_to(step, |_| ControlFlow::Continue(()))?;
    ///     assert_eq!((ending, training.summary().steps), (Ending::Stopped, step));
    ///     println!("{step}: {:?}", training.predict(&[0.5])?);
    /// }
    /// assert_eq!(training.run()?, Ending::Finished);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`run_async`](Self::run_async).
    pub fn run_to(
        &mut self,
        step: u64,
        watch: impl FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<Ending> {
        block_on(self.run_to_async(step, watch))
    }

    /// Blocking form of [`step_async`](Self::step_async).
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn step(&mut self, count: u64) -> Result<Option<f64>> {
        block_on(self.step_async(count))
    }

    /// Blocking form of [`epoch_async`](Self::epoch_async).
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn epoch(&mut self) -> Result<Option<Epoch>> {
        block_on(self.epoch_async())
    }

    /// Trains epoch by epoch and calls `watch` after each with the run itself, which can predict, evaluate,
    /// be saved, or go on at another learning rate. `watch` stops the run with [`ControlFlow::Break`].
    /// Unlike with [`run`](Self::run), the device does not work on the next epoch meanwhile.
    ///
    /// ```
    /// use impasto::reference::ReferenceEngine;
    /// use impasto::{Activation, Dataset, Network, Trainer};
    /// use std::ops::ControlFlow;
    ///
    /// let samples = Dataset::from_rows(&[[0.0], [1.0]], &[[1.0], [0.0]])?;
    /// let network = Network::builder(1).output(1, Activation::Identity).build()?;
    /// let trainer = Trainer { learning_rate: 0.1, ..Trainer::default() };
    /// let mut training = trainer.begin(ReferenceEngine::new(), &network, &samples)?;
    /// let mut middle = Vec::new();
    /// training.run_epochs(|training, epoch| {
    ///     middle.push(training.predict(&[0.5])?[0]);
    ///     Ok(if epoch.loss < 1e-4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    /// })?;
    /// assert_eq!(middle.len(), training.summary().history.len());
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`run`](Self::run), and the error that `watch` returns.
    pub fn run_epochs(
        &mut self,
        mut watch: impl FnMut(&mut Self, &Epoch) -> Result<ControlFlow<()>>,
    ) -> Result<Ending> {
        while let Some(epoch) = self.epoch()? {
            let ended = self.summary.ending;
            if watch(self, &epoch)?.is_break() {
                self.summary.ending = Ending::Stopped;
                return Ok(Ending::Stopped);
            }
            if ended != Ending::Stopped {
                return Ok(ended);
            }
        }
        Ok(self.summary.ending)
    }

    /// Blocking form of [`predict_async`](Self::predict_async), for the network as it is after the last step,
    /// not that of the best epoch.
    ///
    /// # Errors
    /// As [`predict_async`](Self::predict_async).
    pub fn predict(&mut self, inputs: &[f32]) -> Result<Vec<f32>> {
        block_on(self.predict_async(inputs))
    }

    /// Blocking form of [`evaluate_async`](Self::evaluate_async), for the network as it is after the last
    /// step, not that of the best epoch.
    ///
    /// # Errors
    /// As [`evaluate_async`](Self::evaluate_async).
    pub fn evaluate(&mut self, dataset: &Dataset) -> Result<f64> {
        block_on(self.evaluate_async(dataset))
    }

    /// Blocking form of [`metrics_async`](Self::metrics_async), for the network as it is after the last step,
    /// not that of the best epoch.
    ///
    /// # Errors
    /// As [`metrics_async`](Self::metrics_async).
    pub fn metrics(&mut self, dataset: &Dataset, metrics: &[Metric]) -> Result<Metrics> {
        block_on(self.metrics_async(dataset, metrics))
    }

    /// Blocking form of [`parameters_async`](Self::parameters_async).
    ///
    /// # Errors
    /// A device that failed.
    pub fn parameters(&mut self) -> Result<Vec<f64>> {
        block_on(self.parameters_async())
    }

    /// Blocking form of [`network_async`](Self::network_async).
    ///
    /// # Errors
    /// A device that failed.
    pub fn network(&mut self) -> Result<Network> {
        block_on(self.network_async())
    }

    /// Blocking form of [`state_async`](Self::state_async).
    ///
    /// # Errors
    /// As [`state_async`](Self::state_async).
    pub fn state(&mut self) -> Result<TrainingState> {
        block_on(self.state_async())
    }

    /// Blocking form of [`resume_async`](Self::resume_async).
    ///
    /// # Errors
    /// As [`resume_async`](Self::resume_async).
    pub fn resume(
        engine: impl Into<Engine>,
        data: impl Into<TrainingData>,
        state: &TrainingState,
    ) -> Result<Self> {
        block_on(Self::resume_async(engine, data, state))
    }

    /// Blocking form of [`restart_async`](Self::restart_async).
    ///
    /// ```
    /// use impasto::reference::ReferenceEngine;
    /// use impasto::{Activation, Dataset, Network, Trainer, cpu::CpuEngine};
    ///
    /// let samples = Dataset::from_rows(&[[0.0], [1.0]], &[[1.0], [0.0]])?;
    /// let network = Network::builder(1).output(1, Activation::Identity).build()?;
    /// let mut training = Trainer::default().begin(CpuEngine::new(None)?, &network, &samples)?;
    /// training.step(10)?;
    /// let state = training.state()?;
    /// training.step(10)?;
    /// // As if the first engine were lost.
    /// training.restart(ReferenceEngine::new(), &state)?;
    /// assert_eq!((training.summary().steps, &training.network()?), (10, state.network()));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`restart_async`](Self::restart_async).
    pub fn restart(&mut self, engine: impl Into<Engine>, state: &TrainingState) -> Result<()> {
        block_on(self.restart_async(engine, state))
    }
}
