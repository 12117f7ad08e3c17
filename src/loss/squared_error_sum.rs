//! The sum of squared errors.

use super::{Formula, Mean};
use crate::family::About;
use crate::loss::mean_squared_error::MeanSquaredError;
use crate::number::Number;

/// `Σ (y − t)²`, neither averaged nor halved.
#[derive(Clone, Copy, Debug)]
pub struct SquaredErrorSum;

impl Formula for SquaredErrorSum {
    const DEFAULT: Self = Self;
    const ABOUT: About = About {
        formula: "Σ (y − t)²",
        source: "Legendre 1805",
        pytorch: "torch.nn.MSELoss(reduction='sum')",
        parameters: &[],
    };
    const WGSL: &'static str = include_str!("../../shaders/losses/squared-error.wgsl");
    const MEAN: Mean = Mean::Sum;

    #[inline(always)]
    fn row<N: Number + Into<f64>>(self, y: &[N], t: &[N], scale: N, delta: &mut [N]) -> N {
        MeanSquaredError.row(y, t, scale, delta)
    }
}
