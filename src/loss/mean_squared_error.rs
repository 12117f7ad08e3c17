//! The mean squared error.

use super::{Formula, elementwise};
use crate::family::About;
use crate::number::Number;

/// `Σ (y − t)² / (batch · outputs)`: PyTorch's `MSELoss`.
#[derive(Clone, Copy, Debug)]
pub struct MeanSquaredError;

impl Formula for MeanSquaredError {
    const DEFAULT: Self = Self;
    const ABOUT: About = About {
        formula: "Σ (y − t)² / (batch · outputs)",
        source: "Legendre 1805",
        pytorch: "torch.nn.MSELoss",
        parameters: &[],
    };
    const WGSL: &'static str = include_str!("../../shaders/losses/squared-error.wgsl");

    #[inline(always)]
    fn row<N: Number + Into<f64>>(self, y: &[N], t: &[N], scale: N, delta: &mut [N]) -> N {
        elementwise(y, t, scale, delta, |y, t| {
            let error = y - t;
            (error * error, error + error)
        })
    }
}
