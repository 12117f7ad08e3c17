//! The sizes and places of grids of features that are learned: see [`Encoding::Grid`](crate::Encoding::Grid).

use serde::{Deserialize, Serialize};

/// The most inputs of a grid.
pub(crate) const MOST_INPUTS: usize = 4;

/// The most entries of a level.
const MOST_ENTRIES: u64 = 1 << 28;

/// The factors of the hash function, one for each input. Müller et al. 2022, eq. 4.
pub(crate) const PRIMES: [u32; MOST_INPUTS] = [1, 2_654_435_761, 805_459_861, 3_674_653_429];

/// Which entry of a level's table a corner of its grid has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum GridKind {
    /// An entry for each corner, as long as these are at most `2^log2_size`. On finer levels, corners share the
    /// entries by a hash of their places.
    Hash,
    /// An entry for each corner.
    Dense,
    /// The entries of a grid of the base resolution, repeated.
    Tiled,
}

/// How a grid's features between its corners follow from those of the corners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Interpolation {
    /// Those of the corner before the place.
    Nearest,
    /// Linearly in each input.
    Linear,
    /// With the weights `w²(3 − 2w)` of linear interpolation's weights `w`, which has continuous derivatives.
    Smoothstep,
}

impl Interpolation {
    /// The weight of the next corner at the place `w`, in [0, 1], between two.
    pub(crate) fn weight(self, w: f64) -> f64 {
        match self {
            Self::Nearest => 0.0,
            Self::Linear => w,
            Self::Smoothstep => w * w * (3.0 - 2.0 * w),
        }
    }

    /// The derivative of [`weight`](Self::weight).
    pub(crate) fn slope(self, w: f64) -> f64 {
        match self {
            Self::Nearest => 0.0,
            Self::Linear => 1.0,
            Self::Smoothstep => 6.0 * w * (1.0 - w),
        }
    }
}

/// A grid of features in each of some resolutions over 1 to 4 inputs in [0, 1]. The features of a place are
/// interpolated between the corners around it, and the features of all levels follow each other. The features
/// of the corners are parameters of the network. Müller et al. 2022, section 3; the sizes, places and entries are those
/// of tiny-cuda-nn.
///
/// Level `l` has the scale `s = base_resolution·level_scaleˡ − 1` and `⌈s⌉ + 1` corners in each input. Input
/// `x` is at `s·x + ½` between its corners.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// Which entry a corner has; hash by default.
    pub kind: GridKind,
    /// Levels, 1 to 32; 16 by default.
    pub levels: usize,
    /// Features of an entry: 1, 2, 4 or 8; 2 by default.
    pub features: usize,
    /// Logarithm to base 2 of the most entries of a hashed level, 1 to 24; 19 by default. Dense and tiled grids ignore
    /// it.
    pub log2_size: usize,
    /// Resolution of the first level, 1 or more; 16 by default.
    pub base_resolution: usize,
    /// By what the resolution grows from level to level, at least 1; 2 by default.
    pub level_scale: f64,
    /// How features are interpolated; linear by default.
    pub interpolation: Interpolation,
}

/// A level of a grid.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Level {
    /// What an input is multiplied by.
    pub scale: f32,
    /// How far the entries of two corners are from each other that are next to each other in each input, where the
    /// level is not hashed; 0 for inputs that the entry does not depend on.
    pub strides: [u32; MOST_INPUTS],
    /// Whether entries follow from a hash of the corner.
    pub hashed: bool,
    /// The first entry in the table of all levels.
    pub first: u32,
    /// Entries.
    pub entries: u32,
}

impl Level {
    /// The entry, in the table of all levels, of a corner.
    #[inline(always)]
    pub(crate) fn entry(&self, corner: &[u32]) -> usize {
        let mut number = 0_u32;
        if self.hashed {
            // A power of two, so that the remainder is a mask.
            for (corner, prime) in corner.iter().zip(PRIMES) {
                number ^= corner.wrapping_mul(prime);
            }
            number &= self.entries - 1;
        } else {
            for (corner, stride) in corner.iter().zip(self.strides) {
                number = number.wrapping_add(corner.wrapping_mul(stride));
            }
            if number >= self.entries {
                number %= self.entries;
            }
        }
        (self.first + number) as usize
    }
}

impl Grid {
    /// The levels over so many inputs, 1 to 4.
    ///
    /// ```
    /// use impasto::encoding::Formula;
    /// use impasto::grid::Grid;
    ///
    /// let grid = Grid { levels: 3, log2_size: 10, ..Grid::DEFAULT };
    /// let entries: Vec<u32> = grid.levels(2).iter().map(|level| level.entries).collect();
    /// assert_eq!(entries, [16 * 16, 1024, 1024]);
    /// assert_eq!(grid.entries(2), 256 + 1024 + 1024);
    /// ```
    pub fn levels(self, inputs: usize) -> Vec<Level> {
        let mut first = 0_u64;
        let level = |l: usize| {
            let scale = self.resolution(l) - 1.0;
            let corners = scale.ceil() as u64 + 1;
            let all = (0..inputs).fold(1_u64, |all, _| all.saturating_mul(corners));
            let all = all.min(MOST_ENTRIES).next_multiple_of(8);
            let entries = match self.kind {
                GridKind::Hash => all.min(1 << self.log2_size),
                GridKind::Dense => all,
                GridKind::Tiled => {
                    let base = self.base_resolution as u64;
                    all.min((0..inputs).fold(1_u64, |all, _| all.saturating_mul(base)))
                }
            };
            let (mut strides, mut stride) = ([0; MOST_INPUTS], 1_u64);
            for place in strides.iter_mut().take(inputs) {
                if stride <= entries {
                    *place = stride as u32;
                    stride = stride.saturating_mul(corners);
                }
            }
            let hashed = self.kind == GridKind::Hash && stride > entries;
            let level = Level {
                scale: scale as f32,
                strides,
                hashed,
                first: first.min(u64::from(u32::MAX)) as u32,
                entries: entries as u32,
            };
            first += entries;
            level
        };
        (0..self.levels).map(level).collect()
    }

    /// The entries of all levels. See [`levels`](Self::levels) for an example.
    pub fn entries(self, inputs: usize) -> u64 {
        self.levels(inputs).iter().map(|level| u64::from(level.entries)).sum()
    }

    /// `base_resolution·level_scaleˡ`.
    pub(crate) fn resolution(self, level: usize) -> f64 {
        // The powers of the levels, the same on every machine.
        (0..level).fold(self.base_resolution as f64, |resolution, _| resolution * self.level_scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::Formula;

    const DEFAULT: Grid = <Grid as Formula>::DEFAULT;

    #[test]
    fn levels_have_the_sizes_of_tiny_cuda_nn() {
        // hash.json over two inputs: dense until 2^15 corners are too few.
        let grid = Grid { log2_size: 15, level_scale: 1.5, ..DEFAULT };
        let levels = grid.levels(2);
        let entries: Vec<u32> = levels.iter().map(|level| level.entries).collect();
        // 16², 24², 36², 54², 81², 122² rounded up to multiples of 8, then the table's size.
        assert_eq!(entries[..6], [256, 576, 1296, 2920, 6568, 14_888]);
        assert!(entries[6..].iter().all(|entries| *entries == 1 << 15));
        assert!(levels[5].scale == 120.5 && !levels[5].hashed && levels[6].hashed);
        assert_eq!(levels[1].first, 256);
        assert_eq!((levels[1].strides, levels[1].entry(&[3, 2])), ([1, 24, 0, 0], 256 + 3 + 48));
        let first = levels[6].first as usize;
        let hash = (5_u32 ^ 7_u32.wrapping_mul(2_654_435_761)) & 0x7fff;
        assert_eq!(levels[6].entry(&[5, 7]), first + hash as usize);
        let tiled = Grid { kind: GridKind::Tiled, ..grid }.levels(3);
        assert!(tiled.iter().all(|level| level.entries == 4096 && !level.hashed));
        let dense = Grid { kind: GridKind::Dense, levels: 4, ..grid }.levels(1);
        assert_eq!(dense.iter().map(|level| level.entries).collect::<Vec<_>>(), [16, 24, 40, 56]);
    }

    #[test]
    fn corners_outside_have_entries_too() {
        for kind in [GridKind::Hash, GridKind::Dense, GridKind::Tiled] {
            let grid = Grid { kind, levels: 3, log2_size: 6, ..DEFAULT };
            let entries = grid.entries(2) as usize;
            for level in grid.levels(2) {
                for corner in [[0, 0], [u32::MAX, 3], [1 << 31, u32::MAX]] {
                    assert!(level.entry(&corner) < entries);
                }
            }
        }
    }
}
