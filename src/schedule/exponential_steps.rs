//! Exponential decay by step.

use super::Formula;
use super::step::FACTOR;
use crate::family::{About, Parameter, Range};

/// Multiplies the rate by `factor` after `start` steps and then after every further `interval` steps,
/// up to `end` steps; tiny-cuda-nn's `ExponentialDecay`.
#[derive(Clone, Copy, Debug)]
pub struct ExponentialSteps {
    /// The factor of the rate, in (0, 1]; 0.1 by default.
    pub factor: f64,
    /// Steps before the first reduction; 10,000 by default.
    pub start: u64,
    /// Steps after which there is none any more; 10,000,000 by default.
    pub end: u64,
    /// Steps between two reductions, at least 1; 10,000 by default.
    pub interval: u64,
}

impl Formula for ExponentialSteps {
    const DEFAULT: Self = Self { factor: 0.1, start: 10_000, end: 10_000_000, interval: 10_000 };
    const ABOUT: About = About {
        formula: "rate · factor^k, k = 1 + ⌊(min(step − 1, end) − start)/interval⌋; \
                  k = 0 up to step `start`",
        source: "Müller 2021, tiny-cuda-nn's ExponentialDecay",
        pytorch: "",
        parameters: &[
            FACTOR,
            Parameter {
                name: "start",
                meaning: "steps before the first reduction",
                range: Range::NotNegative,
            },
            Parameter {
                name: "end",
                meaning: "steps after which there is none any more",
                range: Range::NotNegative,
            },
            Parameter {
                name: "interval",
                meaning: "steps between two reductions",
                range: Range::Positive,
            },
        ],
    };

    fn multiplier(self, step: u64, _: u64, _: u64) -> f64 {
        let Self { factor, start, end, interval } = self;
        let times = match (step - 1).min(end).checked_sub(start) {
            Some(since) => since / interval.max(1) + 1,
            None => 0,
        };
        factor.powf(times as f64)
    }
}
