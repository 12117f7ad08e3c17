//! Novograd.

use super::adam::single;
use super::{Constants, Formula, State, constants};
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// Novograd, which divides a gradient by the norm of its segment: the weights of a layer, or its biases.
/// Ginsburg et al. 2019, algorithm 1.
#[derive(Clone, Copy, Debug)]
pub struct Novograd {
    /// Decay of the first moment, in [0, 1); 0.95 by default.
    pub beta1: f64,
    /// Decay of the squared norm, in [0, 1); 0.98 by default.
    pub beta2: f64,
    /// Added to the norm, above 0; 1e-8 by default.
    pub epsilon: f64,
    /// Weight decay, 0 or more; 0 by default.
    pub weight_decay: f64,
    /// Whether the gradient counts `1 − beta1` in the first moment, as in tiny-cuda-nn, instead of 1; off
    /// by default.
    pub averaging: bool,
}

impl Formula for Novograd {
    const DEFAULT: Self =
        Self { beta1: 0.95, beta2: 0.98, epsilon: 1e-8, weight_decay: 0.0, averaging: false };
    const ABOUT: About = About {
        formula: "v ← β₂v + (1 − β₂)‖g‖², m ← β₁m + c·(g / (√v + ε) + decay·w), w ← w − rate·m; \
                  ‖g‖ over the weights of a layer, or over its biases; c = 1, with averaging 1 − β₁; \
                  at the first update v = ‖g‖² and c = 1",
        source: "Ginsburg et al. 2019, algorithm 1; averaging: tiny-cuda-nn",
        pytorch: "",
        parameters: &[
            Parameter {
                name: "beta1",
                meaning: "decay of the first moment",
                range: Range::Fraction,
            },
            Parameter {
                name: "beta2",
                meaning: "decay of the squared norm",
                range: Range::Fraction,
            },
            Parameter { name: "epsilon", meaning: "added to the norm", range: Range::Positive },
            Parameter {
                name: "weight_decay",
                meaning: "the share of the parameter that is added to the scaled gradient",
                range: Range::NotNegative,
            },
            Parameter {
                name: "averaging",
                meaning: "whether the gradient counts 1 − beta1",
                range: Range::Switch,
            },
        ],
    };
    /// The squared norm's mean is that of the segment, for each of its parameters.
    const STATES: usize = 2;
    const CONSTANTS: &'static [&'static str] = &[
        "rate",
        "beta1",
        "share",
        "beta2",
        "one_minus_beta2",
        "epsilon",
        "weight_decay",
        "square",
    ];
    const SQUARE: Option<usize> = Some(7);
    const WGSL: &'static str = include_str!("../../shaders/optimizers/novograd.wgsl");

    /// `share` is what the gradient counts in the first moment. At the first update the decays are 0 and
    /// the shares 1.
    fn constants(self, rate: f64, t: u64) -> Constants<f64> {
        let Self { beta1, beta2, epsilon, weight_decay, averaging } = self;
        let [beta1, share, beta2] = match (t, averaging) {
            (1, _) => [0.0, 1.0, 0.0],
            (_, true) => [beta1, 1.0 - beta1, beta2],
            (_, false) => [beta1, 1.0, beta2],
        };
        constants([rate, beta1, share, beta2, 1.0 - beta2, single(epsilon), weight_decay, 0.0])
    }

    #[inline(always)]
    fn update<N: Number>(c: &Constants<N>, g: N, w: N, [first, second, _]: &mut State<N>) -> N {
        let [rate, beta1, share, beta2, one_minus_beta2, epsilon, weight_decay, square, ..] = *c;
        let v = beta2.times_plus(*second, one_minus_beta2 * square).flushed();
        let direction = weight_decay.times_plus(w, g.over(v.root() + epsilon));
        let m = beta1.times_plus(*first, share * direction).flushed();
        (*first, *second) = (m, v);
        w - rate * m
    }
}
