//! Buffers aligned to cache lines.

use std::ops::{Deref, DerefMut};

/// Numbers in a cache line, and the most in a vector of any processor.
pub(super) const LINE: usize = 16;

/// `columns`, rounded up to whole lines: what of a row may be read and written.
#[inline]
pub(super) fn padded(columns: usize) -> usize {
    columns.next_multiple_of(LINE)
}

/// From row to row: whole lines, and an odd number of them, so that rows of a power of two do
/// not all want the same places of the cache.
#[inline]
pub(super) fn stride(columns: usize) -> usize {
    (columns.div_ceil(LINE) | 1) * LINE
}

/// A cache line of numbers.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// Numbers that begin with a cache line, so that no vector of a row straddles two.
#[derive(Default)]
pub(super) struct Lines(Vec<Line>);

impl Lines {
    /// So many numbers, rounded up to whole lines, all zero.
    pub(super) fn zeros(numbers: usize) -> Self {
        Self(vec![Line([0.0; LINE]); numbers.div_ceil(LINE)])
    }
}

impl Deref for Lines {
    type Target = [f32];
    #[inline]
    fn deref(&self) -> &[f32] {
        bytemuck::cast_slice(&self.0)
    }
}

impl DerefMut for Lines {
    #[inline]
    fn deref_mut(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(&mut self.0)
    }
}
