//! RMSprop.

use super::adam::single;
use super::{Constants, Formula, State, constants};
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// RMSprop: `v ← αv + (1 − α)g²`, `w ← w − rate·g / (√v + ε)`. Tieleman & Hinton 2012, lecture 6.5.
#[derive(Clone, Copy, Debug)]
pub struct RmsProp {
    /// Decay of the mean square, in [0, 1); 0.99 by default.
    pub alpha: f64,
    /// Added to the root of the mean square, above 0; 1e-8 by default.
    pub epsilon: f64,
}

impl Formula for RmsProp {
    const DEFAULT: Self = Self { alpha: 0.99, epsilon: 1e-8 };
    const ABOUT: About = About {
        formula: "v ← αv + (1 − α)g², w ← w − rate·g / (√v + ε)",
        source: "Tieleman & Hinton 2012, lecture 6.5",
        pytorch: "torch.optim.RMSprop",
        parameters: &[
            Parameter {
                name: "alpha",
                meaning: "decay of the mean square",
                range: Range::Fraction,
            },
            Parameter {
                name: "epsilon",
                meaning: "added to the root of the mean square",
                range: Range::Positive,
            },
        ],
    };
    const STATES: usize = 1;
    const CONSTANTS: &'static [&'static str] = &["rate", "alpha", "one_minus_alpha", "epsilon"];
    const WGSL: &'static str = include_str!("../../shaders/optimizers/rmsprop.wgsl");

    fn constants(self, rate: f64, _: u64) -> Constants<f64> {
        constants([rate, self.alpha, 1.0 - self.alpha, single(self.epsilon)])
    }

    #[inline(always)]
    fn update<N: Number>(c: &Constants<N>, g: N, w: N, [square, ..]: &mut State<N>) -> N {
        let [rate, alpha, one_minus_alpha, epsilon, ..] = *c;
        let v = alpha.times_plus(*square, one_minus_alpha * g * g).flushed();
        *square = v;
        w - rate * g.over(v.root() + epsilon)
    }
}
