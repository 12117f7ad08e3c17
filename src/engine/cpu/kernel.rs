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

/// Where the numbers of A and B are for some of the k of a product: `A(m, k) = a[m·a_row + k·a_column]`
/// and `B(k, n) = b[k·b_row + n]`, k from the part's first on.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) a: *const f32,
    pub(super) b: *const f32,
    /// The transpose of B, `B(k, n) = turned[n·turned_row + k]`, where there is one.
    pub(super) turned: *const f32,
    pub(super) turned_row: usize,
    pub(super) depth: usize,
}

/// The places of the operands of a tile. Its A begins at row `a_first / a_row` of the parts, its B at
/// column `b_first`; its k are `depth` of those of all parts, from `first` on.
/// `C(m, n) = c[m·c_row + n]`. Functions without `PARTS` take one part.
#[derive(Clone, Copy)]
pub(super) struct Operands<'a> {
    pub(super) parts: &'a [Part],
    pub(super) first: usize,
    pub(super) depth: usize,
    pub(super) a_first: usize,
    pub(super) a_row: usize,
    pub(super) a_column: usize,
    pub(super) b_first: usize,
    pub(super) b_row: usize,
    pub(super) c: *mut f32,
    pub(super) c_row: usize,
}

/// `C ← after(before + Σₖ A(·, k)·B(k, ·))` for `M` rows and `N` vectors of columns. The sum goes
/// term by term, through one part after the other, and what was there before is added last. So the
/// division into parts changes no bit.
///
/// # Safety
/// For all `m < M`, `n < N·S::F32_LANES` and k of every part, `A(m, k)` and `B(k, n)` must be readable,
/// `C(m, n)` readable and writable and overlapping nothing else; a row in `before` as long as a
/// row of the tile and a matrix in `after` as large as the tile must be readable.
#[inline(always)]
pub(super) unsafe fn tile<S: Simd, const M: usize, const N: usize, const PARTS: bool>(
    simd: S,
    at: Operands,
    before: Before,
    after: After,
    beside: Beside,
) {
    let mut sums = [[simd.splat_f32s(0.0); N]; M];
    if PARTS {
        let (mut skipped, mut left) = (at.first, at.depth);
        for part in at.parts {
            let first = skipped.min(part.depth);
            let depth = left.min(part.depth - first);
            (skipped, left) = (skipped - first, left - depth);
            let a = part.a.wrapping_add(at.a_first + first * at.a_column);
            let b = part.b.wrapping_add(at.b_first + first * at.b_row);
            let mut own = through_memory(&mut sums);
            // SAFETY: `first + depth` is no more than the part's depth.
            unsafe { add_products(simd, &at, (a, b), depth, &mut own) };
            sums = own;
        }
    } else {
        // SAFETY: there is one part, and `first + depth` is no more than its depth.
        unsafe {
            let part = at.parts.get_unchecked(0);
            let a = part.a.add(at.a_first + at.first * at.a_column);
            let b = part.b.add(at.b_first + at.first * at.b_row);
            add_products(simd, &at, (a, b), at.depth, &mut sums);
        }
    }
    // SAFETY: as the caller promises.
    unsafe { finish(simd, (at.c, at.c_row), sums, before, after, beside) };
}

/// Adds the products of `depth` k, whose A and B begin at these places, to the sums.
///
/// # Safety
/// As [`tile`], of A and B.
#[inline(always)]
unsafe fn add_products<S: Simd, const M: usize, const N: usize>(
    simd: S,
    at: &Operands,
    (mut a, mut b): (*const f32, *const f32),
    mut depth: usize,
    sums: &mut [[S::f32s; N]; M],
) {
    while depth > 0 {
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
        // Wrapping, since they end behind the last number, and the strides may go further.
        a = a.wrapping_add(at.a_column);
        b = b.wrapping_add(at.b_row);
        depth -= 1;
    }
}

/// The sums of the parts before, through memory: the compiler does not hold them in registers through two
/// loops, and would store them at each k.
#[inline(always)]
fn through_memory<T: Copy>(sums: &mut T) -> T {
    *std::hint::black_box(sums)
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
/// They are those of row `columns[n]` of B's transpose, zeros behind it up to a whole vector. All the
/// depth is computed. Every part but the last must have a depth of whole vectors, so that the division
/// into parts changes no bit.
///
/// # Safety
/// As [`tile`] for one vector of columns, but of B; A's rows must have their numbers side by side
/// (`a_column` is 1). They and the rows of the transpose must be readable up to whole vectors.
#[inline(always)]
pub(super) unsafe fn narrow_tile<S: Simd, const M: usize, const PARTS: bool>(
    simd: S,
    at: Operands,
    columns: [usize; FOUR],
    before: Before,
    after: After,
    beside: Beside,
) {
    let zero = simd.splat_f32s(0.0);
    let mut parts = [[zero; FOUR]; M];
    for part in at.parts {
        let whole = part.depth / S::F32_LANES;
        let rest = part.depth % S::F32_LANES;
        // Behind A's last number may be anything.
        let mask = simd.mask_between_m32s(0, rest as u32).mask();
        let a = part.a.wrapping_add(at.a_first);
        // A loop, since `map` of an array is not always inlined.
        let mut turned = [part.turned; FOUR];
        for n in 0..FOUR {
            turned[n] = part.turned.wrapping_add(columns[n] * part.turned_row);
        }
        let mut own = if PARTS { through_memory(&mut parts) } else { parts };
        for v in 0..whole + usize::from(rest > 0) {
            let mut values = [zero; M];
            for m in 0..M {
                // SAFETY: `m < M`, and vector v begins before the end of the row.
                let value = unsafe { load::<S>(a.add(m * at.a_row), v) };
                values[m] = if v < whole { value } else { simd.select_f32s(mask, value, zero) };
            }
            for n in 0..FOUR {
                // SAFETY: as above.
                let factors = unsafe { load::<S>(turned[n], v) };
                for m in 0..M {
                    own[m][n] = simd.mul_add_e_f32s(values[m], factors, own[m][n]);
                }
            }
        }
        parts = own;
        if !PARTS {
            break;
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
/// along the rows. All the depth is computed.
///
/// # Safety
/// As [`tile`] for one vector of columns; A's columns must have their numbers side by side (`a_row`
/// must be one) and be readable up to whole vectors, and `rows` must be no more than `V` vectors have.
/// What is before and after must be the same for all rows.
#[inline(always)]
pub(super) unsafe fn narrow_turned_tile<S: Simd, const V: usize, const PARTS: bool>(
    simd: S,
    at: Operands,
    rows: usize,
    before: Before,
    after: After,
    beside: Beside,
) {
    let mut sums = [[simd.splat_f32s(0.0); FOUR]; V];
    for part in at.parts {
        let (a, b) = (part.a.wrapping_add(at.a_first), part.b.wrapping_add(at.b_first));
        let mut own = if PARTS { through_memory(&mut sums) } else { sums };
        for k in 0..part.depth {
            // SAFETY: column k of A and row k of B are there, the latter for a vector.
            let (a, b) = unsafe { (a.add(k * at.a_column), b.add(k * at.b_row)) };
            let mut factors = [simd.splat_f32s(0.0); FOUR];
            for n in 0..FOUR {
                // SAFETY: a vector has at least so many numbers.
                factors[n] = simd.splat_f32s(unsafe { *b.add(n) });
            }
            for v in 0..V {
                // SAFETY: `v < V`, so this vector of the column is there.
                let values = unsafe { load::<S>(a, v) };
                for n in 0..FOUR {
                    own[v][n] = simd.mul_add_e_f32s(values, factors[n], own[v][n]);
                }
            }
        }
        sums = own;
        if !PARTS {
            break;
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

/// The sum of rows of `N` vectors from column `column` on, added to the contents of `sums`, or not. Each
/// part is its first row, `stride` from row to row, and their number. The division into parts changes
/// no bit.
///
/// # Safety
/// All the rows must be readable, and `sums` a row that is readable and writable.
#[inline(always)]
pub(super) unsafe fn sum_rows<S: Simd, const N: usize>(
    simd: S,
    parts: &[(&[f32], usize)],
    (stride, column): (usize, usize),
    accumulate: bool,
    sums: *mut f32,
) {
    let mut row = [simd.splat_f32s(0.0); N];
    for (values, rows) in parts {
        let first = values.as_ptr();
        for r in 0..*rows {
            for n in 0..N {
                // SAFETY: `r` is less than the rows of the part and `n < N`, so this vector is there.
                let value = unsafe { load::<S>(first.add(r * stride + column), n) };
                row[n] = simd.add_f32s(row[n], value);
            }
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
