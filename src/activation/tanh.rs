//! The hyperbolic tangent.

use super::{Backward, Formula};
use crate::family::About;
use crate::number::Number;

/// f(z) = tanh z. LeCun, Bottou, Orr & Müller 1998, section 4.4.
#[derive(Clone, Copy, Debug)]
pub struct Tanh;

impl Formula for Tanh {
    const DEFAULT: Self = Self;
    const ABOUT: About = About {
        formula: "f(z) = tanh z",
        source: "LeCun, Bottou, Orr & Müller 1998, section 4.4",
        pytorch: "torch.nn.Tanh",
        parameters: &[],
    };
    const WGSL: &'static str = include_str!("../../shaders/activations/tanh.wgsl");

    #[inline(always)]
    fn value<N: Number>(self, z: N) -> N {
        z.tanh()
    }

    #[inline(always)]
    fn slope<N: Number>(self, z: N) -> N {
        let y = z.tanh();
        y.of(1.0) - y * y
    }

    fn backward(self) -> Backward {
        Backward::Polynomial([1.0, 0.0, -1.0])
    }
}
