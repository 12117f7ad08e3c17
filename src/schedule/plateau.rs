//! A reduction of the rate when the loss stalls.

use super::step::FACTOR;
use super::{Formula, Schedule};
use crate::any_number;
use crate::family::{About, Parameter, Range};
use serde::{Deserialize, Serialize};

/// Multiplies the rate by `factor` when the epoch's loss has not fallen by more than the fraction
/// `threshold` for more than `patience` epochs.
#[derive(Clone, Copy, Debug)]
pub struct ReduceOnPlateau {
    /// The factor of the rate, in (0, 1]; 0.5 by default.
    pub factor: f64,
    /// Epochs without improvement that change nothing; 10 by default.
    pub patience: usize,
    /// The relative improvement that counts, 0 or more; 1e-4 by default.
    pub threshold: f64,
}

impl Formula for ReduceOnPlateau {
    const DEFAULT: Self = Self { factor: 0.5, patience: 10, threshold: 1e-4 };
    const ABOUT: About = About {
        formula: "rate · factor^k, k: how often no epoch's loss was below best·(1 − threshold) for \
                  more than `patience` epochs",
        source: "He et al. 2016, section 3.4",
        pytorch: "torch.optim.lr_scheduler.ReduceLROnPlateau",
        parameters: &[
            FACTOR,
            Parameter {
                name: "patience",
                meaning: "epochs without improvement that change nothing",
                range: Range::NotNegative,
            },
            Parameter {
                name: "threshold",
                meaning: "the relative improvement that counts",
                range: Range::NotNegative,
            },
        ],
    };

    /// 1: what the losses add is in [`Plateau`].
    fn multiplier(self, _: u64, _: u64, _: u64) -> f64 {
        1.0
    }
}

/// The memory of [`Schedule::ReduceOnPlateau`], for loops of training of the caller's. A
/// [`Trainer`](crate::Trainer) has its own.
///
/// ```
/// use impasto::{Plateau, Schedule};
///
/// let schedule = Schedule::ReduceOnPlateau { factor: 0.5, patience: 1, threshold: 1e-4 };
/// let mut plateau = Plateau::default();
/// let multipliers = [0.9, 0.8, 0.8, 0.8].map(|loss| plateau.observe(schedule, loss));
/// assert_eq!(multipliers, [1.0, 1.0, 1.0, 0.5]);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    multiplier: f64,
    /// The lowest loss; `None` before the first.
    #[serde(with = "any_number")]
    best: Option<f64>,
    waited: usize,
}

impl Default for Plateau {
    fn default() -> Self {
        Self { multiplier: 1.0, best: None, waited: 0 }
    }
}

impl Plateau {
    /// Takes in the loss of an epoch and returns the factor of the learning rate for the next epoch. It is
    /// always 1 with any other schedule.
    pub fn observe(&mut self, schedule: Schedule, loss: f64) -> f64 {
        if let Schedule::ReduceOnPlateau { factor, patience, threshold } = schedule {
            if loss < self.best.unwrap_or(f64::INFINITY) * (1.0 - threshold) {
                self.best = Some(loss);
                self.waited = 0;
            } else {
                self.waited += 1;
            }
            if self.waited > patience {
                self.multiplier *= factor;
                self.waited = 0;
            }
        }
        self.multiplier
    }

    /// The factor of the learning rate for the next epoch.
    pub(crate) fn multiplier(&self) -> f64 {
        self.multiplier
    }
}
