//! `Summary`, `Epoch` and `Ending`: the report of a training run.

use crate::any_number;
use crate::metric::Metrics;
use serde::{Deserialize, Serialize};

/// Why training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Ending {
    /// All epochs are done, or as many steps as [`Trainer::steps`](crate::Trainer::steps).
    Finished,
    /// The loss no longer fell ([`EarlyStopping`](crate::EarlyStopping)).
    Converged,
    /// The loss reached [`Trainer::target_loss`](crate::Trainer::target_loss).
    TargetLoss,
    /// The time of [`Trainer::time_limit`](crate::Trainer::time_limit) is over.
    TimeLimit,
    /// A watcher or a [`StopHandle`](crate::StopHandle) stopped it, or it is not at its end yet.
    Stopped,
    /// The loss or an update was no longer finite: [`Error::Diverged`](crate::Error::Diverged).
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
    /// The loss of the validation samples after it, if there are any.
    #[serde(with = "any_number")]
    pub validation_loss: Option<f64>,
    /// The metrics after it.
    #[serde(default)]
    pub metrics: Metrics,
    /// The learning rate of its last step.
    pub learning_rate: f64,
    /// Seconds that it took. Short epochs are timed together and share the time.
    pub seconds: f64,
}

impl Epoch {
    /// The loss that rules and schedules judge it by.
    pub(crate) fn judged_loss(&self) -> f64 {
        self.validation_loss.unwrap_or(self.loss)
    }
}

/// Sums over the steps of the epoch that is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct OpenEpoch {
    pub(crate) loss: f64,
    pub(crate) samples: usize,
    pub(crate) seconds: f64,
    pub(crate) learning_rate: f64,
}

/// The result of a training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Summary {
    /// Why it ended.
    pub ending: Ending,
    /// Steps done.
    pub steps: u64,
    /// Samples in those steps, each counted as often as it was taken.
    pub samples: u64,
    /// Seconds from the first step to the last one finished.
    pub seconds: f64,
    /// Seconds that loading the network and the samples into the engine took before.
    pub setup_seconds: f64,
    /// The epochs that were finished.
    pub history: Vec<Epoch>,
    /// The number of the epoch, from 1, whose parameters are the result, if early stopping validated.
    /// Otherwise the result is the parameters after the last step.
    #[serde(default)]
    pub best_epoch: Option<u64>,
    /// What may be wrong with the samples, a line each: inputs that are far from unit scale, which a
    /// [`Standardizer`](crate::Standardizer) scales. Known from the start of the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_validation_loss_survives_json() {
        let epoch = Epoch {
            number: 1,
            loss: 0.1,
            validation_loss: None,
            metrics: Metrics::default(),
            learning_rate: 0.1 + 0.2,
            seconds: 1.0 / 3.0,
        };
        for loss in [None, Some(0.3), Some(f64::INFINITY), Some(f64::NEG_INFINITY)] {
            let epoch = Epoch { validation_loss: loss, ..epoch };
            let text = serde_json::to_string(&epoch).expect("plain data");
            assert_eq!(serde_json::from_str::<Epoch>(&text).expect("as it was written"), epoch);
        }
        let epoch = Epoch { validation_loss: Some(f64::NAN), ..epoch };
        let text = serde_json::to_string(&epoch).expect("plain data");
        let read: Epoch = serde_json::from_str(&text).expect("as it was written");
        assert!(read.validation_loss.is_some_and(f64::is_nan));
    }
}
