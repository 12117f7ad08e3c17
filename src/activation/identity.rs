//! The identity: no activation.

use super::{Backward, Formula};
use crate::family::About;
use crate::number::Number;

/// f(z) = z. No activation.
#[derive(Clone, Copy, Debug)]
pub struct Identity;

impl Formula for Identity {
    const DEFAULT: Self = Self;
    const ABOUT: About = About {
        formula: "f(z) = z",
        source: "No activation",
        pytorch: "torch.nn.Identity",
        parameters: &[],
    };
    const WGSL: &'static str = include_str!("../../shaders/activations/identity.wgsl");

    #[inline(always)]
    fn value<N: Number>(self, z: N) -> N {
        z
    }

    #[inline(always)]
    fn slope<N: Number>(self, z: N) -> N {
        z.of(1.0)
    }

    fn backward(self) -> Backward {
        Backward::Rectifier { below: 1.0 }
    }
}
