//! AMSGrad.

use super::adam::{Adam, BETA1, BETA2, EPSILON};
use super::{Constants, Formula, State};
use crate::family::About;
use crate::number::Number;

/// AMSGrad, Adam that divides by the largest second moment so far. Reddi, Kale & Kumar 2018,
/// algorithm 2, with Adam's corrections as in PyTorch.
#[derive(Clone, Copy, Debug)]
pub struct AmsGrad {
    /// Decay of the first moment, in [0, 1); 0.9 by default.
    pub beta1: f64,
    /// Decay of the second moment, in [0, 1); 0.999 by default.
    pub beta2: f64,
    /// Added to the root of the second moment, above 0; 1e-8 by default.
    pub epsilon: f64,
}

impl Formula for AmsGrad {
    const DEFAULT: Self = Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    const ABOUT: About = About {
        formula: "m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², x ← max(x, v), \
                  w ← w − rate/(1 − β₁ᵗ) · m / (√(x/(1 − β₂ᵗ)) + ε)",
        source: "Reddi, Kale & Kumar 2018, algorithm 2, with Adam's corrections",
        pytorch: "torch.optim.Adam(amsgrad=True)",
        parameters: &[BETA1, BETA2, EPSILON],
    };
    const STATES: usize = 3;
    const CONSTANTS: &'static [&'static str] = &[
        "step_size",
        "beta1",
        "one_minus_beta1",
        "beta2",
        "one_minus_beta2",
        "correction",
        "epsilon",
    ];
    const WGSL: &'static str = include_str!("../../shaders/optimizers/amsgrad.wgsl");

    /// Those of [`Adam`].
    fn constants(self, rate: f64, t: u64) -> Constants<f64> {
        let Self { beta1, beta2, epsilon } = self;
        Adam { beta1, beta2, epsilon }.constants(rate, t)
    }

    #[inline(always)]
    fn update<N: Number>(
        c: &Constants<N>,
        g: N,
        w: N,
        [first, second, largest]: &mut State<N>,
    ) -> N {
        let [step_size, beta1, one_minus_beta1, beta2, one_minus_beta2, correction, epsilon, ..] =
            *c;
        let m = beta1.times_plus(*first, one_minus_beta1 * g).flushed();
        let v = beta2.times_plus(*second, one_minus_beta2 * g * g).flushed();
        let x = v.at_least(*largest);
        (*first, *second, *largest) = (m, v, x);
        w - step_size * m.over(correction.times_plus(x.root(), epsilon))
    }
}
