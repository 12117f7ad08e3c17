//! RMSprop.

use super::adam::single;
use super::{Constants, Formula, State, constants};
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// RMSprop: `v ← αv + (1 − α)g²`, `b ← momentum·b + g / (√v + ε)`, `w ← w − rate·b`. Tieleman &
/// Hinton 2012, lecture 6.5.
///
/// If it is centered, `m ← αm + (1 − α)g`, and the variance `v − m²` replaces `v` under the root. Graves
/// 2013, eqs. 38 to 45.
#[derive(Clone, Copy, Debug)]
pub struct RmsProp {
    /// Decay of the mean square, in [0, 1); 0.99 by default.
    pub alpha: f64,
    /// Added to the root of the mean square, above 0; 1e-8 by default.
    pub epsilon: f64,
    /// The share of the last step that is kept, in [0, 1); 0 by default.
    pub momentum: f64,
    /// Whether to divide by the standard deviation instead of the root of the mean square; off by
    /// default.
    pub centered: bool,
}

impl Formula for RmsProp {
    const DEFAULT: Self = Self { alpha: 0.99, epsilon: 1e-8, momentum: 0.0, centered: false };
    const ABOUT: About = About {
        formula: "v ← αv + (1 − α)g², b ← momentum·b + g / (√v + ε), w ← w − rate·b; \
                  centered: m ← αm + (1 − α)g, and √(v − m²) instead of √v",
        source: "Tieleman & Hinton 2012, lecture 6.5; centered: Graves 2013, eqs. 38 to 45",
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
            Parameter {
                name: "momentum",
                meaning: "the share of the last step that is kept",
                range: Range::Fraction,
            },
            Parameter {
                name: "centered",
                meaning: "whether to divide by the standard deviation",
                range: Range::Switch,
            },
        ],
    };
    const STATES: usize = 3;
    const CONSTANTS: &'static [&'static str] =
        &["rate", "alpha", "one_minus_alpha", "mean_share", "epsilon", "momentum"];
    const WGSL: &'static str = include_str!("../../shaders/optimizers/rmsprop.wgsl");

    /// `mean_share` is `1 − α` where it is centered, else 0, and so is the mean then.
    fn constants(self, rate: f64, _: u64) -> Constants<f64> {
        let Self { alpha, epsilon, momentum, centered } = self;
        let mean_share = if centered { 1.0 - alpha } else { 0.0 };
        constants([rate, alpha, 1.0 - alpha, mean_share, single(epsilon), momentum])
    }

    #[inline(always)]
    fn update<N: Number>(c: &Constants<N>, g: N, w: N, [square, mean, step]: &mut State<N>) -> N {
        let [rate, alpha, one_minus_alpha, mean_share, epsilon, momentum, ..] = *c;
        let v = alpha.times_plus(*square, one_minus_alpha * g * g).flushed();
        let m = alpha.times_plus(*mean, mean_share * g).flushed();
        // Rounding may make the variance of equal gradients negative.
        let variance = (v - m * m).at_least(g.of(0.0));
        let b = momentum.times_plus(*step, g.over(variance.root() + epsilon)).flushed();
        (*square, *mean, *step) = (v, m, b);
        w - rate * b
    }
}
