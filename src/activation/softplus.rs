//! Softplus.

use super::Formula;
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// `f(z) = ln(1 + e^(beta·z))/beta`. Dugas et al. 2001.
#[derive(Clone, Copy, Debug)]
pub struct Softplus {
    /// How sharp the bend at 0 is, above 0; 1 by default, as in PyTorch (10 in tiny-cuda-nn).
    pub beta: f64,
}

impl Formula for Softplus {
    const DEFAULT: Self = Self { beta: 1.0 };
    const ABOUT: About = About {
        formula: "f(z) = ln(1 + e^(beta·z))/beta",
        source: "Dugas et al. 2001",
        pytorch: "torch.nn.Softplus",
        parameters: &[Parameter {
            name: "beta",
            meaning: "how sharp the bend at 0 is",
            range: Range::Positive,
        }],
    };
    const WGSL: &'static str = include_str!("../../shaders/activations/softplus.wgsl");

    /// `max(z, 0) + ln(1 + e^−|beta·z|)/beta`, which does not overflow.
    #[inline(always)]
    fn value<N: Number>(self, z: N) -> N {
        let (zero, beta) = (z.of(0.0), z.of(self.beta));
        z.below(zero, zero, z) + (-(beta * z).abs()).exp().ln_1p() / beta
    }

    #[inline(always)]
    fn slope<N: Number>(self, z: N) -> N {
        (z.of(self.beta) * z).sigmoid()
    }
}
