//! Optimizers and learning-rate schedules.
//!
//! An optimizer here is its constants; the update itself is
//! [`reference::sgd`](crate::reference::sgd) and [`reference::adam`](crate::reference::adam),
//! their twins in `shaders/`, and the same formulas in the CPU engine.

use crate::error::{Result, invalid};
use serde::{Deserialize, Serialize};

/// How a gradient becomes an update.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Optimizer {
    /// Stochastic gradient descent, as PyTorch's `SGD`:
    /// `v ← momentum·v + g`, `w ← w − rate·v` (Nesterov: `w ← w − rate·(g + momentum·v)`).
    Sgd {
        /// In [0, 1); 0 is plain gradient descent.
        momentum: f64,
        /// Nesterov's look-ahead; needs `momentum > 0`.
        nesterov: bool,
    },
    /// Adam, Kingma & Ba 2015, algorithm 1.
    Adam {
        /// Decay of the first moment, in [0, 1).
        beta1: f64,
        /// Decay of the second moment, in [0, 1).
        beta2: f64,
        /// Added to the root of the second moment.
        epsilon: f64,
    },
    /// Adam with decoupled weight decay, Loshchilov & Hutter 2019: `w ← w − rate·decay·w` too.
    AdamW {
        /// Decay of the first moment, in [0, 1).
        beta1: f64,
        /// Decay of the second moment, in [0, 1).
        beta2: f64,
        /// Added to the root of the second moment.
        epsilon: f64,
        /// Weight decay, 0 or more; PyTorch's default is 0.01.
        weight_decay: f64,
    },
}

impl Optimizer {
    /// Plain stochastic gradient descent.
    pub const SGD: Self = Self::Sgd { momentum: 0.0, nesterov: false };
    /// Adam with the paper's constants: 0.9, 0.999, 1e-8.
    pub const ADAM: Self = Self::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    /// AdamW with PyTorch's defaults: Adam's constants and a weight decay of 0.01.
    pub const ADAMW: Self =
        Self::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 };

    /// One of each kind, for whoever walks the table.
    pub const ALL: [Self; 5] = [
        Self::SGD,
        Self::Sgd { momentum: 0.9, nesterov: false },
        Self::Sgd { momentum: 0.9, nesterov: true },
        Self::ADAM,
        Self::ADAMW,
    ];

    /// The name used in messages and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sgd { .. } => "sgd",
            Self::Adam { .. } => "adam",
            Self::AdamW { .. } => "adamw",
        }
    }

    /// The constants of the update at one step (`step` from 1), in the order of the kernels.
    pub(crate) fn constants(self, l2: f64, learning_rate: f64, step: u64) -> UpdateConstants {
        match self {
            Self::Sgd { momentum, nesterov } => {
                UpdateConstants::Sgd { learning_rate, momentum, nesterov, l2 }
            }
            Self::Adam { beta1, beta2, epsilon } => {
                UpdateConstants::adam(learning_rate, beta1, beta2, epsilon, 0.0, l2, step)
            }
            Self::AdamW { beta1, beta2, epsilon, weight_decay } => {
                UpdateConstants::adam(learning_rate, beta1, beta2, epsilon, weight_decay, l2, step)
            }
        }
    }

    /// Whether the constants make sense.
    pub(crate) fn check(self) -> Result<()> {
        let fraction = |name: &str, value: f64| {
            if (0.0..1.0).contains(&value) {
                Ok(())
            } else {
                invalid(format!("{} of {} is {value}: it must lie in [0, 1)", name, self.name()))
            }
        };
        match self {
            Self::Sgd { momentum, nesterov } => {
                fraction("the momentum", momentum)?;
                if nesterov && momentum == 0.0 {
                    return invalid("Nesterov's method needs a momentum above 0");
                }
            }
            Self::Adam { beta1, beta2, epsilon } | Self::AdamW { beta1, beta2, epsilon, .. } => {
                fraction("beta1", beta1)?;
                fraction("beta2", beta2)?;
                if !(epsilon.is_finite() && epsilon > 0.0) {
                    return invalid(format!(
                        "epsilon of {} is {epsilon}: it must be above 0",
                        self.name()
                    ));
                }
            }
        }
        if let Self::AdamW { weight_decay, .. } = self {
            not_negative("the weight decay", weight_decay)?;
        }
        Ok(())
    }
}

/// What one update needs beside parameters, gradients and state. `l2` adds `l2·w` to the
/// gradient of every parameter, as PyTorch's `weight_decay` does for SGD and Adam.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum UpdateConstants {
    /// For [`sgd`](crate::reference::sgd).
    Sgd {
        /// Learning rate of this step.
        learning_rate: f64,
        /// Momentum.
        momentum: f64,
        /// Nesterov's look-ahead.
        nesterov: bool,
        /// L2 penalty.
        l2: f64,
    },
    /// For [`adam`](crate::reference::adam).
    Adam {
        /// Learning rate divided by `1 − beta1^step`.
        step_size: f64,
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// `1 / √(1 − beta2^step)`.
        correction: f64,
        /// Added to the root of the second moment.
        epsilon: f64,
        /// What every parameter is multiplied by first: `1 − rate·weight_decay`.
        keep: f64,
        /// L2 penalty.
        l2: f64,
    },
}

impl UpdateConstants {
    fn adam(
        rate: f64,
        beta1: f64,
        beta2: f64,
        epsilon: f64,
        decay: f64,
        l2: f64,
        step: u64,
    ) -> Self {
        Self::Adam {
            step_size: rate / (1.0 - beta1.powf(step as f64)),
            beta1,
            beta2,
            correction: 1.0 / (1.0 - beta2.powf(step as f64)).sqrt(),
            epsilon,
            keep: 1.0 - rate * decay,
            l2,
        }
    }
}

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
        for bad in [
            Optimizer::Sgd { momentum: 1.0, nesterov: false },
            Optimizer::Sgd { momentum: 0.0, nesterov: true },
            Optimizer::Adam { beta1: f64::NAN, beta2: 0.9, epsilon: 1e-8 },
            Optimizer::Adam { beta1: 0.9, beta2: 0.9, epsilon: 0.0 },
            Optimizer::AdamW { beta1: 0.9, beta2: 0.9, epsilon: 1e-8, weight_decay: -1.0 },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
        assert!(Optimizer::ALL.iter().all(|o| o.check().is_ok()));
        assert!(Schedule::ALL.iter().all(|s| s.check().is_ok()));
        assert!(Schedule::Step { every: 0, factor: 0.5 }.check().is_err());
    }
}
