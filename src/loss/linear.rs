//! Linear.

use super::{Formula, Mean, elementwise};
use crate::family::About;
use crate::number::Number;

/// `Σ t·y`, whose gradient with respect to the outputs `y` is `t`: backpropagation from a gradient of the
/// caller's ([`Engine::backward`](crate::Engine::backward)).
#[derive(Clone, Copy, Debug)]
pub struct Linear;

impl Formula for Linear {
    const DEFAULT: Self = Self;
    const ABOUT: About =
        About {
            formula: "Σ t·y", source: "none: its gradient is t", pytorch: "", parameters: &[]
        };
    const WGSL: &'static str = include_str!("../../shaders/losses/linear.wgsl");
    const MEAN: Mean = Mean::Sum;

    #[inline(always)]
    fn row<N: Number + Into<f64>>(self, y: &[N], t: &[N], scale: N, delta: &mut [N]) -> N {
        elementwise(y, t, scale, delta, |y, t| (t * y, t))
    }
}
