//! Lookahead: slow parameters that follow the optimizer's.

use super::{Formula, Wrapper};
use crate::family::{About, Parameter, Range};
use crate::number::Number;
use serde::{Deserialize, Serialize};

/// Slow parameters that follow the others. Zhang et al. 2019, algorithm 1.
///
/// After every so many updates, `slow ← slow + alpha·(w − slow)` and `w ← slow`. The slow parameters start as
/// the first parameters. The optimizer's state stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lookahead {
    /// The share of the way that the slow parameters go, in (0, 1]; 0.5 by default.
    pub alpha: f64,
    /// Updates between two such moments, at least 1; 5 by default.
    pub every: u64,
}

impl Formula for Lookahead {
    const DEFAULT: Self = Self { alpha: 0.5, every: 5 };
    const ABOUT: About = About {
        formula: "after every so many updates s ← s + alpha·(w − s), w ← s; \
                  s starts as the first parameters",
        source: "Zhang et al. 2019, algorithm 1",
        pytorch: "",
        parameters: &[
            Parameter {
                name: "alpha",
                meaning: "the share of the way that the slow parameters go",
                range: Range::Share,
            },
            Parameter {
                name: "every",
                meaning: "updates between two such moments",
                range: Range::Positive,
            },
        ],
    };
}

impl From<Lookahead> for Wrapper {
    fn from(Lookahead { alpha, every }: Lookahead) -> Self {
        Self::Lookahead { alpha, every }
    }
}

impl Lookahead {
    /// `alpha` after the updates that the slow parameters follow, 0 after others.
    pub(crate) fn alpha_at(self, t: u64) -> f64 {
        if t.is_multiple_of(self.every) { self.alpha } else { 0.0 }
    }
}

/// `from`, and a share of the way to `to`.
#[inline(always)]
pub(crate) fn towards<N: Number>(from: N, to: N, share: N) -> N {
    share.times_plus(to - from, from)
}
