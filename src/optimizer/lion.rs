//! Lion.

use super::{Constants, Formula, State, constants};
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// Lion: `w ← w − rate·(sign(β₁m + (1 − β₁)g) + decay·w)`, then `m ← β₂m + (1 − β₂)g`; the sign of 0
/// is 0. Chen et al. 2023, algorithm 2.
///
/// Every parameter moves by the learning rate in each update, so that it takes a rate some ten times
/// smaller than Adam's.
#[derive(Clone, Copy, Debug)]
pub struct Lion {
    /// The share of the mean in what the sign is taken of, in [0, 1); 0.9 by default.
    pub beta1: f64,
    /// Decay of the mean gradient, in [0, 1); 0.99 by default.
    pub beta2: f64,
    /// Weight decay, 0 or more; 0 by default.
    pub weight_decay: f64,
}

impl Formula for Lion {
    const DEFAULT: Self = Self { beta1: 0.9, beta2: 0.99, weight_decay: 0.0 };
    const ABOUT: About = About {
        formula: "w ← w − rate·(sign(β₁m + (1 − β₁)g) + decay·w), m ← β₂m + (1 − β₂)g",
        source: "Chen et al. 2023, algorithm 2",
        pytorch: "",
        parameters: &[
            Parameter {
                name: "beta1",
                meaning: "the share of the mean in what the sign is taken of",
                range: Range::Fraction,
            },
            Parameter {
                name: "beta2",
                meaning: "decay of the mean gradient",
                range: Range::Fraction,
            },
            Parameter {
                name: "weight_decay",
                meaning: "what a parameter loses in a step, times the rate",
                range: Range::NotNegative,
            },
        ],
    };
    const STATES: usize = 1;
    const CONSTANTS: &'static [&'static str] =
        &["rate", "beta1", "one_minus_beta1", "beta2", "one_minus_beta2", "keep"];
    const WGSL: &'static str = include_str!("../../shaders/optimizers/lion.wgsl");

    /// `keep` is `1 − rate·decay`.
    fn constants(self, rate: f64, _: u64) -> Constants<f64> {
        let Self { beta1, beta2, weight_decay } = self;
        constants([rate, beta1, 1.0 - beta1, beta2, 1.0 - beta2, 1.0 - rate * weight_decay])
    }

    #[inline(always)]
    fn update<N: Number>(c: &Constants<N>, g: N, w: N, [mean, ..]: &mut State<N>) -> N {
        let [rate, beta1, one_minus_beta1, beta2, one_minus_beta2, keep, ..] = *c;
        let blend = beta1.times_plus(*mean, one_minus_beta1 * g);
        *mean = beta2.times_plus(*mean, one_minus_beta2 * g).flushed();
        keep * w - rate * blend.sign()
    }
}
