//! Grids: features of the corners around places, forward and back.
//!
//! One level at a time goes over some samples, so that its table stays in the cache. The places and weights of the
//! corners of some samples are computed together, so that the compiler makes vectors of them.

use super::lines::LINE;
use crate::grid::{Grid, Interpolation, Level, MOST_INPUTS, PRIMES};
use crate::input_encoding::Leaf;
use crate::network::Network;
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// A level of a grid of a network, with the places of what it needs.
#[derive(Clone)]
pub(super) struct TableLevel {
    pub(super) grid: Grid,
    /// Counts its entries from 0.
    pub(super) level: Level,
    /// Which inputs it takes.
    pub(super) inputs: Range<usize>,
    /// Which columns it computes.
    pub(super) columns: Range<usize>,
    /// Which encoding it belongs to.
    pub(super) leaf: usize,
}

impl TableLevel {
    /// The inputs of the level among those of samples, `[rows, inputs]`.
    pub(super) fn inputs_of<'a>(&self, raw: &'a [f32], inputs: usize) -> Rows<'a> {
        Rows { values: &raw[self.inputs.start.min(raw.len())..], stride: inputs }
    }

    /// The columns of the level, `[rows, features]`, among those of all encodings, `[rows, columns]`.
    pub(super) fn deltas(&self, columns: &[f32], all: usize) -> Vec<f32> {
        let own = columns.chunks_exact(all).map(|row| &row[self.columns.clone()]);
        own.flatten().copied().collect()
    }
}

/// The levels of all grids of a network, in the order of their parameters.
pub(super) fn table_levels(network: &Network) -> Vec<TableLevel> {
    let leaves = network.leaves().all.into_iter().enumerate();
    let of_leaf = |(leaf, own): (usize, Leaf)| {
        let grid = own.grid();
        let all = grid.map_or(Vec::new(), |grid| levels(grid, own.inputs.len()));
        all.into_iter().enumerate().filter_map(move |(l, level)| {
            let grid = grid?;
            let start = own.columns.start + l * grid.features;
            let columns = start..start + grid.features;
            Some(TableLevel { grid, level, inputs: own.inputs.clone(), columns, leaf })
        })
    };
    leaves.flat_map(of_leaf).collect()
}

/// The levels of a grid, each with entries counted from 0.
pub(super) fn levels(grid: Grid, inputs: usize) -> Vec<Level> {
    let mut levels = grid.levels(inputs);
    for level in &mut levels {
        level.first = 0;
    }
    levels
}

/// Samples whose corners are computed together.
const TOGETHER: usize = 16;

/// The most corners of a cell.
const CORNERS: usize = 1 << MOST_INPUTS;

/// Numbers of samples, `stride` from one sample to the next.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) values: &'a [f32],
    pub(super) stride: usize,
}

/// The entries and the weights of the corners around some places.
struct Corners {
    entries: [[u32; TOGETHER]; CORNERS],
    weights: [[f32; TOGETHER]; CORNERS],
}

impl Corners {
    fn new() -> Self {
        Self { entries: [[0; TOGETHER]; CORNERS], weights: [[0.0; TOGETHER]; CORNERS] }
    }

    /// Of the `count` samples from `first` on, at most [`TOGETHER`].
    #[inline(always)]
    fn fill<const N: usize>(
        &mut self,
        interpolation: Interpolation,
        level: &Level,
        x: Rows,
        first: usize,
        count: usize,
    ) {
        let mut cells = [[0_u32; TOGETHER]; N];
        let mut next = [[0.0_f32; TOGETHER]; N];
        for i in 0..N {
            // In f64: in f32, a place in a fine grid would have few digits left.
            let mut places = [0.0_f64; TOGETHER];
            for r in 0..count {
                places[r] = f64::from(x.values[(first + r) * x.stride + i]);
            }
            let scale = f64::from(level.scale);
            for r in 0..TOGETHER {
                let place = places[r] * scale + 0.5;
                let before = place.floor();
                cells[i][r] = (before as i32).cast_unsigned();
                next[i][r] = (place - before) as f32;
            }
            match interpolation {
                Interpolation::Nearest => next[i] = [0.0; TOGETHER],
                Interpolation::Linear => {}
                Interpolation::Smoothstep => {
                    for w in &mut next[i] {
                        *w = *w * *w * (3.0 - 2.0 * *w);
                    }
                }
            }
        }
        for corner in 0..1 << N {
            let (entries, weights) = (&mut self.entries[corner], &mut self.weights[corner]);
            *entries = [0; TOGETHER];
            *weights = [1.0; TOGETHER];
            for i in 0..N {
                let far = (corner >> i & 1) as u32;
                for r in 0..TOGETHER {
                    let place = cells[i][r].wrapping_add(far);
                    if level.hashed {
                        entries[r] ^= place.wrapping_mul(PRIMES[i]);
                    } else {
                        entries[r] = entries[r].wrapping_add(place.wrapping_mul(level.strides[i]));
                    }
                    weights[r] *= if far == 1 { next[i][r] } else { 1.0 - next[i][r] };
                }
            }
            if level.hashed {
                for entry in entries {
                    *entry &= level.entries - 1;
                }
            }
        }
    }

    /// The entry of a corner of a sample.
    #[inline(always)]
    fn entry(&self, level: &Level, corner: usize, sample: usize) -> usize {
        let entry = self.entries[corner][sample];
        // Only outside of [0, 1].
        (if entry < level.entries { entry } else { entry % level.entries }) as usize
    }
}

/// Does some work with the number of inputs and that of features as constants.
macro_rules! for_sizes {
    ($arch:expr, $inputs:expr, $features:expr, $Of:ident, $work:expr) => {
        for_sizes!($arch, $inputs, $features, $Of, $work, [1 1, 1 2, 1 4, 1 8, 2 1, 2 2, 2 4, 2 8,
            3 1, 3 2, 3 4, 3 8, 4 1, 4 2, 4 4, 4 8])
    };
    ($arch:expr, $inputs:expr, $features:expr, $Of:ident, $work:expr, [$($n:literal $f:literal),+]) => {
        match ($inputs, $features) {
            $(($n, $f) => $arch.dispatch($Of::<$n, $f>($work)),)+
            // No grid has other sizes.
            _ => {}
        }
    };
}

/// Writes the features of a level for some samples to `out`, `stride` from one sample to the next. `x` are the inputs,
/// with the number of samples and that of inputs.
pub(super) fn grid_forward(
    arch: Arch,
    grid: Grid,
    level: &Level,
    table: &[f32],
    (x, count, inputs): (Rows, usize, usize),
    out: (&mut [f32], usize),
) {
    let work = Forward { grid, level, table, x, count, out };
    for_sizes!(arch, inputs, grid.features, ForwardOf, work);
}

struct Forward<'a> {
    grid: Grid,
    level: &'a Level,
    table: &'a [f32],
    x: Rows<'a>,
    count: usize,
    out: (&'a mut [f32], usize),
}

struct ForwardOf<'a, const N: usize, const F: usize>(Forward<'a>);

impl<const N: usize, const F: usize> WithSimd for ForwardOf<'_, N, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Forward { grid, level, table, x, count, out: (out, stride) } = self.0;
        let mut corners = Corners::new();
        for first in (0..count).step_by(TOGETHER) {
            let some = TOGETHER.min(count - first);
            corners.fill::<N>(grid.interpolation, level, x, first, some);
            for r in 0..some {
                let mut sums = [0.0_f32; F];
                for corner in 0..1 << N {
                    let own = &table[corners.entry(level, corner, r) * F..][..F];
                    for f in 0..F {
                        sums[f] += corners.weights[corner][r] * own[f];
                    }
                }
                out[(first + r) * stride..][..F].copy_from_slice(&sums);
            }
        }
    }
}

/// Adds the gradient of a level's table to `gradient`, from that with respect to the features of some samples,
/// `delta`, `[samples, features]`. Marks the cache lines that it adds to in `touched`, a byte a line.
pub(super) fn grid_gradient(
    arch: Arch,
    own: &TableLevel,
    x: Rows,
    delta: &[f32],
    gradient: &mut [f32],
    touched: &mut [u8],
) {
    let TableLevel { grid, level, inputs, .. } = own;
    let (grid, inputs, count) = (*grid, inputs.len(), delta.len() / grid.features);
    let work = Backward { grid, level, x, count, delta, gradient, touched };
    for_sizes!(arch, inputs, grid.features, BackwardOf, work);
}

struct Backward<'a> {
    grid: Grid,
    level: &'a Level,
    x: Rows<'a>,
    count: usize,
    delta: &'a [f32],
    gradient: &'a mut [f32],
    touched: &'a mut [u8],
}

struct BackwardOf<'a, const N: usize, const F: usize>(Backward<'a>);

impl<const N: usize, const F: usize> WithSimd for BackwardOf<'_, N, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Backward { grid, level, x, count, delta, gradient, touched } = self.0;
        let mut corners = Corners::new();
        for first in (0..count).step_by(TOGETHER) {
            let some = TOGETHER.min(count - first);
            corners.fill::<N>(grid.interpolation, level, x, first, some);
            for r in 0..some {
                let delta = &delta[(first + r) * F..][..F];
                for corner in 0..1 << N {
                    let at = corners.entry(level, corner, r) * F;
                    let own = &mut gradient[at..][..F];
                    for f in 0..F {
                        own[f] += corners.weights[corner][r] * delta[f];
                    }
                    // An entry is within a line.
                    touched[at / LINE] = 1;
                }
            }
        }
    }
}

/// Adds the gradient with respect to the inputs `x` of one sample to `gradient`, from that with respect to the features
/// of a level.
pub(super) fn grid_input_gradient(
    grid: Grid,
    level: &Level,
    table: &[f32],
    x: &[f32],
    delta: &[f32],
    gradient: &mut [f32],
) {
    let features = grid.features;
    let (mut cell, mut next, mut slopes) =
        ([0_u32; MOST_INPUTS], [0.0; MOST_INPUTS], [0.0; MOST_INPUTS]);
    for (i, x) in x.iter().enumerate() {
        let place = f64::from(*x) * f64::from(level.scale) + 0.5;
        let before = place.floor();
        cell[i] = (before as i32).cast_unsigned();
        let w = place - before;
        next[i] = grid.interpolation.weight(w) as f32;
        slopes[i] = level.scale * grid.interpolation.slope(w) as f32;
    }
    for corner in 0..1 << x.len() {
        let far = |i: usize| corner >> i & 1 == 1;
        let place: [u32; MOST_INPUTS] =
            std::array::from_fn(|i| cell[i].wrapping_add(u32::from(far(i))));
        let entry = level.entry(&place[..x.len()]);
        let own = &table[entry * features..][..features];
        let product: f32 = own.iter().zip(delta).map(|(f, d)| f * d).sum();
        for (input, gradient) in gradient.iter_mut().enumerate() {
            let mut slope = if far(input) { slopes[input] } else { -slopes[input] };
            for i in (0..x.len()).filter(|i| *i != input) {
                slope *= if far(i) { next[i] } else { 1.0 - next[i] };
            }
            *gradient += slope * product;
        }
    }
}
