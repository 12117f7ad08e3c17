//! ReLU.

use super::{Backward, Formula};
use crate::family::About;
use crate::number::Number;

/// f(z) = max(0, z), with f′(0) = 0. Nair & Hinton 2010.
#[derive(Clone, Copy, Debug)]
pub struct Relu;

impl Formula for Relu {
    const DEFAULT: Self = Self;
    const ABOUT: About = About {
        formula: "f(z) = max(0, z), with f′(0) = 0",
        source: "Nair & Hinton 2010",
        pytorch: "torch.nn.ReLU",
        parameters: &[],
    };
    const WGSL: &'static str = include_str!("../../shaders/activations/relu.wgsl");

    #[inline(always)]
    fn value<N: Number>(self, z: N) -> N {
        // NaN passes through and is noticed, which max(0, NaN) = 0 would hide.
        z.below(z.of(0.0), z.of(0.0), z)
    }

    #[inline(always)]
    fn slope<N: Number>(self, z: N) -> N {
        z.of(0.0).below(z, z.of(1.0), z.of(0.0))
    }

    fn backward(self) -> Backward {
        Backward::Rectifier { below: 0.0 }
    }
}
