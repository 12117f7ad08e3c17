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
    /// How many epochs were finished.
    #[serde(default)]
    pub epochs: u64,
    /// The epochs that were finished: all of them up to 10,000. Of more, these are the first, the last and every
    /// second; of more than twice as many every fourth, and so on.
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

/// The most epochs in a history.
const MOST_KEPT: u64 = 10_000;

/// The epochs in the history of a run of so many: the first, the last, and each whose number is a multiple of this
/// power of two.
fn stride(epochs: u64) -> u64 {
    let fits =
        |stride: &u64| epochs <= MOST_KEPT || epochs / stride + 2 <= MOST_KEPT && *stride > 1;
    (0..u64::BITS).map(|power| 1 << power).find(fits).unwrap_or(1 << 63)
}

impl Summary {
    /// Adds an epoch to the history, which stays bounded.
    pub(crate) fn push(&mut self, epoch: Epoch) {
        self.epochs += 1;
        let (before, now) = (stride(self.epochs - 1), stride(self.epochs));
        if before != now {
            self.thin();
        } else if self.history.last().is_some_and(|last| last.number > 1 && last.number % now != 0)
        {
            self.history.pop();
        }
        self.history.push(epoch);
    }

    /// Leaves out the epochs that a history of this length does not contain.
    pub(crate) fn thin(&mut self) {
        let (stride, last) = (stride(self.epochs), self.epochs);
        let kept = |number: u64| number == 1 || number == last || number.is_multiple_of(stride);
        self.history.retain(|epoch| kept(epoch.number));
    }

    /// Whether the history has the epochs that it contains after so many, in their order.
    pub(crate) fn is_after(&self, epochs: u64) -> bool {
        let stride = stride(epochs);
        let multiples = (1..=epochs / stride).map(|place| place * stride);
        let first = (epochs > 0 && stride > 1).then_some(1);
        let last = (!epochs.is_multiple_of(stride) && epochs > 1).then_some(epochs);
        let numbers = first.into_iter().chain(multiples).chain(last);
        self.epochs == epochs && self.history.iter().map(|epoch| epoch.number).eq(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_has_at_most_ten_thousand_epochs() {
        let mut summary = Summary {
            ending: Ending::Stopped,
            steps: 0,
            samples: 0,
            seconds: 0.0,
            setup_seconds: 0.0,
            epochs: 0,
            history: Vec::new(),
            best_epoch: None,
            notes: Vec::new(),
        };
        assert!(summary.is_after(0) && !summary.is_after(1));
        for number in 1..=100_000_u64 {
            summary.push(Epoch {
                number,
                loss: 1.0 / number as f64,
                validation_loss: None,
                metrics: Metrics::default(),
                learning_rate: 0.1,
                seconds: 0.0,
            });
            let kept = summary.history.len() as u64;
            assert!(
                kept <= MOST_KEPT && (kept == number || kept >= MOST_KEPT / 2),
                "{number}: {kept}"
            );
            if number % 997 == 0 || kept + 1 >= MOST_KEPT || number < 5 {
                assert!(summary.is_after(number), "{number}");
                assert!(!summary.is_after(number - 1) && !summary.is_after(number + 1));
            }
            if number == MOST_KEPT {
                assert_eq!(kept, number, "nothing is left out yet");
            }
        }
        let numbers: Vec<u64> = summary.history.iter().map(|epoch| epoch.number).collect();
        assert_eq!(numbers[..3], [1, 16, 32]);
        assert_eq!(numbers.last(), Some(&100_000));
        assert_eq!(stride(u64::MAX / 2).count_ones(), 1);
    }

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
