//! ELU, the exponential linear unit.

use super::Formula;
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// `f(z) = z` above 0 and `alpha·(eᶻ − 1)` elsewhere. Clevert, Unterthiner & Hochreiter 2016.
#[derive(Clone, Copy, Debug)]
pub struct Elu {
    /// What it tends to far left of 0, with the sign turned; 0 or more, 1 by default.
    pub alpha: f64,
}

impl Formula for Elu {
    const DEFAULT: Self = Self { alpha: 1.0 };
    const ABOUT: About = About {
        formula: "f(z) = z above 0, alpha·(eᶻ − 1) elsewhere",
        source: "Clevert, Unterthiner & Hochreiter 2016",
        pytorch: "torch.nn.ELU",
        parameters: &[Parameter {
            name: "alpha",
            meaning: "the limit far left of 0, with the sign turned",
            range: Range::NotNegative,
        }],
    };
    const WGSL: &'static str = include_str!("../../shaders/activations/elu.wgsl");

    #[inline(always)]
    fn value<N: Number>(self, z: N) -> N {
        z.below(z.of(0.0), z.of(self.alpha) * z.exp_m1(), z)
    }

    /// `alpha` at 0, as in PyTorch.
    #[inline(always)]
    fn slope<N: Number>(self, z: N) -> N {
        z.of(0.0).below(z, z.of(1.0), z.of(self.alpha) * z.exp())
    }
}
