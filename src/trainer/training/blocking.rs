//! The blocking forms of the functions of `Training`.

use super::Training;
use super::saved::TrainingState;
use crate::dataset::Dataset;
use crate::engine::Engine;
use crate::error::Result;
use crate::network::Network;
use crate::summary::{Ending, Epoch};
use crate::trainer::{Event, Trainer};
use pollster::block_on;
use std::ops::ControlFlow;

impl Trainer {
    /// Loads `network` and `dataset` into an engine, ready to train. [`fit`](Self::fit) is this with one
    /// [`run`](Training::run).
    ///
    /// ```
    /// use impasto::{Activation, Backend, Dataset, Network, Trainer};
    ///
    /// let samples = Dataset::from_rows(&[[0.0], [1.0]], &[[1.0], [0.0]])?;
    /// let network = Network::builder(1).hidden(&[8], Activation::Tanh);
    /// let network = network.output(1, Activation::Identity).build()?;
    /// let engine = impasto::open(Backend::Cpu, None)?;
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
        dataset: &Dataset,
    ) -> Result<Training> {
        block_on(self.begin_async(engine, network, dataset))
    }
}

impl Training {
    /// Blocking form of [`run_async`](Self::run_async).
    ///
    /// # Errors
    /// As [`run_async`](Self::run_async).
    pub fn run(&mut self, watch: impl FnMut(&Event) -> ControlFlow<()>) -> Result<Ending> {
        block_on(self.run_async(watch))
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
        dataset: &Dataset,
        state: &TrainingState,
    ) -> Result<Self> {
        block_on(Self::resume_async(engine, dataset, state))
    }

    /// Blocking form of [`restart_async`](Self::restart_async).
    ///
    /// # Errors
    /// As [`restart_async`](Self::restart_async).
    pub fn restart(&mut self, engine: impl Into<Engine>, state: &TrainingState) -> Result<()> {
        block_on(self.restart_async(engine, state))
    }
}
