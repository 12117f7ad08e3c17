//! `Summary`, `Epoch` and `Ending`: the report of a training run.

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
    /// The loss on the held-out samples after it.
    #[serde(with = "any_number")]
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

/// Sums over the steps of the epoch that is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct OpenEpoch {
    pub(crate) loss: f64,
    pub(crate) samples: usize,
    pub(crate) seconds: f64,
    pub(crate) learning_rate: f64,
}

/// JSON has no infinity and no NaN: they are written as text.
mod any_number {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Written {
        Finite(f64),
        Text(String),
    }

    #[allow(clippy::ref_option, reason = "the signature that serde calls")]
    pub(super) fn serialize<S: Serializer>(
        number: &Option<f64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let written = number.map(|number| {
            if number.is_finite() {
                Written::Finite(number)
            } else {
                Written::Text(number.to_string())
            }
        });
        written.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<f64>, D::Error> {
        let written: Option<Written> = Option::deserialize(deserializer)?;
        let number = |written| match written {
            Written::Finite(number) => Ok(number),
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
        };
        written.map(number).transpose()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_held_out_loss_survives_json() {
        let epoch = Epoch {
            number: 1,
            loss: 0.1,
            held_out_loss: None,
            learning_rate: 0.1 + 0.2,
            seconds: 1.0 / 3.0,
        };
        for loss in [None, Some(0.3), Some(f64::INFINITY), Some(f64::NEG_INFINITY)] {
            let epoch = Epoch { held_out_loss: loss, ..epoch };
            let text = serde_json::to_string(&epoch).expect("plain data");
            assert_eq!(serde_json::from_str::<Epoch>(&text).expect("as it was written"), epoch);
        }
        let epoch = Epoch { held_out_loss: Some(f64::NAN), ..epoch };
        let text = serde_json::to_string(&epoch).expect("plain data");
        let read: Epoch = serde_json::from_str(&text).expect("as it was written");
        assert!(read.held_out_loss.is_some_and(f64::is_nan));
    }
}
