//! The exponential function.

use super::{Backward, Formula};
use crate::family::About;
use crate::number::Number;

/// `f(z) = eᶻ`, for outputs that are densities. It overflows f32 from 89 on. Müller et al. 2022.
#[derive(Clone, Copy, Debug)]
pub struct Exponential;

impl Formula for Exponential {
    const DEFAULT: Self = Self;
    const ABOUT: About = About {
        formula: "f(z) = eᶻ",
        source: "Müller et al. 2022",
        pytorch: "torch.exp",
        parameters: &[],
    };
    const WGSL: &'static str = include_str!("../../shaders/activations/exponential.wgsl");

    #[inline(always)]
    fn value<N: Number>(self, z: N) -> N {
        z.exp()
    }

    #[inline(always)]
    fn slope<N: Number>(self, z: N) -> N {
        z.exp()
    }

    fn backward(self) -> Backward {
        Backward::Polynomial([0.0, 1.0, 0.0])
    }
}
