//! The sum and the norm of the gradients of a block.

use super::lanes::Lanes;
use super::layout::Block;
use crate::number::Number;
use crate::wrapper::clip_value::clipped;
use crate::wrappers::Gather;
use pulp::{Arch, Simd, WithSimd};

/// The gradients of a block that the groups of a batch have, to be added in their order.
pub(super) struct Gradient<'a, S: Simd> {
    first: &'a [S::f32s],
    /// By itself, since two groups are the rule and a loop takes longer.
    second: Option<&'a [S::f32s]>,
    others: Vec<&'a [S::f32s]>,
    /// Vectors from row to row.
    pub(super) pitch: usize,
    /// Vectors of a row that contain something.
    pub(super) vectors: usize,
    /// What is not padding in the last of them.
    last: S::m32s,
    /// The same of the others.
    whole: S::m32s,
}

impl<'a, S: Simd> Gradient<'a, S> {
    /// Nothing without a gradient.
    #[inline(always)]
    pub(super) fn new(simd: S, block: &Block, gradients: &[&'a [f32]]) -> Option<Self> {
        let (first, others) = gradients.split_first()?;
        let (second, others) = others.split_at(others.len().min(1));
        let vectors_of = |gradient: &&'a [f32]| S::as_simd_f32s(gradient).0;
        let vectors = block.width.div_ceil(S::F32_LANES);
        let mask = |counts: usize| simd.mask_between_m32s(0, counts as u32).mask();
        Some(Self {
            first: vectors_of(first),
            second: second.first().map(vectors_of),
            others: others.iter().map(vectors_of).collect(),
            pitch: block.stride / S::F32_LANES,
            vectors,
            last: mask(block.width - (vectors - 1) * S::F32_LANES),
            whole: mask(S::F32_LANES),
        })
    }

    /// A mask of what is not padding in vector `n` of a row.
    #[inline(always)]
    fn mask(&self, n: usize) -> S::m32s {
        if n + 1 == self.vectors { self.last } else { self.whole }
    }

    /// The gradient of vector `n` of a row, and a mask of what is not padding, which is 0.
    #[inline(always)]
    pub(super) fn at(&self, simd: S, row: usize, n: usize) -> (Lanes<S>, S::m32s) {
        let at = row * self.pitch + n;
        let mut g = self.first[at];
        if let Some(second) = self.second {
            g = simd.add_f32s(g, second[at]);
        }
        for other in &self.others {
            g = simd.add_f32s(g, other[at]);
        }
        // The padding may contain NaN, which must not spread.
        let mask = self.mask(n);
        (Lanes::new(simd, simd.select_f32s(mask, g, simd.splat_f32s(0.0))), mask)
    }
}

/// Adds the gradients of a block to what `gathered` has of those of other batches:
/// `gathered ← kept·gathered + part·g`, 0 in the padding.
pub(super) fn gather(
    arch: Arch,
    gather: Gather,
    block: &Block,
    gradients: &[&[f32]],
    gathered: &mut [f32],
) {
    arch.dispatch(Gathering { gather, block, gradients, gathered });
}

struct Gathering<'a> {
    gather: Gather,
    block: &'a Block,
    gradients: &'a [&'a [f32]],
    gathered: &'a mut [f32],
}

impl WithSimd for Gathering<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { gather: Gather { kept, part, .. }, block, gradients, gathered } = self;
        let Some(gradient) = Gradient::<S>::new(simd, block, gradients) else { return };
        let (gathered, _) = S::as_mut_simd_f32s(gathered);
        let [kept, part] = [kept, part].map(|number| Lanes::splat(simd, number as f32));
        for row in 0..block.rows() {
            for n in 0..gradient.vectors {
                let (g, _) = gradient.at(simd, row, n);
                let sum = &mut gathered[row * gradient.pitch + n];
                *sum = part.times_plus(g, kept * Lanes::new(simd, *sum)).value;
            }
        }
    }
}

/// What the norm of a gradient is taken of.
#[derive(Clone, Copy)]
pub(super) struct Of {
    /// The largest number of the gradient.
    pub(super) clip_value: f64,
    /// What it is multiplied by then.
    pub(super) factor: f64,
    /// The share of the parameter that is added then.
    pub(super) l2: f64,
}

/// The sum of the squares of each row of a block's gradient.
pub(super) fn squares(
    arch: Arch,
    of: Of,
    block: &Block,
    gradients: &[&[f32]],
    squares: &mut Vec<f64>,
) {
    squares.clear();
    arch.dispatch(Squares { of, block, gradients, rows: squares });
}

struct Squares<'a> {
    of: Of,
    block: &'a Block,
    gradients: &'a [&'a [f32]],
    rows: &'a mut Vec<f64>,
}

impl WithSimd for Squares<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { of: Of { clip_value, factor, l2 }, block, gradients, rows } = self;
        let [limit, factor, l2] = [clip_value, factor, l2].map(|n| Lanes::splat(simd, n as f32));
        let Some(gradient) = Gradient::<S>::new(simd, block, gradients) else { return };
        let (values, _) = S::as_simd_f32s(&block.values);
        for row in 0..block.rows() {
            let mut sum = Lanes::splat(simd, 0.0);
            for n in 0..gradient.vectors {
                let (g, _) = gradient.at(simd, row, n);
                let w = Lanes::new(simd, values[row * gradient.pitch + n]);
                let g = l2.times_plus(w, clipped(g, limit) * factor);
                sum = g.times_plus(g, sum);
            }
            rows.push(f64::from(simd.reduce_sum_f32s(sum.value)));
        }
    }
}
