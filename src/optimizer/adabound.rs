//! AdaBound.

use super::adam::{BETA1, BETA2, EPSILON, single};
use super::{Constants, Formula, State, constants};
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// AdaBound: Adam with two bounds of the rate of each parameter. Luo et al. 2019, algorithm 2, as in their
/// program.
///
/// The bounds approach `final_rate`, from 0 up and from infinity down. They do not depend on the learning
/// rate, nor on its schedule.
#[derive(Clone, Copy, Debug)]
pub struct AdaBound {
    /// Decay of the first moment, in [0, 1); 0.9 by default.
    pub beta1: f64,
    /// Decay of the second moment, in [0, 1); 0.999 by default.
    pub beta2: f64,
    /// Added to the root of the second moment, above 0; 1e-8 by default.
    pub epsilon: f64,
    /// The rate that all parameters end with, above 0; 0.1 by default.
    pub final_rate: f64,
    /// How fast the bounds approach it, above 0; 0.001 by default.
    pub gamma: f64,
}

impl Formula for AdaBound {
    const DEFAULT: Self =
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, final_rate: 0.1, gamma: 0.001 };
    const ABOUT: About = About {
        formula: "m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², \
                  w ← w − clamp(rate·√(1 − β₂ᵗ)/(1 − β₁ᵗ) / (√v + ε), low, high) · m, \
                  low = final_rate·(1 − 1/(γt + 1)), high = final_rate·(1 + 1/(γt))",
        source: "Luo et al. 2019, algorithm 2, as in their program",
        pytorch: "",
        parameters: &[
            BETA1,
            BETA2,
            EPSILON,
            Parameter {
                name: "final_rate",
                meaning: "the rate that all parameters end with",
                range: Range::Positive,
            },
            Parameter {
                name: "gamma",
                meaning: "how fast the bounds approach it",
                range: Range::Positive,
            },
        ],
    };
    const STATES: usize = 2;
    const CONSTANTS: &'static [&'static str] = &[
        "step_size",
        "beta1",
        "one_minus_beta1",
        "beta2",
        "one_minus_beta2",
        "epsilon",
        "low",
        "high",
    ];
    const WGSL: &'static str = include_str!("../../shaders/optimizers/adabound.wgsl");

    /// `step_size = rate·√(1 − β₂ᵗ)/(1 − β₁ᵗ)`, and the bounds `low` and `high`.
    fn constants(self, rate: f64, t: u64) -> Constants<f64> {
        let Self { beta1, beta2, epsilon, final_rate, gamma } = self;
        let t = t as f64;
        let high = final_rate * (1.0 + 1.0 / (gamma * t));
        constants([
            rate * (1.0 - beta2.powf(t)).sqrt() / (1.0 - beta1.powf(t)),
            beta1,
            1.0 - beta1,
            beta2,
            1.0 - beta2,
            single(epsilon),
            final_rate * (1.0 - 1.0 / (gamma * t + 1.0)),
            // A number in f32 too.
            high.min(f32::MAX.into()),
        ])
    }

    #[inline(always)]
    fn update<N: Number>(c: &Constants<N>, g: N, w: N, [first, second, _]: &mut State<N>) -> N {
        let [step_size, beta1, one_minus_beta1, beta2, one_minus_beta2, epsilon, low, high, ..] =
            *c;
        let m = beta1.times_plus(*first, one_minus_beta1 * g).flushed();
        let v = beta2.times_plus(*second, one_minus_beta2 * g * g).flushed();
        (*first, *second) = (m, v);
        let rate = step_size.over(v.root() + epsilon);
        w - rate.at_least(low).at_most(high) * m
    }
}
