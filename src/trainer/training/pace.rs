//! Training by the step, by the epoch, or until a stop handle is used.

use super::Training;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::metric::measure::Measure;
use crate::metric::{Metric, Metrics};
use crate::stop::StopHandle;
use crate::summary::{Ending, Epoch};
use crate::trainer::Event;
use std::ops::ControlFlow;

impl Training {
    /// A handle that stops this run from elsewhere, such as another thread.
    ///
    /// ```
    /// use impasto::cpu::CpuEngine;
    /// use impasto::{Activation, Dataset, Ending, Network, Trainer};
    ///
    /// let samples = Dataset::from_rows(&[[0.0], [1.0]], &[[1.0], [0.0]])?;
    /// let network = Network::builder(1).output(1, Activation::Identity).build()?;
    /// let trainer = Trainer { epochs: 1_000_000_000, ..Trainer::default() };
    /// let mut training = trainer.begin(CpuEngine::new(None)?, &network, &samples)?;
    /// let handle = training.stop_handle();
    /// let thread = std::thread::spawn(move || training.run());
    /// handle.stop();
    /// assert_eq!(thread.join().expect("no panic")?, Ending::Stopped);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    /// Takes exactly `count` steps, or those that are left, without events. Returns the loss of the last
    /// of them before its update; `None` if no step was left. A [`StopHandle`] or a stopping rule can end it
    /// before. See [`step`](Self::step) for an example.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn step_async(&mut self, count: u64) -> Result<Option<f64>> {
        let before = self.summary.steps;
        self.run_until(before.saturating_add(count), |_| ControlFlow::Continue(())).await?;
        Ok((self.summary.steps > before).then_some(self.last_loss))
    }

    /// [`run_with_async`](Self::run_with_async) that pauses after the step of this number, from 1, if nothing ends
    /// the run before: the result is [`Ending::Stopped`] unless that step is the last. A number that the run has
    /// passed trains nothing. See [`run_to`](Self::run_to) for an example.
    ///
    /// # Errors
    /// As [`run_async`](Self::run_async).
    pub async fn run_to_async(
        &mut self,
        step: u64,
        watch: impl FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<Ending> {
        if step <= self.summary.steps && self.summary.steps < self.timetable.steps {
            return Ok(Ending::Stopped);
        }
        self.run_until(step, watch).await
    }

    /// Trains to the end of the current epoch, without events. Returns that epoch; `None` if no step was
    /// left, or if a [`StopHandle`] ended it before. See [`epoch`](Self::epoch) for an example.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn epoch_async(&mut self) -> Result<Option<Epoch>> {
        let done = self.summary.epochs;
        let each = self.timetable.steps_per_epoch;
        let until = (self.summary.steps / each).saturating_add(1).saturating_mul(each);
        self.run_until(until, |_: &Event| ControlFlow::Continue(())).await?;
        let ended = self.summary.epochs > done;
        Ok(self.summary.history.last().filter(|_| ended).copied())
    }

    /// The outputs of the network as it is after the last step, `[samples, outputs]`, for `inputs`,
    /// `[samples, inputs]`. The device computes them where it trains; nothing else is uploaded. See
    /// [`predict`](Self::predict) for an example.
    ///
    /// Where early stopping keeps the best epoch, [`network_async`](Self::network_async) returns the network
    /// of that epoch instead, as `fit` does.
    ///
    /// # Errors
    /// Inputs that are no whole samples, or a device that failed.
    pub async fn predict_async(&mut self, inputs: &[f32]) -> Result<Vec<f32>> {
        let inputs: Vec<f64> = inputs.iter().map(|input| f64::from(*input)).collect();
        self.catch_up().await?;
        let outputs = self.pipeline.predict(&inputs).await?;
        Ok(outputs.into_iter().map(|output| output as f32).collect())
    }

    /// The loss of the [trainer](crate::Trainer::loss) on `dataset`, for the network as it is after the last
    /// step, not that of the best epoch (see [`predict_async`](Self::predict_async)). See
    /// [`evaluate`](Self::evaluate) for an example.
    ///
    /// # Errors
    /// Samples that do not fit the network or the loss, or a device that failed.
    pub async fn evaluate_async(&mut self, dataset: &Dataset) -> Result<f64> {
        self.catch_up().await?;
        self.pipeline.evaluate_now(dataset, self.trainer.loss).await
    }

    /// The `metrics` of `dataset` for the network as it is after the last step, not that of the best epoch
    /// (see [`predict_async`](Self::predict_async)). See [`metrics`](Self::metrics) for an example.
    ///
    /// # Errors
    /// As [`evaluate_async`](Self::evaluate_async).
    pub async fn metrics_async(
        &mut self,
        dataset: &Dataset,
        metrics: &[Metric],
    ) -> Result<Metrics> {
        let output = self.network.output_layer().activation;
        let measure = Measure::new(metrics, self.trainer.loss, output, dataset);
        self.catch_up().await?;
        let mut values = Vec::new();
        for loss in measure.losses() {
            values.push((loss, self.pipeline.evaluate_now(dataset, loss).await?));
        }
        Ok(measure.metrics(&values))
    }
}
