//! A moving average of the parameters.

use super::{Formula, Wrapper};
use crate::family::{About, Parameter, Range};
use serde::{Deserialize, Serialize};

/// A moving average of the parameters after each update, which is the result of the run.
///
/// Training continues with the parameters themselves. `average ← decay·average + (1 − decay)·w`, from the
/// parameters after the first update on. With `bias_correction` from 0 on, divided by `1 − decayᵗ`.
/// Ruppert 1988; Polyak & Juditsky 1992; Kingma & Ba 2015, section 7.2.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ema {
    /// The share of the average that is kept, in [0, 1); 0.999 by default.
    pub decay: f64,
    /// Whether the average starts as 0 and is corrected for that; off by default.
    pub bias_correction: bool,
}

impl Formula for Ema {
    const DEFAULT: Self = Self { decay: 0.999, bias_correction: false };
    const ABOUT: About = About {
        formula: "a ← decay·a + (1 − decay)·w after each update, a = w after the first; \
                  bias_correction: a starts as 0, the average is a / (1 − decayᵗ)",
        source: "Ruppert 1988; Polyak & Juditsky 1992; bias_correction: Kingma & Ba 2015, section 7.2",
        pytorch: "torch.optim.swa_utils.AveragedModel(multi_avg_fn=get_ema_multi_avg_fn(decay))",
        parameters: &[
            Parameter {
                name: "decay",
                meaning: "the share of the average that is kept",
                range: Range::Fraction,
            },
            Parameter {
                name: "bias_correction",
                meaning: "whether the average starts as 0 and is corrected for that",
                range: Range::Switch,
            },
        ],
    };
}

impl From<Ema> for Wrapper {
    fn from(Ema { decay, bias_correction }: Ema) -> Self {
        Self::Ema { decay, bias_correction }
    }
}

impl Ema {
    /// The share of the parameters after update `t` in the average. With bias correction it makes the
    /// average what the sum divided by `1 − decayᵗ` is.
    pub(crate) fn share(self, t: u64) -> f64 {
        let Self { decay, bias_correction } = self;
        match (t, bias_correction) {
            (1, _) => 1.0,
            (_, false) => 1.0 - decay,
            (_, true) => (1.0 - decay) / (1.0 - decay.powf(t as f64)),
        }
    }
}
