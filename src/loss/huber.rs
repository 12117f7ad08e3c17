//! Huber's loss.

use super::{Formula, elementwise};
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// `½(y − t)²` where `|y − t| ≤ delta`, `delta·(|y − t| − ½delta)` beyond, averaged over samples and
/// outputs: PyTorch's `HuberLoss`. Huber 1964.
#[derive(Clone, Copy, Debug)]
pub struct Huber {
    /// The error at which the parabola becomes a line, above 0; 1 by default.
    pub delta: f64,
}

impl Formula for Huber {
    const DEFAULT: Self = Self { delta: 1.0 };
    const ABOUT: About = About {
        formula: "½(y − t)² where |y − t| ≤ δ, δ(|y − t| − ½δ) beyond, mean over samples and outputs",
        source: "Huber 1964",
        pytorch: "torch.nn.HuberLoss",
        parameters: &[Parameter {
            name: "delta",
            meaning: "the error at which the parabola becomes a line",
            range: Range::Positive,
        }],
    };
    const WGSL: &'static str = include_str!("../../shaders/losses/huber.wgsl");

    #[inline(always)]
    fn row<N: Number + Into<f64>>(self, y: &[N], t: &[N], scale: N, delta: &mut [N]) -> N {
        elementwise(y, t, scale, delta, |y, t| {
            let (error, bound, half) = (y - t, y.of(self.delta), y.of(0.5));
            // The error, held within the bound, is the slope.
            let slope = error.at_least(-bound).at_most(bound);
            (slope * (error - half * slope), slope)
        })
    }
}
