//! NAdam.

use super::adam::{BETA1, BETA2, EPSILON, single};
use super::{Constants, Formula, State, constants};
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// NAdam, Adam with Nesterov's momentum, whose decay grows towards `β₁`: at update `t` it is
/// `μₜ = β₁(1 − ½·0.96^(t·momentum_decay))`. Dozat 2016, algorithm 2.
#[derive(Clone, Copy, Debug)]
pub struct NAdam {
    /// Decay of the first moment, in [0, 1); 0.9 by default.
    pub beta1: f64,
    /// Decay of the second moment, in [0, 1); 0.999 by default.
    pub beta2: f64,
    /// Added to the root of the second moment, above 0; 1e-8 by default.
    pub epsilon: f64,
    /// How fast the momentum grows, 0 or more; 0.004 by default.
    pub momentum_decay: f64,
}

impl NAdam {
    /// The momentum of update `t`, `μₜ`.
    fn momentum(self, t: f64) -> f64 {
        self.beta1 * (1.0 - 0.5 * 0.96_f64.powf(t * self.momentum_decay))
    }

    /// `μ₁·μ₂·…·μₜ`. At most some thousand factors are multiplied: where the momentum grows slowly it
    /// is small, so that the product is soon nothing beside 1; where it grows fast it is soon `β₁`.
    fn product(self, t: u64) -> f64 {
        let mut product = 1.0;
        for i in 1..=t {
            let momentum = self.momentum(i as f64);
            if momentum == self.beta1 {
                return product * self.beta1.powf((t - i + 1) as f64);
            }
            product *= momentum;
            if product < f64::EPSILON / 4.0 {
                return 0.0;
            }
        }
        product
    }
}

impl Formula for NAdam {
    const DEFAULT: Self = Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, momentum_decay: 0.004 };
    const ABOUT: About = About {
        formula: "μₜ = β₁(1 − ½·0.96^(t·momentum_decay)), Mₜ = μ₁·…·μₜ, m ← β₁m + (1 − β₁)g, \
                  v ← β₂v + (1 − β₂)g², \
                  w ← w − rate·((1 − μₜ)/(1 − Mₜ) · g + μₜ₊₁/(1 − Mₜ₊₁) · m) / (√(v/(1 − β₂ᵗ)) + ε)",
        source: "Dozat 2016, algorithm 2",
        pytorch: "torch.optim.NAdam",
        parameters: &[
            BETA1,
            BETA2,
            EPSILON,
            Parameter {
                name: "momentum_decay",
                meaning: "how fast the momentum grows",
                range: Range::NotNegative,
            },
        ],
    };
    const STATES: usize = 2;
    const CONSTANTS: &'static [&'static str] = &[
        "gradient_step",
        "mean_step",
        "beta1",
        "one_minus_beta1",
        "beta2",
        "one_minus_beta2",
        "correction",
        "epsilon",
    ];
    const WGSL: &'static str = include_str!("../../shaders/optimizers/nadam.wgsl");

    /// `gradient_step = rate·(1 − μₜ)/(1 − Mₜ)`, `mean_step = rate·μₜ₊₁/(1 − Mₜ₊₁)`,
    /// `correction = 1/√(1 − β₂ᵗ)`.
    fn constants(self, rate: f64, t: u64) -> Constants<f64> {
        let Self { beta1, beta2, epsilon, .. } = self;
        let (now, next) = (self.momentum(t as f64), self.momentum(t as f64 + 1.0));
        let product = self.product(t);
        constants([
            rate * (1.0 - now) / (1.0 - product),
            rate * next / (1.0 - product * next),
            beta1,
            1.0 - beta1,
            beta2,
            1.0 - beta2,
            1.0 / (1.0 - beta2.powf(t as f64)).sqrt(),
            single(epsilon),
        ])
    }

    #[inline(always)]
    fn update<N: Number>(c: &Constants<N>, g: N, w: N, [first, second, _]: &mut State<N>) -> N {
        let [
            gradient_step,
            mean_step,
            beta1,
            one_minus_beta1,
            beta2,
            one_minus_beta2,
            correction,
            epsilon,
            ..,
        ] = *c;
        let m = beta1.times_plus(*first, one_minus_beta1 * g).flushed();
        let v = beta2.times_plus(*second, one_minus_beta2 * g * g).flushed();
        (*first, *second) = (m, v);
        let step = gradient_step.times_plus(g, mean_step * m);
        w - step.over(correction.times_plus(v.root(), epsilon))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_product_of_momenta_is_that_of_all_factors() {
        for beta1 in [0.0, 0.5, 0.9, 0.999, 0.999_999] {
            for momentum_decay in [0.0, 0.004, 0.3, 1.0, 100.0] {
                let nadam = NAdam { beta1, momentum_decay, ..NAdam::DEFAULT };
                let mut product = 1.0;
                for t in 1..=5_000_u32 {
                    product *= nadam.momentum(f64::from(t));
                    let off = (nadam.product(t.into()) - product).abs();
                    // The rounding of so many factors, and what is nothing beside 1.
                    assert!(off <= 1e-12 * product + f64::EPSILON / 4.0, "{nadam:?} at {t}: {off}");
                }
            }
        }
    }
}
