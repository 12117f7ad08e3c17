//! Clipping of the gradient by value.

use super::{Formula, Wrapper};
use crate::family::{About, Parameter, Range};
use crate::number::Number;
use serde::{Deserialize, Serialize};

/// Clamps each number of the gradient between `-limit` and `limit`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClipValue {
    /// The largest number, above 0; 1 by default.
    pub limit: f64,
}

impl Formula for ClipValue {
    const DEFAULT: Self = Self { limit: 1.0 };
    const ABOUT: About = About {
        formula: "g ← clamp(g, −limit, limit)",
        source: "Mikolov 2012, section 3.2.2",
        pytorch: "torch.nn.utils.clip_grad_value_",
        parameters: &[Parameter {
            name: "limit",
            meaning: "the largest number of a gradient",
            range: Range::Positive,
        }],
    };
}

impl From<ClipValue> for Wrapper {
    fn from(ClipValue { limit }: ClipValue) -> Self {
        Self::ClipValue { limit }
    }
}

/// The clipped number; NaN stays NaN.
#[inline(always)]
pub(crate) fn clipped<N: Number>(g: N, limit: N) -> N {
    g.at_least(-limit).at_most(limit)
}
