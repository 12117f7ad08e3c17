//! Cosine decay.

use super::Formula;
use crate::family::About;

/// `rate · ½(1 + cos(π·(step − 1)/steps))`, step by step, from the base rate to almost 0. Loshchilov &
/// Hutter 2017, eq. 5, without restarts.
#[derive(Clone, Copy, Debug)]
pub struct Cosine;

impl Formula for Cosine {
    const DEFAULT: Self = Self;
    const ABOUT: About = About {
        formula: "rate · ½(1 + cos(π·(step − 1)/steps))",
        source: "Loshchilov & Hutter 2017, eq. 5",
        pytorch: "torch.optim.lr_scheduler.CosineAnnealingLR",
        parameters: &[],
    };

    fn multiplier(self, step: u64, steps: u64, _: u64) -> f64 {
        0.5 * (1.0 + (std::f64::consts::PI * ((step - 1) as f64 / steps as f64)).cos())
    }
}
