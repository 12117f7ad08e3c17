//! Learning-rate schedules.

use crate::error::{Result, invalid};
use serde::{Deserialize, Serialize};

/// How the learning rate falls as training goes on. Steps and epochs are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// `rate`.
    Constant,
    /// `rate · ½(1 + cos(π·(step − 1)/steps))`, step by step. Loshchilov & Hutter 2017, eq. 5,
    /// without restarts.
    Cosine,
    /// `rate · factor^⌊(epoch − 1)/every⌋`: PyTorch's `StepLR`.
    Step {
        /// Epochs between two reductions, at least 1.
        every: usize,
        /// What the rate is multiplied by, in (0, 1].
        factor: f64,
    },
    /// `rate / step^power`: scikit-learn's `invscaling`, counted in steps.
    InverseScaling {
        /// The exponent, 0 or more; scikit-learn's default is 0.5.
        power: f64,
    },
    /// Multiplies the rate by `factor` when the epoch's loss has not fallen by more than the
    /// fraction `threshold` for more than `patience` epochs: PyTorch's `ReduceLROnPlateau`.
    ReduceOnPlateau {
        /// What the rate is multiplied by, in (0, 1].
        factor: f64,
        /// Epochs without improvement that are let pass.
        patience: usize,
        /// The relative improvement that counts.
        threshold: f64,
    },
}

impl Schedule {
    /// Each schedule with its defaults.
    pub const ALL: [Self; 5] = [
        Self::Constant,
        Self::Cosine,
        Self::Step { every: 50, factor: 0.5 },
        Self::InverseScaling { power: 0.5 },
        Self::ReduceOnPlateau { factor: 0.5, patience: 10, threshold: 1e-4 },
    ];

    /// The name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Cosine => "cosine",
            Self::Step { .. } => "step",
            Self::InverseScaling { .. } => "inverse",
            Self::ReduceOnPlateau { .. } => "plateau",
        }
    }

    /// The schedule of that [`name`](Self::name), with its defaults.
    ///
    /// # Errors
    /// An unknown name; the message lists those there are.
    pub fn from_name(name: &str) -> Result<Self> {
        match Self::ALL.into_iter().find(|s| s.name() == name) {
            Some(schedule) => Ok(schedule),
            None => invalid(format!(
                "there is no schedule '{name}': choose one of {}",
                Self::ALL.map(Self::name).join(", ")
            )),
        }
    }

    /// What the base rate is multiplied by at `step` of `steps`, in `epoch`. For
    /// [`ReduceOnPlateau`](Self::ReduceOnPlateau), which depends on the losses, see [`Plateau`].
    pub fn multiplier(self, step: u64, steps: u64, epoch: u64) -> f64 {
        match self {
            Self::Constant | Self::ReduceOnPlateau { .. } => 1.0,
            Self::Cosine => {
                let done = step.saturating_sub(1) as f64 / steps.max(1) as f64;
                0.5 * (1.0 + (std::f64::consts::PI * done).cos())
            }
            Self::Step { every, factor } => {
                let times = epoch.saturating_sub(1) / every.max(1) as u64;
                factor.powf(times as f64)
            }
            Self::InverseScaling { power } => (step.max(1) as f64).powf(-power),
        }
    }

    /// Whether the next rate depends on the losses so far.
    pub(crate) fn watches_loss(self) -> bool {
        matches!(self, Self::ReduceOnPlateau { .. })
    }

    /// Whether the constants make sense.
    pub(crate) fn check(self) -> Result<()> {
        if let Self::Step { factor, .. } | Self::ReduceOnPlateau { factor, .. } = self
            && !(factor > 0.0 && factor <= 1.0)
        {
            return invalid(format!("the schedule's factor is {factor}: it must lie in (0, 1]"));
        }
        match self {
            Self::Step { every: 0, .. } => {
                invalid("a step schedule needs at least 1 epoch between two reductions")
            }
            Self::InverseScaling { power } => not_negative("the power of inverse scaling", power),
            Self::ReduceOnPlateau { threshold, .. } => {
                not_negative("the plateau's threshold", threshold)
            }
            _ => Ok(()),
        }
    }
}

impl std::str::FromStr for Schedule {
    type Err = crate::Error;
    fn from_str(name: &str) -> Result<Self> {
        Self::from_name(name)
    }
}

/// The memory of [`Schedule::ReduceOnPlateau`].
#[derive(Clone, Debug)]
pub struct Plateau {
    multiplier: f64,
    best: f64,
    waited: usize,
}

impl Default for Plateau {
    fn default() -> Self {
        Self { multiplier: 1.0, best: f64::INFINITY, waited: 0 }
    }
}

impl Plateau {
    /// Takes in an epoch's loss and gives the multiplier for the next epoch; 1 for ever under
    /// any other schedule.
    pub fn observe(&mut self, schedule: Schedule, loss: f64) -> f64 {
        if let Schedule::ReduceOnPlateau { factor, patience, threshold } = schedule {
            if loss < self.best * (1.0 - threshold) {
                self.best = loss;
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
}

/// An error unless `value` is a number of at least 0.
pub(crate) fn not_negative(name: &str, value: f64) -> Result<()> {
    if value.is_finite() && value >= 0.0 {
        Ok(())
    } else {
        invalid(format!("{name} is {value}: it must be a number of at least 0"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_follow_their_formulas() {
        assert_eq!(Schedule::Constant.multiplier(7, 10, 3), 1.0);
        assert_eq!(Schedule::Cosine.multiplier(1, 100, 1), 1.0);
        assert!((Schedule::Cosine.multiplier(51, 100, 1) - 0.5).abs() < 1e-15);
        let step = Schedule::Step { every: 3, factor: 0.1 };
        let rates: Vec<f64> = (1..=7).map(|epoch| step.multiplier(1, 1, epoch)).collect();
        assert_eq!(rates, [1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.1_f64.powf(2.0)]);
        assert_eq!(Schedule::InverseScaling { power: 0.5 }.multiplier(16, 100, 1), 0.25);
    }

    #[test]
    fn plateau_waits_then_halves() {
        let schedule = Schedule::ReduceOnPlateau { factor: 0.5, patience: 1, threshold: 0.1 };
        let mut plateau = Plateau::default();
        let losses = [1.0, 0.8, 0.79, 0.78, 0.5, 0.5, 0.5];
        let rates: Vec<f64> = losses.iter().map(|l| plateau.observe(schedule, *l)).collect();
        assert_eq!(rates, [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25]);
    }

    #[test]
    fn constants_out_of_range_are_refused() {
        assert!(Schedule::ALL.iter().all(|s| s.check().is_ok()));
        assert!(Schedule::Step { every: 0, factor: 0.5 }.check().is_err());
    }
}
