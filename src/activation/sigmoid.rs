//! The logistic sigmoid.

use super::{Backward, Formula};
use crate::family::About;
use crate::number::Number;

/// f(z) = 1 / (1 + e⁻ᶻ). Rumelhart, Hinton & Williams 1986.
#[derive(Clone, Copy, Debug)]
pub struct Sigmoid;

impl Formula for Sigmoid {
    const DEFAULT: Self = Self;
    const ABOUT: About = About {
        formula: "f(z) = 1 / (1 + e⁻ᶻ)",
        source: "Rumelhart, Hinton & Williams 1986",
        pytorch: "torch.nn.Sigmoid",
        parameters: &[],
    };
    const WGSL: &'static str = include_str!("../../shaders/activations/sigmoid.wgsl");

    #[inline(always)]
    fn value<N: Number>(self, z: N) -> N {
        z.sigmoid()
    }

    #[inline(always)]
    fn slope<N: Number>(self, z: N) -> N {
        let y = z.sigmoid();
        y * (y.of(1.0) - y)
    }

    fn backward(self) -> Backward {
        Backward::Polynomial([0.0, 1.0, -1.0])
    }
}
