//! Accumulation of gradients over several batches.

use super::{Formula, Wrapper};
use crate::family::{About, Parameter, Range};
use serde::{Deserialize, Serialize};

/// Gradient accumulation: one update with the mean gradient of several batches, as if they were one large
/// batch.
///
/// Batches before the last of them change no parameter. The batches of an update may belong to two
/// epochs. Batches after the last update of a run have no effect. Every batch counts the same, also a shorter
/// one at the end of an epoch. Ott et al. 2018.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accumulate {
    /// Batches of an update, at least 1; 4 by default.
    pub batches: u64,
}

impl Formula for Accumulate {
    const DEFAULT: Self = Self { batches: 4 };
    const ABOUT: About = About {
        formula: "g ← the mean of the gradients of `batches` batches, then one update",
        source: "Ott et al. 2018",
        pytorch: "loss / batches before each of several backward()",
        parameters: &[Parameter {
            name: "batches",
            meaning: "batches of an update",
            range: Range::Positive,
        }],
    };
}

impl From<Accumulate> for Wrapper {
    fn from(Accumulate { batches }: Accumulate) -> Self {
        Self::Accumulate { batches }
    }
}
