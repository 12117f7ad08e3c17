//! Softmax over the outputs of a sample.

use super::{Backward, Formula};
use crate::family::About;
use crate::number::Number;

/// f(z)ᵢ = e^zᵢ / Σⱼ e^zⱼ over the neurons of one sample; output layer only. Bridle 1990.
#[derive(Clone, Copy, Debug)]
pub struct Softmax;

impl Formula for Softmax {
    const DEFAULT: Self = Self;
    const ABOUT: About = About {
        formula: "f(z)ᵢ = e^zᵢ / Σⱼ e^zⱼ over the neurons of one sample; output layer only",
        source: "Bridle 1990",
        pytorch: "torch.nn.Softmax",
        parameters: &[],
    };
    const WGSL: &'static str = include_str!("../../shaders/activations/softmax.wgsl");

    #[inline(always)]
    fn value<N: Number>(self, z: N) -> N {
        z
    }

    #[inline(always)]
    fn slope<N: Number>(self, z: N) -> N {
        z.of(1.0)
    }

    fn backward(self) -> Backward {
        Backward::Row
    }
}
