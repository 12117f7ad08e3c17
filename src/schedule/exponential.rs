//! Exponential decay by epoch.

use super::Formula;
use super::step::FACTOR;
use crate::family::About;

/// `rate · factor^(epoch − 1)`.
#[derive(Clone, Copy, Debug)]
pub struct Exponential {
    /// The factor of the rate after each epoch, in (0, 1]; 0.99 by default.
    pub factor: f64,
}

impl Formula for Exponential {
    const DEFAULT: Self = Self { factor: 0.99 };
    const ABOUT: About = About {
        formula: "rate · factor^(epoch − 1)",
        source: "Senior et al. 2013",
        pytorch: "torch.optim.lr_scheduler.ExponentialLR",
        parameters: &[FACTOR],
    };

    fn multiplier(self, _: u64, _: u64, epoch: u64) -> f64 {
        self.factor.powf((epoch - 1) as f64)
    }
}
