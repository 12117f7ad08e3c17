//! The absolute error.

use super::{Formula, elementwise};
use crate::family::About;
use crate::number::Number;

/// `|y − t|`, averaged over samples and outputs, with gradient 0 at `y = t`: PyTorch's `L1Loss`.
/// Boscovich 1757.
#[derive(Clone, Copy, Debug)]
pub struct L1;

impl Formula for L1 {
    const DEFAULT: Self = Self;
    const ABOUT: About = About {
        formula: "|y − t|, mean over samples and outputs",
        source: "Boscovich 1757",
        pytorch: "torch.nn.L1Loss",
        parameters: &[],
    };
    const WGSL: &'static str = include_str!("../../shaders/losses/l1.wgsl");

    #[inline(always)]
    fn row<N: Number + Into<f64>>(self, y: &[N], t: &[N], scale: N, delta: &mut [N]) -> N {
        elementwise(y, t, scale, delta, |y, t| {
            let error = y - t;
            (error.abs(), error.sign())
        })
    }
}
