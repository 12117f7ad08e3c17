//! The micro-kernel: a few rows × a few vectors of a matrix product, held in registers.
//!
//! Written once over [`pulp::Simd`]; everything is inlined into the function that
//! [`Simd::vectorize`] compiles for its instructions, so that a vector is a register there.
//!
//! Unsafe: the operands are pointers, since checks of bounds in these loops would take as long as the
//! products. `product` checks the bounds of whole matrices before it calls these functions.

#![expect(unsafe_code, reason = "operands are pointers; `product` checks the bounds beforehand")]

use super::lines::LINE;
use pulp::Simd;

/// What is added to the sums of a tile.
#[derive(Clone, Copy)]
pub(super) enum Before {
    /// Nothing: the tile is overwritten.
    Nothing,
    /// The same row to every row of the tile; the tile is overwritten.
    Row(*const f32),
    /// The contents of the tile.
    Tile,
}

/// What is done to the sums of a tile before they are stored.
#[derive(Clone, Copy)]
pub(super) enum After {
    /// Nothing.
    Keep,
    /// `z < 0 ? 0 : z`.
    Relu,
    /// `z < 0 ? below·z : z`.
    Rectifier(f32),
    /// Multiplied by `y > 0 ? 1 : below`, `y` beside the tile.
    TimesRectifier(f32),
    /// Multiplied by `a + y(b + c·y)`, `y` beside the tile.
    TimesPolynomial([f32; 3]),
    /// Multiplied by the numbers beside the tile.
    Times,
}

/// A matrix as large as the tile, the outputs or slopes of its neurons: where its first number is, and
/// from row to row. Only what multiplies by it reads it.
#[derive(Clone, Copy)]
pub(super) struct Beside {
    pub(super) first: *const f32,
    pub(super) stride: usize,
}

impl Beside {
    /// Vector `n` of row `m`.
    ///
    /// # Safety
    /// It must be readable.
    #[inline(always)]
    unsafe fn vector<S: Simd>(self, m: usize, n: usize) -> S::f32s {
        // SAFETY: as the caller promises.
        unsafe { load::<S>(self.first.add(m * self.stride), n) }
    }
}

/// The places of the operands of a tile: `A(m, k) = a[m·a_row + k·a_column]`,
/// `B(k, n) = b[k·b_row + n]`, `C(m, n) = c[m·c_row + n]`.
#[derive(Clone, Copy)]
pub(super) struct Operands {
    pub(super) a: *const f32,
    pub(super) a_row: usize,
    pub(super) a_column: usize,
    pub(super) b: *const f32,
    pub(super) b_row: usize,
    pub(super) c: *mut f32,
    pub(super) c_row: usize,
    pub(super) depth: usize,
}

/// `C ← after(before + Σₖ A(·, k)·B(k, ·))` for `M` rows and `N` vectors of columns. The sum goes
/// term by term, and what was there before is added last.
///
/// # Safety
/// For all `m < M`, `k < depth`, `n < N·S::F32_LANES`, `A(m, k)` and `B(k, n)` must be readable,
/// `C(m, n)` readable and writable and overlapping nothing else; a row in `before` as long as a
/// row of the tile and a matrix in `after` as large as the tile must be readable.
#[inline(always)]
pub(super) unsafe fn tile<S: Simd, const M: usize, const N: usize>(
    simd: S,
    at: Operands,
    before: Before,
    after: After,
    beside: Beside,
) {
    let mut sums = [[simd.splat_f32s(0.0); N]; M];
    for k in 0..at.depth {
        // SAFETY: `k < depth`, so row k of B and column k of A are there.
        let (b, a) = unsafe { (at.b.add(k * at.b_row), at.a.add(k * at.a_column)) };
        let mut row = [simd.splat_f32s(0.0); N];
        for n in 0..N {
            // SAFETY: `n < N`, so this vector of row k is there.
            row[n] = unsafe { load::<S>(b, n) };
        }
        for m in 0..M {
            // SAFETY: `m < M`, so A(m, k) is there.
            let factor = simd.splat_f32s(unsafe { *a.add(m * at.a_row) });
            for n in 0..N {
                sums[m][n] = simd.mul_add_e_f32s(factor, row[n], sums[m][n]);
            }
        }
    }
    // SAFETY: as the caller promises.
    unsafe { finish(simd, (at.c, at.c_row), sums, before, after, beside) };
}

/// `C ← after(before + sums)` for `M` rows and `N` vectors of columns, `C(m, n) = c[m·row + n]`.
///
/// # Safety
/// As [`tile`], of C, the row before and what is beside it.
#[inline(always)]
unsafe fn finish<S: Simd, const M: usize, const N: usize>(
    simd: S,
    (c, c_row): (*mut f32, usize),
    mut sums: [[S::f32s; N]; M],
    before: Before,
    after: After,
    beside: Beside,
) {
    // SAFETY: `c_row` from row to row, all the tile is there, as the caller promises; so are the
    // row before and what is beside it.
    unsafe {
        match before {
            Before::Nothing => {}
            Before::Row(row) => {
                for n in 0..N {
                    let row = load::<S>(row, n);
                    for m in 0..M {
                        sums[m][n] = simd.add_f32s(row, sums[m][n]);
                    }
                }
            }
            Before::Tile => {
                for m in 0..M {
                    for n in 0..N {
                        let there = load::<S>(c.add(m * c_row), n);
                        sums[m][n] = simd.add_f32s(there, sums[m][n]);
                    }
                }
            }
        }
        let (zero, one) = (simd.splat_f32s(0.0), simd.splat_f32s(1.0));
        match after {
            After::Keep => put::<S, M, N>((c, c_row), sums, |z, _, _| z),
            // Written so that NaN passes through and is noticed, which max(0, NaN) = 0 hides.
            After::Relu => put::<S, M, N>((c, c_row), sums, |z, _, _| {
                simd.select_f32s(simd.less_than_f32s(z, zero), zero, z)
            }),
            After::Rectifier(below) => {
                let below = simd.splat_f32s(below);
                put::<S, M, N>((c, c_row), sums, |z, _, _| {
                    let scaled = simd.mul_f32s(z, below);
                    simd.select_f32s(simd.less_than_f32s(z, zero), scaled, z)
                });
            }
            After::TimesRectifier(below) => {
                let below = simd.splat_f32s(below);
                put::<S, M, N>((c, c_row), sums, |d, m, n| {
                    let above = simd.greater_than_f32s(beside.vector::<S>(m, n), zero);
                    simd.mul_f32s(d, simd.select_f32s(above, one, below))
                });
            }
            After::TimesPolynomial(coefficients) => {
                let [a, b, c2] = coefficients.map(|c| simd.splat_f32s(c));
                put::<S, M, N>((c, c_row), sums, |d, m, n| {
                    let y = beside.vector::<S>(m, n);
                    let inner = simd.mul_add_e_f32s(c2, y, b);
                    simd.mul_f32s(d, simd.mul_add_e_f32s(y, inner, a))
                });
            }
            After::Times => put::<S, M, N>((c, c_row), sums, |d, m, n| {
                simd.mul_f32s(d, beside.vector::<S>(m, n))
            }),
        }
    }
}

/// Numbers that are turned together within a vector, and the most columns of a narrow tile.
pub(super) const FOUR: usize = 4;

/// As [`tile`], of `M` rows and at most [`FOUR`] columns, where a number of A times a vector would
/// leave most of the vector unused: vectors go along the depth instead, and are added up in the end.
/// Row `n` of B's transpose is at `turned[n]`, zeros behind it up to a whole vector.
///
/// # Safety
/// As [`tile`] for one vector of columns, but of B; A's rows must have their numbers side by side
/// (`a_column` is 1). They and those of `turned` must be readable up to whole vectors.
#[inline(always)]
pub(super) unsafe fn narrow_tile<S: Simd, const M: usize>(
    simd: S,
    at: Operands,
    turned: [*const f32; FOUR],
    before: Before,
    after: After,
    beside: Beside,
) {
    let zero = simd.splat_f32s(0.0);
    let mut parts = [[zero; FOUR]; M];
    let whole = at.depth / S::F32_LANES;
    let rest = at.depth % S::F32_LANES;
    // Behind A's last number may be anything.
    let mask = simd.mask_between_m32s(0, rest as u32).mask();
    for v in 0..whole + usize::from(rest > 0) {
        let mut values = [zero; M];
        for m in 0..M {
            // SAFETY: `m < M`, and vector v begins before the end of the row.
            let value = unsafe { load::<S>(at.a.add(m * at.a_row), v) };
            values[m] = if v < whole { value } else { simd.select_f32s(mask, value, zero) };
        }
        for n in 0..FOUR {
            // SAFETY: as above.
            let factors = unsafe { load::<S>(turned[n], v) };
            for m in 0..M {
                parts[m][n] = simd.mul_add_e_f32s(values[m], factors, parts[m][n]);
            }
        }
    }
    let mut sums = [[zero; 1]; M];
    for m in 0..M {
        let [a, b, c, d]: [S::f32s; FOUR] = simd.deinterleave_shfl_f32s(parts[m]);
        let fours = fours::<S>(simd.add_f32s(simd.add_f32s(a, b), simd.add_f32s(c, d)));
        let mut sum = [0.0; FOUR];
        for four in &fours[..S::F32_LANES / FOUR] {
            for n in 0..FOUR {
                sum[n] += four[n];
            }
        }
        sums[m][0] = vector::<S>(sum);
    }
    // SAFETY: as the caller promises.
    unsafe { finish(simd, (at.c, at.c_row), sums, before, after, beside) };
}

/// As [`tile`], of the first `rows` of `V` vectors of rows and at most [`FOUR`] columns: vectors go
/// along the rows.
///
/// # Safety
/// As [`tile`] for one vector of columns; A's columns must have their numbers side by side (`a_row`
/// must be one) and be readable up to whole vectors, and `rows` must be no more than `V` vectors have.
/// What is before and after must be the same for all rows.
#[inline(always)]
pub(super) unsafe fn narrow_turned_tile<S: Simd, const V: usize>(
    simd: S,
    at: Operands,
    rows: usize,
    before: Before,
    after: After,
    beside: Beside,
) {
    let mut sums = [[simd.splat_f32s(0.0); FOUR]; V];
    for k in 0..at.depth {
        // SAFETY: `k < depth`, so column k of A and row k of B are there, the latter for a vector.
        let (a, b) = unsafe { (at.a.add(k * at.a_column), at.b.add(k * at.b_row)) };
        let mut factors = [simd.splat_f32s(0.0); FOUR];
        for n in 0..FOUR {
            // SAFETY: a vector has at least so many numbers.
            factors[n] = simd.splat_f32s(unsafe { *b.add(n) });
        }
        for v in 0..V {
            // SAFETY: `v < V`, so this vector of the column is there.
            let values = unsafe { load::<S>(a, v) };
            for n in 0..FOUR {
                sums[v][n] = simd.mul_add_e_f32s(values, factors[n], sums[v][n]);
            }
        }
    }
    for v in 0..V {
        // Number m of the four vectors, for each m: every fourth in one vector.
        let turned: [S::f32s; FOUR] = simd.deinterleave_shfl_f32s(sums[v]);
        for (i, some) in turned.into_iter().enumerate() {
            for (n, four) in fours::<S>(some).into_iter().enumerate().take(S::F32_LANES / FOUR) {
                let row = v * S::F32_LANES + n * FOUR + i;
                if row < rows {
                    // SAFETY: this row of C is there, as the caller promises.
                    unsafe {
                        let c = at.c.add(row * at.c_row);
                        finish(simd, (c, at.c_row), [[vector::<S>(four)]], before, after, beside);
                    }
                }
            }
        }
    }
}

/// The numbers of a vector, four and four; zeros behind its end.
#[inline(always)]
fn fours<S: Simd>(vector: S::f32s) -> [[f32; FOUR]; LINE / FOUR] {
    let mut fours = [[0.0; FOUR]; LINE / FOUR];
    let parts: &[[f32; FOUR]] = bytemuck::cast_slice(std::slice::from_ref(&vector));
    for (four, part) in fours.iter_mut().zip(parts) {
        *four = *part;
    }
    fours
}

/// Four numbers and zeros.
#[inline(always)]
fn vector<S: Simd>(four: [f32; FOUR]) -> S::f32s {
    let mut fours = [[0.0; FOUR]; LINE / FOUR];
    fours[0] = four;
    bytemuck::pod_read_unaligned(bytemuck::cast_slice(&fours[..S::F32_LANES / FOUR]))
}

/// The sum of `rows` rows of `N` vectors, `stride` from row to row, added to the contents of `sums`,
/// or not.
///
/// # Safety
/// All the rows must be readable, and `sums` a row that is readable and writable.
#[inline(always)]
pub(super) unsafe fn sum_rows<S: Simd, const N: usize>(
    simd: S,
    (first, stride): (*const f32, usize),
    rows: usize,
    accumulate: bool,
    sums: *mut f32,
) {
    let mut row = [simd.splat_f32s(0.0); N];
    for r in 0..rows {
        for n in 0..N {
            // SAFETY: `r < rows` and `n < N`, so this vector is there.
            row[n] = simd.add_f32s(row[n], unsafe { load::<S>(first.add(r * stride), n) });
        }
    }
    for n in 0..N {
        // SAFETY: `n < N`, so this vector of the sums is there.
        unsafe {
            let before = if accumulate { load::<S>(sums, n) } else { simd.splat_f32s(0.0) };
            store::<S>(sums, n, simd.add_f32s(before, row[n]));
        }
    }
}

/// `C(m, n) ← f(sums(m, n))`.
///
/// # Safety
/// As [`tile`], of C.
#[inline(always)]
unsafe fn put<S: Simd, const M: usize, const N: usize>(
    (c, c_row): (*mut f32, usize),
    sums: [[S::f32s; N]; M],
    f: impl Fn(S::f32s, usize, usize) -> S::f32s,
) {
    for m in 0..M {
        for n in 0..N {
            // SAFETY: `m < M` and `n < N`, so this vector of C is there, as the caller promises.
            unsafe { store::<S>(c.add(m * c_row), n, f(sums[m][n], m, n)) };
        }
    }
}

/// Vector `n` of those that begin at `from`.
///
/// # Safety
/// It must be readable. It needs no alignment.
#[inline(always)]
unsafe fn load<S: Simd>(from: *const f32, n: usize) -> S::f32s {
    // SAFETY: as the caller promises; every pattern of bits is a vector of numbers.
    unsafe { from.add(n * S::F32_LANES).cast::<S::f32s>().read_unaligned() }
}

/// Writes vector `n` of those that begin at `to`.
///
/// # Safety
/// It must be writable. It needs no alignment.
#[inline(always)]
unsafe fn store<S: Simd>(to: *mut f32, n: usize, vector: S::f32s) {
    // SAFETY: as the caller promises.
    unsafe { to.add(n * S::F32_LANES).cast::<S::f32s>().write_unaligned(vector) };
}
