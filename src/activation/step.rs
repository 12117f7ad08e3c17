//! The Heaviside step function.

use super::{Backward, Formula};
use crate::family::About;
use crate::number::Number;

/// f(z) = 1 if z ≥ 0, else 0; forward only. Rosenblatt 1958.
#[derive(Clone, Copy, Debug)]
pub struct Step;

impl Formula for Step {
    const DEFAULT: Self = Self;
    const ABOUT: About = About {
        formula: "f(z) = 1 if z ≥ 0, else 0; forward only",
        source: "Rosenblatt 1958",
        pytorch: "",
        parameters: &[],
    };
    const WGSL: &'static str = include_str!("../../shaders/activations/step.wgsl");

    #[inline(always)]
    fn value<N: Number>(self, z: N) -> N {
        z.below(z.of(0.0), z.of(0.0), z.of(1.0))
    }

    #[inline(always)]
    fn slope<N: Number>(self, z: N) -> N {
        z.of(0.0)
    }

    fn backward(self) -> Backward {
        Backward::None
    }
}
