//! Step decay by epoch.

use super::Formula;
use crate::family::{About, Parameter, Range};

/// `rate · factor^⌊(epoch − 1)/every⌋`.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Epochs between two reductions, at least 1; 50 by default.
    pub every: usize,
    /// The factor of the rate, in (0, 1]; 0.5 by default.
    pub factor: f64,
}

/// A parameter that several schedules have.
pub(super) const FACTOR: Parameter =
    Parameter { name: "factor", meaning: "what the rate is multiplied by", range: Range::Share };

impl Formula for Step {
    const DEFAULT: Self = Self { every: 50, factor: 0.5 };
    const ABOUT: About = About {
        formula: "rate · factor^⌊(epoch − 1)/every⌋",
        source: "Krizhevsky, Sutskever & Hinton 2012, section 5",
        pytorch: "torch.optim.lr_scheduler.StepLR",
        parameters: &[
            Parameter {
                name: "every",
                meaning: "epochs between two reductions",
                range: Range::Positive,
            },
            FACTOR,
        ],
    };

    fn multiplier(self, _: u64, _: u64, epoch: u64) -> f64 {
        let times = (epoch - 1) / self.every.max(1) as u64;
        self.factor.powf(times as f64)
    }
}
