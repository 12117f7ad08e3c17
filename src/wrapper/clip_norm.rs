//! Clipping of the gradient by its norm.

use super::{Formula, Wrapper};
use crate::family::{About, Parameter, Range};
use serde::{Deserialize, Serialize};

/// Scales a gradient whose norm over all parameters is larger than `limit`. Pascanu, Mikolov & Bengio
/// 2013, algorithm 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClipNorm {
    /// The largest norm, above 0; 1 by default.
    pub limit: f64,
}

impl Formula for ClipNorm {
    const DEFAULT: Self = Self { limit: 1.0 };
    const ABOUT: About = About {
        formula: "g ← g · min(1, limit / (‖g‖ + 1e-6)), the norm over all parameters",
        source: "Pascanu, Mikolov & Bengio 2013, algorithm 1",
        pytorch: "torch.nn.utils.clip_grad_norm_",
        parameters: &[Parameter {
            name: "limit",
            meaning: "the largest norm of the gradient",
            range: Range::Positive,
        }],
    };
}

impl From<ClipNorm> for Wrapper {
    fn from(ClipNorm { limit }: ClipNorm) -> Self {
        Self::ClipNorm { limit }
    }
}

/// The factor of a gradient, from the sum of its squares. NaN where that is not finite: the
/// gradient cannot be scaled then, and the update is undone.
pub(crate) fn factor(limit: f64, squares: f64) -> f64 {
    if squares.is_finite() { (limit / (squares.sqrt() + 1e-6)).min(1.0) } else { f64::NAN }
}
