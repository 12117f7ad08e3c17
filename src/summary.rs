//! What is reported of a training run.

use serde::{Deserialize, Serialize};

/// Why training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Ending {
    /// All epochs are done.
    Finished,
    /// The loss no longer fell.
    Converged,
    /// The watcher said stop.
    Stopped,
    /// The loss or an update was no longer finite; told by [`Error::Diverged`](crate::Error::Diverged).
    Diverged,
}

/// An epoch in the history of a training run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Epoch {
    /// Its number, from 1.
    pub number: u64,
    /// The mean (for a sum loss: the sum) of its steps' losses, each taken before its update.
    pub loss: f64,
    /// The loss on the held-out samples after it.
    pub held_out_loss: Option<f64>,
    /// The learning rate of its last step.
    pub learning_rate: f64,
    /// Seconds it took. Short epochs are timed together and share the time.
    pub seconds: f64,
}

impl Epoch {
    /// The loss that rules and schedules judge it by.
    pub(crate) fn judged_loss(&self) -> f64 {
        self.held_out_loss.unwrap_or(self.loss)
    }
}

/// What came of training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Summary {
    /// Why it ended.
    pub ending: Ending,
    /// Steps done.
    pub steps: u64,
    /// Samples that those steps took.
    pub samples: u64,
    /// Seconds from the first step to the last one finished.
    pub seconds: f64,
    /// Seconds of loading the device before.
    pub setup_seconds: f64,
    /// The epochs that were finished.
    pub history: Vec<Epoch>,
}
