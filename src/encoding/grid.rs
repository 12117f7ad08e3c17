//! Grids of features that are learned, in several resolutions.

use super::{Computation, Formula};
use crate::error::{Result, invalid_setting};
use crate::family::{About, Parameter, Range};
pub use crate::grid::Grid;
use crate::grid::{GridKind, Interpolation, MOST_INPUTS};

/// The most levels.
const MOST_LEVELS: usize = 32;

/// The highest resolution: places in finer grids have no digit left in f32.
const MOST_RESOLUTION: f64 = (1 << 20) as f64;

impl Formula for Grid {
    const DEFAULT: Self = Self {
        kind: GridKind::Hash,
        levels: 16,
        features: 2,
        log2_size: 19,
        base_resolution: 16,
        level_scale: 2.0,
        interpolation: Interpolation::Linear,
    };
    const ABOUT: About = About {
        formula: "for each level, features interpolated between the learned features of the grid's corners \
                  around s·x + ½ with s = base_resolution·level_scaleˡ − 1, for inputs x in [0, 1]",
        source: "Müller et al. 2022, section 3",
        pytorch: "",
        parameters: &[
            Parameter {
                name: "kind",
                meaning: "which entry of its table a corner has",
                range: Range::Choice(&["hash", "dense", "tiled"]),
            },
            Parameter {
                name: "levels",
                meaning: "resolutions, at most 32",
                range: Range::Positive,
            },
            Parameter {
                name: "features",
                meaning: "features of an entry: 1, 2, 4 or 8",
                range: Range::Positive,
            },
            Parameter {
                name: "log2_size",
                meaning: "logarithm to base 2 of the most entries of a hashed level, at most 24",
                range: Range::Positive,
            },
            Parameter {
                name: "base_resolution",
                meaning: "resolution of the first level",
                range: Range::Positive,
            },
            Parameter {
                name: "level_scale",
                meaning: "growth of the resolution from level to level, at least 1",
                range: Range::Positive,
            },
            Parameter {
                name: "interpolation",
                meaning: "how features between corners follow from theirs",
                range: Range::Choice(&["nearest", "linear", "smoothstep"]),
            },
        ],
    };

    fn outputs(self, _: usize) -> usize {
        self.levels.saturating_mul(self.features)
    }

    fn computation(self) -> Computation {
        Computation::Grid(self)
    }

    fn check(self) -> Result<()> {
        if self.levels > MOST_LEVELS {
            return invalid_setting(format!(
                "a grid of {} levels: it must have 1 to {MOST_LEVELS}",
                self.levels
            ));
        }
        if !matches!(self.features, 1 | 2 | 4 | 8) {
            return invalid_setting(format!(
                "a grid with {} features in an entry: it must be 1, 2, 4 or 8",
                self.features
            ));
        }
        if self.log2_size > 24 {
            return invalid_setting(format!(
                "a grid with 2^{} entries in a level: it must be 2^1 to 2^24",
                self.log2_size
            ));
        }
        if self.level_scale < 1.0 {
            return invalid_setting(format!(
                "a grid whose resolution grows by {}: it must be at least 1",
                self.level_scale
            ));
        }
        let finest = self.resolution(self.levels - 1);
        if finest > MOST_RESOLUTION {
            return invalid_setting(format!(
                "a grid whose last level has the resolution {finest:.0}: it must be at most \
                 {MOST_RESOLUTION:.0}; take fewer levels or a smaller level_scale"
            ));
        }
        Ok(())
    }

    fn check_inputs(self, inputs: usize) -> Result<()> {
        if (1..=MOST_INPUTS).contains(&inputs) {
            return Ok(());
        }
        invalid_setting(format!("a grid over {inputs} inputs: it must be 1 to {MOST_INPUTS}"))
    }
}
