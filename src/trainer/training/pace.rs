//! Training by the step, by the epoch, or until a stop handle is used.

use super::Training;
use crate::error::Result;
use crate::summary::Epoch;
use crate::trainer::Event;
use crate::trainer::stop::StopHandle;
use std::ops::ControlFlow;

impl Training {
    /// A handle that stops this run.
    ///
    /// ```
    /// use impasto::cpu::CpuEngine;
    /// use impasto::{Activation, Dataset, Ending, Network, Trainer};
    /// use std::ops::ControlFlow;
    ///
    /// let samples = Dataset::from_rows(&[[0.0], [1.0]], &[[1.0], [0.0]])?;
    /// let network = Network::builder(1).output(1, Activation::Identity).build()?;
    /// let trainer = Trainer { epochs: 1_000_000_000, ..Trainer::default() };
    /// let mut training = trainer.begin(CpuEngine::new(None)?, &network, &samples)?;
    /// let handle = training.stop_handle();
    /// let thread = std::thread::spawn(move || training.run(|_| ControlFlow::Continue(())));
    /// handle.stop();
    /// assert_eq!(thread.join().expect("no panic")?, Ending::Stopped);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    /// Takes exactly `count` steps, or those that are left, without events. Returns the loss of the last
    /// of them before its update; `None` if no step was left. A [`StopHandle`] or a stopping rule can end it
    /// before.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn step_async(&mut self, count: u64) -> Result<Option<f64>> {
        let before = self.summary.steps;
        self.run_until(before.saturating_add(count), |_| ControlFlow::Continue(())).await?;
        Ok((self.summary.steps > before).then_some(self.last_loss))
    }

    /// Trains to the end of the current epoch, without events. Returns that epoch; `None` if no step was
    /// left, or if a [`StopHandle`] ended it before.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn epoch_async(&mut self) -> Result<Option<Epoch>> {
        let done = self.summary.history.len();
        let each = self.timetable.steps_per_epoch;
        let until = (self.summary.steps / each).saturating_add(1).saturating_mul(each);
        self.run_until(until, |_: &Event| ControlFlow::Continue(())).await?;
        Ok(self.summary.history.get(done).copied())
    }
}
