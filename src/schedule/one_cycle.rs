//! The one-cycle policy.

use super::Formula;
use crate::family::{About, Parameter, Range};
use std::f64::consts::PI;

/// From `rate/div_factor` up to `rate` in the first part of all steps, then down to
/// `rate/(div_factor·final_div_factor)`, each along half a cosine.
///
/// Smith & Topin 2018, as PyTorch's `OneCycleLR` in two phases. The momentum stays as it is.
#[derive(Clone, Copy, Debug)]
pub struct OneCycle {
    /// The part of the steps in which the rate rises, in [0, 1]; 0.3 by default.
    pub pct_start: f64,
    /// The divisor of the rate at the first step, above 0; 25 by default.
    pub div_factor: f64,
    /// The divisor of that rate at the last step, above 0; 10,000 by default.
    pub final_div_factor: f64,
}

impl Formula for OneCycle {
    const DEFAULT: Self = Self { pct_start: 0.3, div_factor: 25.0, final_div_factor: 1e4 };
    const ABOUT: About = About {
        formula: "along half a cosine from rate/div_factor at the first step up to rate at step \
                  pct_start·steps, and down to rate/(div_factor·final_div_factor) at the last",
        source: "Smith & Topin 2018",
        pytorch: "torch.optim.lr_scheduler.OneCycleLR(cycle_momentum=False)",
        parameters: &[
            Parameter {
                name: "pct_start",
                meaning: "the part of the steps in which the rate rises",
                range: Range::Unit,
            },
            Parameter {
                name: "div_factor",
                meaning: "what the rate is divided by at the first step",
                range: Range::Positive,
            },
            Parameter {
                name: "final_div_factor",
                meaning: "what that is divided by at the last step",
                range: Range::Positive,
            },
        ],
    };

    fn multiplier(self, step: u64, steps: u64, _: u64) -> f64 {
        let (done, last) = ((step - 1) as f64, (steps - 1) as f64);
        let peak = self.pct_start * steps as f64 - 1.0;
        let first = 1.0 / self.div_factor;
        // From one number to another as `part` goes from 0 to 1.
        let along =
            |from: f64, to: f64, part: f64| to + (from - to) / 2.0 * ((PI * part).cos() + 1.0);
        if done < peak {
            along(first, 1.0, done / peak)
        } else if done == peak {
            1.0
        } else {
            along(1.0, first / self.final_div_factor, (done - peak) / (last - peak))
        }
    }
}
