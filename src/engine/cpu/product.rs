//! Matrix products on the calling thread: checks of the bounds, and the division into tiles.
//!
//! All three products of training have one form, `C ← after(before + A·B)`, in which A is read
//! number by number, with any strides, and B and C in vectors along their rows: the weighted sums
//! `X·W`, the gradient of a layer's inputs `D·Wᵀ` (from a transposed copy of `W`) and the
//! gradient of its weights `Xᵀ·D`. That of its biases is the sum of the rows of `D`.
//!
//! Unsafe: the functions of `kernel` take pointers. This module checks that whole operands are in bounds
//! and then calls them for each tile. Its own functions are safe.

#![expect(unsafe_code, reason = "calls `kernel`, which takes pointers, after checking the bounds")]

use super::kernel::{self, Beside, FOUR, Operands, Part};
use super::lines::{LINE, padded};
use crate::activation::{Activation, Backward};
use pulp::{Arch, Scalar, Simd, WithSimd};

/// The left operand, `[rows, depth]`: element `(m, k)` is `values[m·row + k·column]`.
#[derive(Clone, Copy)]
pub(super) struct Left<'a> {
    values: &'a [f32],
    rows: usize,
    depth: usize,
    row: usize,
    column: usize,
}

impl<'a> Left<'a> {
    /// The first `depth` numbers of each of `rows` rows.
    pub(super) fn new(values: &'a [f32], rows: usize, depth: usize, stride: usize) -> Self {
        Self { values, rows, depth, row: stride, column: 1 }
    }

    /// The transpose of that: a row for each of the first `rows` numbers of `depth` rows.
    pub(super) fn transposed(values: &'a [f32], rows: usize, depth: usize, stride: usize) -> Self {
        Self { values, rows, depth, row: 1, column: stride }
    }

    fn reach(&self) -> usize {
        (self.rows - 1) * self.row + (self.depth - 1) * self.column + 1
    }
}

/// The right operand: rows of `stride` from one to the next, and its transpose where there is one,
/// with zeros behind its rows up to whole lines.
#[derive(Clone, Copy)]
pub(super) struct Right<'a> {
    pub(super) values: &'a [f32],
    pub(super) stride: usize,
    pub(super) turned: Option<(&'a [f32], usize)>,
}

/// The contents of `c` afterwards.
#[derive(Clone, Copy)]
pub(super) struct Rule<'a> {
    pub(super) before: Before<'a>,
    pub(super) after: After<'a>,
}

/// What is added to a product.
#[derive(Clone, Copy)]
pub(super) enum Before<'a> {
    /// Nothing.
    Nothing,
    /// The same row to each row.
    Row(&'a [f32]),
    /// What is there.
    There,
}

/// What is done to a product before it is stored.
#[derive(Clone, Copy)]
pub(super) enum After<'a> {
    /// Nothing.
    Keep,
    /// `f(z)`; only those [`is_fused`] names.
    Activation(Activation),
    /// Multiplied by `f′`, from what its backward pass needs: the outputs or the stored slopes, rows of
    /// the stride given.
    Derivative(Backward, &'a [f32], usize),
}

/// Whether [`After::Activation`] can apply it: the others take a pass of their own.
pub(super) fn is_fused(activation: Activation) -> bool {
    matches!(activation.backward(), Backward::Rectifier { .. })
}

/// `c ← after(before + a·b)`: `b` is `[a.depth, columns]`, `c` `[a.rows, columns]` in rows of
/// `c_stride`. The rows of `b`, `c` and what the rule names are
/// read, and those of `c` written, up to whole lines.
pub(super) fn product(
    arch: Arch,
    a: Left,
    b: Right,
    rule: Rule,
    columns: usize,
    c: (&mut [f32], usize),
) {
    product_of_parts(arch, &[(a, b)], rule, columns, c);
}

/// The same of operands in parts, one after the other along the depth. The parts have the same rows and
/// strides, and all but the last a depth of whole lines where one has a transpose of `b`. The result is that
/// of undivided operands, to the bit.
pub(super) fn product_of_parts(
    arch: Arch,
    parts: &[(Left, Right)],
    rule: Rule,
    columns: usize,
    (c, c_stride): (&mut [f32], usize),
) {
    let Some(&(a, b)) = parts.first() else { return };
    if a.rows == 0 || columns == 0 {
        return;
    }
    let wide = padded(columns);
    let reach = |rows: usize, stride: usize| rows.saturating_sub(1) * stride + wide;
    assert!(b.stride >= wide && c_stride >= wide && reach(a.rows, c_stride) <= c.len());
    let mut depth = 0;
    for (n, (left, right)) in parts.iter().enumerate() {
        assert!((left.rows, left.row, left.column) == (a.rows, a.row, a.column));
        assert!(left.depth > 0 && left.reach() <= left.values.len() && right.stride == b.stride);
        assert!(reach(left.depth, right.stride) <= right.values.len());
        let is_last = n + 1 == parts.len();
        assert!(right.turned.is_none() || is_last || left.depth % LINE == 0);
        depth += left.depth;
    }
    let before = match rule.before {
        Before::Nothing => kernel::Before::Nothing,
        Before::Row(row) => {
            assert!(wide <= row.len());
            kernel::Before::Row(row.as_ptr())
        }
        Before::There => kernel::Before::Tile,
    };
    let mut beside = Beside { first: std::ptr::null(), stride: 0 };
    let after = match rule.after {
        After::Keep => kernel::After::Keep,
        After::Activation(activation) => match activation.backward() {
            Backward::Rectifier { below: 0.0 } => kernel::After::Relu,
            Backward::Rectifier { below } if below != 1.0 => kernel::After::Rectifier(below as f32),
            _ => kernel::After::Keep,
        },
        After::Derivative(backward, needed, stride) => {
            assert!(reach(a.rows, stride) <= needed.len());
            beside = Beside { first: needed.as_ptr(), stride };
            match backward {
                Backward::Rectifier { below: 1.0 } | Backward::Row => kernel::After::Keep,
                Backward::Rectifier { below } => kernel::After::TimesRectifier(below as f32),
                Backward::Polynomial(c) => kernel::After::TimesPolynomial(c.map(|c| c as f32)),
                Backward::Slope => kernel::After::Times,
                Backward::None => kernel::After::TimesPolynomial([0.0; 3]),
            }
        }
    };
    // Whether the last columns may go another way, which reads A in whole lines.
    let narrow = if a.row == 1 && matches!(after, kernel::After::Keep) {
        let whole = |a: &Left| (a.depth - 1) * a.column + padded(a.rows) <= a.values.len();
        parts.iter().all(|(a, _)| whole(a)).then_some(Narrow::Turned)
    } else {
        let whole = |a: &Left| (a.rows - 1) * a.row + padded(a.depth) <= a.values.len();
        let fits = |(a, b): &(Left, Right)| a.column == 1 && b.turned.is_some() && whole(a);
        parts.iter().all(fits).then_some(Narrow::Along)
    };
    let part = |(a, b): &(Left, Right)| {
        let turned = b.turned.map(|(turned, stride)| {
            assert!((columns - 1) * stride + padded(a.depth) <= turned.len());
            (turned.as_ptr(), stride)
        });
        let (turned, turned_row) = turned.unwrap_or((std::ptr::null(), 0));
        let (b, depth) = (b.values.as_ptr(), a.depth);
        Part { a: a.values.as_ptr(), b, turned, turned_row, depth }
    };
    // One part is the rule, and a prediction of a few samples allocates nothing.
    let (one, several): ([Part; 1], Vec<Part>);
    let parts: &[Part] = if parts.len() == 1 {
        one = [part(&parts[0])];
        &one
    } else {
        several = parts.iter().map(part).collect();
        &several
    };
    let at = Operands {
        parts,
        first: 0,
        depth,
        a_first: 0,
        a_row: a.row,
        a_column: a.column,
        b_first: 0,
        b_row: b.stride,
        c: c.as_mut_ptr(),
        c_row: c_stride,
    };
    let job = Job { at, rows: a.rows, columns, before, after, beside, narrow, most_depth: depth };
    // Products of one part, which most are, are compiled by themselves.
    if parts.len() == 1 {
        compute::<false>(arch, job);
    } else {
        compute::<true>(arch, job);
    }
}

/// Computes a product of one part, or of any number if `PARTS`.
fn compute<const PARTS: bool>(arch: Arch, job: Job) {
    match arch {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(v4) => Simd::vectorize(v4, Cut::<_, PARTS> { job, half: *v4 }),
        arch => arch.dispatch(Cut::<_, PARTS> { job, half: Scalar }),
    }
}

/// `sums ← Σᵣ rows(r)`, or `sums + Σᵣ rows(r)`: of each part so many rows, `stride` from row to row, of
/// `columns`, read and written up to whole lines.
pub(super) fn sum_rows(
    arch: Arch,
    parts: &[(&[f32], usize)],
    stride: usize,
    columns: usize,
    accumulate: bool,
    sums: &mut [f32],
) {
    let wide = padded(columns);
    for (rows, count) in parts {
        assert!(*count == 0 || (count - 1) * stride + wide <= rows.len());
    }
    assert!(stride >= wide && wide <= sums.len());
    arch.dispatch(SumRows { parts, stride, columns, accumulate, sums: sums.as_mut_ptr() });
}

/// A sum of rows whose bounds were checked.
struct SumRows<'a> {
    parts: &'a [(&'a [f32], usize)],
    stride: usize,
    columns: usize,
    accumulate: bool,
    sums: *mut f32,
}

impl WithSimd for SumRows<'_> {
    type Output = ();

    /// Four vectors of columns at a time.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { parts, stride, columns, accumulate, sums } = self;
        let mut column = 0;
        while column < columns {
            let wide = columns - column > 3 * S::F32_LANES;
            // SAFETY: `sum_rows` has checked that the rows and the sums are there up to whole lines,
            // of which a vector is a part, and no vector begins beyond the last column.
            column += unsafe {
                let to = sums.add(column);
                if wide {
                    kernel::sum_rows::<S, 4>(simd, parts, (stride, column), accumulate, to);
                    4 * S::F32_LANES
                } else {
                    kernel::sum_rows::<S, 1>(simd, parts, (stride, column), accumulate, to);
                    S::F32_LANES
                }
            };
        }
    }
}

/// A product whose bounds were checked.
#[derive(Clone, Copy)]
struct Job<'a> {
    at: Operands<'a>,
    rows: usize,
    columns: usize,
    before: kernel::Before,
    after: kernel::After,
    beside: Beside,
    narrow: Option<Narrow>,
    /// The most k of a panel, the same for panels of every width: so a sum does not depend on which
    /// columns are computed with its own.
    most_depth: usize,
}

impl Job<'_> {
    /// What goes before some rows from a column on, and what is beside them.
    ///
    /// # Safety
    /// The row and the column must be within C.
    unsafe fn rule_at(&self, row: usize, column: usize) -> (kernel::Before, Beside) {
        let before = match self.before {
            // SAFETY: the row is as long as those of C.
            kernel::Before::Row(first) => kernel::Before::Row(unsafe { first.add(column) }),
            before => before,
        };
        let Beside { first, stride } = self.beside;
        // Wrapping, since there may be nothing beside C, which is then not read.
        (before, Beside { first: first.wrapping_add(row * stride + column), stride })
    }
}

/// How a few last columns are computed where a vector of them would be mostly empty.
#[derive(Clone, Copy)]
enum Narrow {
    /// Vectors along the rows of A, which is turned.
    Turned,
    /// Vectors along the depth, with the transpose of B.
    Along,
}

/// A job, and the instructions of vectors half as long for what is left at the end of a row.
struct Cut<'a, H, const PARTS: bool> {
    job: Job<'a>,
    half: H,
}

impl<H: Simd, const PARTS: bool> WithSimd for Cut<'_, H, PARTS> {
    type Output = ();

    /// Panels of three vectors of columns, of two where there are few registers.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { mut job, half } = self;
        job.most_depth = most_depth::<S>();
        let rest = job.columns % S::F32_LANES;
        let narrow = job.narrow.filter(|_| {
            let worthwhile = (1..=FOUR).contains(&rest) && job.at.depth >= 2 * S::F32_LANES;
            S::F32_LANES >= 2 * FOUR && worthwhile
        });
        let end = job.columns - narrow.map_or(0, |_| rest);
        let mut column = 0;
        let uncut = job.at.depth <= job.most_depth;
        // Where A is turned, its rows are the inputs of a layer, and the depth is what is long.
        if job.rows < FEW && job.at.a_column == 1 && uncut && end > 2 * S::F32_LANES {
            column = few_rows::<S, PARTS>(simd, job, end);
        }
        while column < end {
            let left = end - column;
            // In half vectors, where there are some: a seventh is then left for the end.
            let halves = H::F32_LANES * 2 == S::F32_LANES;
            let lanes = if halves { H::F32_LANES } else { S::F32_LANES };
            let left = left.div_ceil(lanes);
            let (one, four) = if halves { (2, 8) } else { (1, 4) };
            column += if halves && left == 1 {
                panel::<H, 1, PARTS>(half, job, column)
            } else if left <= one {
                panel::<S, 1, PARTS>(simd, job, column)
            } else if left <= 2 * one || left == four || widest_panel::<S>() < 3 {
                panel::<S, 2, PARTS>(simd, job, column)
            } else {
                panel::<S, 3, PARTS>(simd, job, column)
            };
        }
        match narrow {
            None => {}
            Some(Narrow::Turned) => narrow_turned::<S, PARTS>(simd, job, end),
            Some(Narrow::Along) => {
                // The transpose has a row for each column.
                let columns = [0, 1, 2, 3].map(|n: usize| end + n.min(rest - 1));
                narrow_along::<S, PARTS>(simd, job, end, columns);
            }
        }
    }
}

/// The columns from `column` on, at most [`FOUR`], where A is turned.
#[inline(always)]
fn narrow_turned<S: Simd, const PARTS: bool>(simd: S, job: Job, column: usize) {
    let mut row = 0;
    while row < job.rows {
        let left = job.rows - row;
        // SAFETY: `product` has checked that A is there in whole lines, of which vectors are a part,
        // and all else as for a tile; `row` and `column` are within C, and no more rows are asked
        // for than are left.
        unsafe {
            let at = Operands {
                a_first: row * job.at.a_row,
                b_first: column,
                c: job.at.c.add(row * job.at.c_row + column),
                ..job.at
            };
            let (before, beside) = job.rule_at(row, column);
            row += if left > 3 * S::F32_LANES && registers::<S>() >= 32 {
                let rows = left.min(4 * S::F32_LANES);
                kernel::narrow_turned_tile::<S, 4, PARTS>(
                    simd, at, rows, before, job.after, beside,
                );
                rows
            } else if left > S::F32_LANES && registers::<S>() < 32 {
                // As many sums as registers hold beside the factors.
                let rows = left.min(2 * S::F32_LANES);
                kernel::narrow_turned_tile::<S, 2, PARTS>(
                    simd, at, rows, before, job.after, beside,
                );
                rows
            } else {
                let rows = left.min(S::F32_LANES);
                kernel::narrow_turned_tile::<S, 1, PARTS>(
                    simd, at, rows, before, job.after, beside,
                );
                rows
            };
        }
    }
}

/// The columns from `column` on, at most [`FOUR`], each with its row of the transpose of B.
#[inline(always)]
fn narrow_along<S: Simd, const PARTS: bool>(
    simd: S,
    job: Job,
    column: usize,
    columns: [usize; FOUR],
) {
    let mut row = 0;
    while row < job.rows {
        // SAFETY: `product` has checked that A and the transpose are there in whole lines, of which
        // vectors are a part, and all else as for a tile; `row` and `column` are within C, and no
        // more rows are asked for than are left.
        unsafe {
            let at = Operands {
                a_first: row * job.at.a_row,
                c: job.at.c.add(row * job.at.c_row + column),
                ..job.at
            };
            let (before, beside) = job.rule_at(row, column);
            let left = job.rows - row;
            row += if left >= 4 && registers::<S>() >= 32 {
                kernel::narrow_tile::<S, 4, PARTS>(simd, at, columns, before, job.after, beside);
                4
            } else if left >= 2 && registers::<S>() < 32 {
                kernel::narrow_tile::<S, 2, PARTS>(simd, at, columns, before, job.after, beside);
                2
            } else {
                kernel::narrow_tile::<S, 1, PARTS>(simd, at, columns, before, job.after, beside);
                1
            };
        }
    }
}

/// Bytes of B that stay in the fastest cache while the rows of A go by.
const PANEL_BYTES: usize = 24 << 10;

/// A browser compiles the tiles once more. The larger ones are slower there, since the compiler keeps a
/// register for itself and has an address for each row of A.
const BROWSER: bool = cfg!(target_arch = "wasm32");

/// Vector registers of the processor. `pulp` takes WebAssembly's variables for them, of which there are
/// any number; a browser's compiler has 16 on most machines.
const fn registers<S: Simd>() -> usize {
    if BROWSER { 16 } else { S::REGISTER_COUNT }
}

/// Vectors of columns in the widest panel. With 16 registers, 4 × 3 sums leave too few for the rest: the
/// compiler stores one.
const fn widest_panel<S: Simd>() -> usize {
    if registers::<S>() < 32 && !BROWSER { 2 } else { 3 }
}

/// The most rows of B in a panel.
const fn most_depth<S: Simd>() -> usize {
    PANEL_BYTES / (4 * widest_panel::<S>() * S::F32_LANES)
}

/// Fewer rows than this are computed one by one, with more columns at a time: the sums of a tile of so few
/// rows would wait for each other.
const FEW: usize = 4;

/// All rows of the columns up to `end`, one row after the other, where no panel would be cut. So the sums
/// are the same to the bit as those of panels. Returns where the columns end.
#[inline(always)]
fn few_rows<S: Simd, const PARTS: bool>(simd: S, job: Job, end: usize) -> usize {
    let mut column = 0;
    while column < end {
        let mut strip = Strip { job, column, first: 0, depth: job.at.depth, row: 0 };
        let vectors = match (end - column).div_ceil(S::F32_LANES) {
            8.. => {
                strip.rows::<S, 1, 8, PARTS>(simd);
                8
            }
            4 | 7 => {
                strip.rows::<S, 1, 4, PARTS>(simd);
                4
            }
            3.. => {
                strip.rows::<S, 1, 3, PARTS>(simd);
                3
            }
            2 => {
                strip.rows::<S, 1, 2, PARTS>(simd);
                2
            }
            _ => {
                strip.rows::<S, 1, 1, PARTS>(simd);
                1
            }
        };
        column += vectors * S::F32_LANES;
    }
    column
}

/// All rows of `N` vectors of columns from `column` on; how many columns these are.
#[inline(always)]
fn panel<S: Simd, const N: usize, const PARTS: bool>(simd: S, job: Job, column: usize) -> usize {
    let width = N * S::F32_LANES;
    let blocks = job.at.depth.div_ceil(job.most_depth);
    let most = job.at.depth.div_ceil(blocks);
    let mut done = 0;
    while done < job.at.depth {
        let depth = most.min(job.at.depth - done);
        let mut strip = Strip { job, column, first: done, depth, row: 0 };
        if done > 0 {
            strip.job.before = kernel::Before::Tile;
        }
        done += depth;
        if done < job.at.depth {
            strip.job.after = kernel::After::Keep;
        }
        // As many sums as there are registers for, beside a row of B and a number of A.
        if registers::<S>() >= 32 || N == 1 {
            strip.rows::<S, 8, N, PARTS>(simd);
        }
        if N == 2 && !BROWSER {
            strip.rows::<S, 6, N, PARTS>(simd);
        }
        if N == 3 && BROWSER {
            strip.rows::<S, 3, N, PARTS>(simd);
        } else {
            strip.rows::<S, 4, N, PARTS>(simd);
        }
        strip.rows::<S, 2, N, PARTS>(simd);
        strip.rows::<S, 1, N, PARTS>(simd);
    }
    width
}

/// Some columns of C, and some of the depth, on the way down the rows.
struct Strip<'a> {
    job: Job<'a>,
    column: usize,
    first: usize,
    depth: usize,
    row: usize,
}

impl Strip<'_> {
    /// Tiles of `M` rows as long as there are so many.
    #[inline(always)]
    fn rows<S: Simd, const M: usize, const N: usize, const PARTS: bool>(&mut self, simd: S) {
        let at = self.job.at;
        while self.job.rows - self.row >= M {
            // SAFETY: `product` has checked that A, B, C, the row before and the outputs are
            // there for all of its rows, columns (up to whole lines, of which a vector is a
            // part) and depth; `row + M`, `column` and its `N` vectors (no more than the columns
            // left, rounded up to whole vectors) and `first + depth` are within them.
            unsafe {
                let (before, beside) = self.job.rule_at(self.row, self.column);
                let at = Operands {
                    first: self.first,
                    a_first: self.row * at.a_row,
                    b_first: self.column,
                    c: at.c.add(self.row * at.c_row + self.column),
                    depth: self.depth,
                    ..at
                };
                kernel::tile::<S, M, N, PARTS>(simd, at, before, self.job.after, beside);
            }
            self.row += M;
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
