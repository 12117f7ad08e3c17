//! AdamW, Adam with decoupled weight decay.

use super::adam::{Adam, BETA1, BETA2, EPSILON};
use super::{Constants, Formula, State};
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// Adam with decoupled weight decay: `w ← w − rate·decay·w` too. Loshchilov & Hutter 2019,
/// algorithm 2.
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    /// Decay of the first moment, in [0, 1); 0.9 by default.
    pub beta1: f64,
    /// Decay of the second moment, in [0, 1); 0.999 by default.
    pub beta2: f64,
    /// Added to the root of the second moment, above 0; 1e-8 by default.
    pub epsilon: f64,
    /// Weight decay, 0 or more; 0.01 by default.
    pub weight_decay: f64,
}

impl Formula for AdamW {
    const DEFAULT: Self = Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 };
    const ABOUT: About = About {
        formula: "as adam, with w ← (1 − rate·decay)·w before the step",
        source: "Loshchilov & Hutter 2019, algorithm 2",
        pytorch: "torch.optim.AdamW",
        parameters: &[
            BETA1,
            BETA2,
            EPSILON,
            Parameter {
                name: "weight_decay",
                meaning: "what a parameter loses in a step, times the rate",
                range: Range::NotNegative,
            },
        ],
    };
    const STATES: usize = Adam::STATES;
    const CONSTANTS: &'static [&'static str] = Adam::CONSTANTS;
    const WGSL: &'static str = Adam::WGSL;

    fn constants(self, rate: f64, t: u64) -> Constants<f64> {
        let Self { beta1, beta2, epsilon, weight_decay } = self;
        let mut constants = Adam { beta1, beta2, epsilon }.constants(rate, t);
        constants[7] = 1.0 - rate * weight_decay;
        constants
    }

    #[inline(always)]
    fn update<N: Number>(c: &Constants<N>, g: N, w: N, state: &mut State<N>) -> N {
        Adam::update(c, g, w, state)
    }
}
