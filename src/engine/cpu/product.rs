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

use super::kernel::{self, Beside, FOUR, Operands};
use super::lines::padded;
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
    (c, c_stride): (&mut [f32], usize),
) {
    if a.rows == 0 || columns == 0 {
        return;
    }
    let wide = padded(columns);
    let reach = |rows: usize, stride: usize| rows.saturating_sub(1) * stride + wide;
    assert!(a.depth > 0 && a.reach() <= a.values.len() && b.stride >= wide && c_stride >= wide);
    assert!(reach(a.depth, b.stride) <= b.values.len() && reach(a.rows, c_stride) <= c.len());
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
    let at = Operands {
        a: a.values.as_ptr(),
        a_row: a.row,
        a_column: a.column,
        b: b.values.as_ptr(),
        b_row: b.stride,
        c: c.as_mut_ptr(),
        c_row: c_stride,
        depth: a.depth,
    };
    // Whether the last columns may go another way, which reads A in whole lines.
    let narrow = if a.row == 1 && matches!(after, kernel::After::Keep) {
        ((a.depth - 1) * a.column + padded(a.rows) <= a.values.len()).then_some(Narrow::Turned)
    } else {
        let whole = a.column == 1 && (a.rows - 1) * a.row + padded(a.depth) <= a.values.len();
        b.turned.filter(|_| whole).map(|(turned, stride)| {
            assert!((columns - 1) * stride + padded(a.depth) <= turned.len());
            Narrow::Along(turned.as_ptr(), stride)
        })
    };
    let job = Job { at, rows: a.rows, columns, before, after, beside, narrow };
    match arch {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(v4) => Simd::vectorize(v4, Cut { job, half: *v4 }),
        arch => arch.dispatch(Cut { job, half: Scalar }),
    }
}

/// `sums ← Σᵣ rows(r)`, or `sums + Σᵣ rows(r)`: the first `count` rows, `stride` from row to row, of
/// `columns`, read and written up to whole lines.
pub(super) fn sum_rows(
    arch: Arch,
    (rows, stride): (&[f32], usize),
    count: usize,
    columns: usize,
    accumulate: bool,
    sums: &mut [f32],
) {
    let wide = padded(columns);
    assert!(count == 0 || (count - 1) * stride + wide <= rows.len());
    assert!(stride >= wide && wide <= sums.len());
    let (rows, sums) = (rows.as_ptr(), sums.as_mut_ptr());
    arch.dispatch(SumRows { rows, stride, count, columns, accumulate, sums });
}

/// A sum of rows whose bounds were checked.
struct SumRows {
    rows: *const f32,
    stride: usize,
    count: usize,
    columns: usize,
    accumulate: bool,
    sums: *mut f32,
}

impl WithSimd for SumRows {
    type Output = ();

    /// Four vectors of columns at a time.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { rows, stride, count, columns, accumulate, sums } = self;
        let mut column = 0;
        while column < columns {
            let wide = columns - column > 3 * S::F32_LANES;
            // SAFETY: `sum_rows` has checked that the rows and the sums are there up to whole lines,
            // of which a vector is a part, and no vector begins beyond the last column.
            column += unsafe {
                let (from, to) = ((rows.add(column), stride), sums.add(column));
                if wide {
                    kernel::sum_rows::<S, 4>(simd, from, count, accumulate, to);
                    4 * S::F32_LANES
                } else {
                    kernel::sum_rows::<S, 1>(simd, from, count, accumulate, to);
                    S::F32_LANES
                }
            };
        }
    }
}

/// A product whose bounds were checked.
#[derive(Clone, Copy)]
struct Job {
    at: Operands,
    rows: usize,
    columns: usize,
    before: kernel::Before,
    after: kernel::After,
    beside: Beside,
    narrow: Option<Narrow>,
}

impl Job {
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
    /// Vectors along the depth: where the transpose of B is, and from row to row.
    Along(*const f32, usize),
}

/// A job, and the instructions of vectors half as long for what is left at the end of a row.
struct Cut<H> {
    job: Job,
    half: H,
}

impl<H: Simd> WithSimd for Cut<H> {
    type Output = ();

    /// Panels of three vectors of columns, of two where there are few registers.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { job, half } = self;
        let rest = job.columns % S::F32_LANES;
        let narrow = job.narrow.filter(|_| {
            let worthwhile = (1..=FOUR).contains(&rest) && job.at.depth >= 2 * S::F32_LANES;
            S::F32_LANES >= 2 * FOUR && worthwhile
        });
        let end = job.columns - narrow.map_or(0, |_| rest);
        let mut column = 0;
        let uncut = job.at.depth <= most_depth::<S>(3);
        // Where A is turned, its rows are the inputs of a layer, and the depth is what is long.
        if job.rows < FEW && job.at.a_column == 1 && uncut && end > 2 * S::F32_LANES {
            column = few_rows(simd, job, end);
        }
        while column < end {
            let left = end - column;
            // In half vectors, where there are some: a seventh is then left for the end.
            let halves = H::F32_LANES * 2 == S::F32_LANES;
            let lanes = if halves { H::F32_LANES } else { S::F32_LANES };
            let left = left.div_ceil(lanes);
            let (one, four) = if halves { (2, 8) } else { (1, 4) };
            column += if halves && left == 1 {
                panel::<H, 1>(half, job, column)
            } else if left <= one {
                panel::<S, 1>(simd, job, column)
            } else if left <= 2 * one || left == four || (registers::<S>() < 32 && !BROWSER) {
                // With 16 registers, 4 × 3 sums leave too few for the rest: the compiler stores one.
                panel::<S, 2>(simd, job, column)
            } else {
                panel::<S, 3>(simd, job, column)
            };
        }
        match narrow {
            None => {}
            Some(Narrow::Turned) => narrow_turned(simd, job, end),
            Some(Narrow::Along(turned, stride)) => {
                // SAFETY: the transpose has a row for each column.
                let rows = [0, 1, 2, 3]
                    .map(|n: usize| unsafe { turned.add((end + n.min(rest - 1)) * stride) });
                narrow_along(simd, job, end, rows);
            }
        }
    }
}

/// The columns from `column` on, at most [`FOUR`], where A is turned.
#[inline(always)]
fn narrow_turned<S: Simd>(simd: S, job: Job, column: usize) {
    let mut row = 0;
    while row < job.rows {
        let left = job.rows - row;
        // SAFETY: `product` has checked that A is there in whole lines, of which vectors are a part,
        // and all else as for a tile; `row` and `column` are within C, and no more rows are asked
        // for than are left.
        unsafe {
            let at = Operands {
                a: job.at.a.add(row * job.at.a_row),
                b: job.at.b.add(column),
                c: job.at.c.add(row * job.at.c_row + column),
                ..job.at
            };
            let (before, beside) = job.rule_at(row, column);
            row += if left > 3 * S::F32_LANES && registers::<S>() >= 32 {
                let rows = left.min(4 * S::F32_LANES);
                kernel::narrow_turned_tile::<S, 4>(simd, at, rows, before, job.after, beside);
                rows
            } else if left > S::F32_LANES && registers::<S>() < 32 {
                // As many sums as registers hold beside the factors.
                let rows = left.min(2 * S::F32_LANES);
                kernel::narrow_turned_tile::<S, 2>(simd, at, rows, before, job.after, beside);
                rows
            } else {
                let rows = left.min(S::F32_LANES);
                kernel::narrow_turned_tile::<S, 1>(simd, at, rows, before, job.after, beside);
                rows
            };
        }
    }
}

/// The columns from `column` on, at most [`FOUR`], each with its row of the transpose of B.
#[inline(always)]
fn narrow_along<S: Simd>(simd: S, job: Job, column: usize, turned: [*const f32; FOUR]) {
    let mut row = 0;
    while row < job.rows {
        // SAFETY: `product` has checked that A and the transpose are there in whole lines, of which
        // vectors are a part, and all else as for a tile; `row` and `column` are within C, and no
        // more rows are asked for than are left.
        unsafe {
            let at = Operands {
                a: job.at.a.add(row * job.at.a_row),
                c: job.at.c.add(row * job.at.c_row + column),
                ..job.at
            };
            let (before, beside) = job.rule_at(row, column);
            let left = job.rows - row;
            row += if left >= 4 && registers::<S>() >= 32 {
                kernel::narrow_tile::<S, 4>(simd, at, turned, before, job.after, beside);
                4
            } else if left >= 2 && registers::<S>() < 32 {
                kernel::narrow_tile::<S, 2>(simd, at, turned, before, job.after, beside);
                2
            } else {
                kernel::narrow_tile::<S, 1>(simd, at, turned, before, job.after, beside);
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

/// The most rows of B in a panel of `N` vectors.
const fn most_depth<S: Simd>(vectors: usize) -> usize {
    PANEL_BYTES / (4 * vectors * S::F32_LANES)
}

/// Fewer rows than this are computed one by one, with more columns at a time: the sums of a tile of so few
/// rows would wait for each other.
const FEW: usize = 4;

/// All rows of the columns up to `end`, one row after the other, where no panel would be cut. So the sums
/// are the same to the bit as those of panels. Returns where the columns end.
#[inline(always)]
fn few_rows<S: Simd>(simd: S, job: Job, end: usize) -> usize {
    let mut column = 0;
    while column < end {
        let mut strip = Strip { job, column, first: 0, depth: job.at.depth, row: 0 };
        let vectors = match (end - column).div_ceil(S::F32_LANES) {
            8.. => {
                strip.rows::<S, 1, 8>(simd);
                8
            }
            4 | 7 => {
                strip.rows::<S, 1, 4>(simd);
                4
            }
            3.. => {
                strip.rows::<S, 1, 3>(simd);
                3
            }
            2 => {
                strip.rows::<S, 1, 2>(simd);
                2
            }
            _ => {
                strip.rows::<S, 1, 1>(simd);
                1
            }
        };
        column += vectors * S::F32_LANES;
    }
    column
}

/// All rows of `N` vectors of columns from `column` on; how many columns these are.
#[inline(always)]
fn panel<S: Simd, const N: usize>(simd: S, job: Job, column: usize) -> usize {
    let width = N * S::F32_LANES;
    let blocks = job.at.depth.div_ceil(most_depth::<S>(N));
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
            strip.rows::<S, 8, N>(simd);
        }
        if N == 2 && !BROWSER {
            strip.rows::<S, 6, N>(simd);
        }
        if N == 3 && BROWSER {
            strip.rows::<S, 3, N>(simd);
        } else {
            strip.rows::<S, 4, N>(simd);
        }
        strip.rows::<S, 2, N>(simd);
        strip.rows::<S, 1, N>(simd);
    }
    width
}

/// Some columns of C, and some of the depth, on the way down the rows.
struct Strip {
    job: Job,
    column: usize,
    first: usize,
    depth: usize,
    row: usize,
}

impl Strip {
    /// Tiles of `M` rows as long as there are so many.
    #[inline(always)]
    fn rows<S: Simd, const M: usize, const N: usize>(&mut self, simd: S) {
        let at = self.job.at;
        while self.job.rows - self.row >= M {
            // SAFETY: `product` has checked that A, B, C, the row before and the outputs are
            // there for all of its rows, columns (up to whole lines, of which a vector is a
            // part) and depth; `row + M`, `column` and its `N` vectors (no more than the columns
            // left, rounded up to whole vectors) and `first + depth` are within them.
            unsafe {
                let (before, beside) = self.job.rule_at(self.row, self.column);
                let at = Operands {
                    a: at.a.add(self.row * at.a_row + self.first * at.a_column),
                    b: at.b.add(self.first * at.b_row + self.column),
                    c: at.c.add(self.row * at.c_row + self.column),
                    depth: self.depth,
                    ..at
                };
                kernel::tile::<S, M, N>(simd, at, before, self.job.after, beside);
            }
            self.row += M;
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
