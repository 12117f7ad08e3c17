//! Adam.

use super::{Constants, Formula, State, constants};
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// Adam, Kingma & Ba 2015, algorithm 1.
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    /// Decay of the first moment, in [0, 1); 0.9 by default.
    pub beta1: f64,
    /// Decay of the second moment, in [0, 1); 0.999 by default.
    pub beta2: f64,
    /// Added to the root of the second moment, above 0; 1e-8 by default.
    pub epsilon: f64,
}

/// The parameters that the family of Adam shares.
pub(super) const BETA1: Parameter =
    Parameter { name: "beta1", meaning: "decay of the first moment", range: Range::Fraction };
pub(super) const BETA2: Parameter =
    Parameter { name: "beta2", meaning: "decay of the second moment", range: Range::Fraction };
pub(super) const EPSILON: Parameter = Parameter {
    name: "epsilon",
    meaning: "added to the root of the second moment",
    range: Range::Positive,
};

/// An ε whose reciprocal is a normal f32, as is the reciprocal of a number a little larger.
pub(super) fn single(epsilon: f64) -> f64 {
    epsilon.clamp(f32::MIN_POSITIVE.into(), f64::from(2_f32.powi(125)))
}

impl Formula for Adam {
    const DEFAULT: Self = Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    const ABOUT: About = About {
        formula: "m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², \
                  w ← w − rate/(1 − β₁ᵗ) · m / (√(v/(1 − β₂ᵗ)) + ε)",
        source: "Kingma & Ba 2015, algorithm 1",
        pytorch: "torch.optim.Adam",
        parameters: &[BETA1, BETA2, EPSILON],
    };
    const STATES: usize = 2;
    const CONSTANTS: &'static [&'static str] = &[
        "step_size",
        "beta1",
        "one_minus_beta1",
        "beta2",
        "one_minus_beta2",
        "correction",
        "epsilon",
        "keep",
    ];
    const WGSL: &'static str = include_str!("../../shaders/optimizers/adam.wgsl");

    /// `step_size = rate/(1 − β₁ᵗ)`, `correction = 1/√(1 − β₂ᵗ)`, and `keep`, which is
    /// `1 − rate·decay` for [`AdamW`](super::adamw::AdamW).
    fn constants(self, rate: f64, t: u64) -> Constants<f64> {
        let Self { beta1, beta2, epsilon } = self;
        constants([
            rate / (1.0 - beta1.powf(t as f64)),
            beta1,
            1.0 - beta1,
            beta2,
            1.0 - beta2,
            1.0 / (1.0 - beta2.powf(t as f64)).sqrt(),
            single(epsilon),
            1.0,
        ])
    }

    #[inline(always)]
    fn update<N: Number>(c: &Constants<N>, g: N, w: N, [first, second, _]: &mut State<N>) -> N {
        let [
            step_size,
            beta1,
            one_minus_beta1,
            beta2,
            one_minus_beta2,
            correction,
            epsilon,
            keep,
            ..,
        ] = *c;
        let m = beta1.times_plus(*first, one_minus_beta1 * g).flushed();
        let v = beta2.times_plus(*second, one_minus_beta2 * g * g).flushed();
        (*first, *second) = (m, v);
        keep * w - step_size * m.over(correction.times_plus(v.root(), epsilon))
    }
}
