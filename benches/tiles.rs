//! The tiles of the CPU engine's products, each alone on one thread, in GFLOP/s. Beside them is the rate of
//! multiplications and additions that need no memory, measured in the same rounds.
//!
//! ```sh
//! cargo bench --bench tiles
//! ```
//!
//! The source of the tiles is compiled into this program, since the library does not export them. The library
//! has them all in one function, whose machine code `cargo xtask loops` reads.
//!
//! Unsafe: the tiles take pointers. Each is called with matrices that this program allocates.

#![expect(
    clippy::needless_range_loop,
    reason = "as in the library: loops over rows and vectors by number"
)]
#![expect(unsafe_code, reason = "calls the tiles, which take pointers, with its own matrices")]

#[expect(dead_code, reason = "not all that the library does with a tile is measured")]
#[path = "../src/engine/cpu/kernel.rs"]
mod kernel;
#[expect(dead_code, reason = "as above")]
#[path = "../src/engine/cpu/lines.rs"]
mod lines;

use std::hint::black_box;
use std::ptr;
use std::time::Instant;

use kernel::{After, Before, Beside, FOUR, Operands, Part};
use lines::{Lines, stride};
use pulp::{Arch, Simd, WithSimd};

/// Numbers of a sum: about as many as the neurons of a layer of `paint`, and whole vectors.
const DEPTH: usize = 96;

/// The most rows and columns of a tile: those of four vectors and eight vectors of 16 numbers.
const MOST: [usize; 2] = [64, 128];

/// How often each is measured, in turns.
const ROUNDS: usize = 15;

/// About how long it runs each time.
const SPAN: f64 = 2e-3;

/// Sums of the peak rate, which do not wait for each other: enough for every processor, and few enough for 16
/// registers.
const SUMS: usize = 12;

fn main() {
    // Under `cargo test` nothing is measured.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let mut operands = Matrices::new();
    let mut levels: Vec<Level> = levels().into_iter().map(Level::new).collect();
    for round in 0..ROUNDS {
        for level in &mut levels {
            level.measure(&mut operands, round);
        }
    }
    println!(
        "Tiles of products of depth {DEPTH} on one thread; medians of {ROUNDS} rounds in turns. The share of the \
         peak is the median of the rounds' shares."
    );
    for level in &levels {
        level.print();
    }
}

/// The vector instructions that this machine has, and none.
fn levels() -> Vec<Arch> {
    let mut levels = vec![Arch::new()];
    #[cfg(target_arch = "x86_64")]
    if matches!(levels[0], Arch::V4(_)) {
        levels.extend(pulp::x86::V3::try_new().map(Arch::V3));
    }
    if !matches!(levels[0], Arch::Scalar) {
        levels.push(Arch::Scalar);
    }
    levels
}

fn name(arch: Arch) -> &'static str {
    match arch {
        Arch::Scalar => "No vector instructions",
        #[cfg(target_arch = "x86_64")]
        Arch::V4(_) => "AVX-512",
        #[cfg(target_arch = "x86_64")]
        Arch::V3(_) => "AVX2",
        _ if cfg!(target_arch = "aarch64") => "NEON",
        _ => "Others",
    }
}

/// Numbers in a vector, and vector registers.
#[derive(Clone, Copy)]
struct Size {
    lanes: usize,
    registers: usize,
}

impl WithSimd for Size {
    type Output = Self;
    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> Self {
        Self { lanes: S::F32_LANES, registers: S::REGISTER_COUNT }
    }
}

/// How the vectors of a tile lie.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Along the rows of B and C.
    Rows,
    /// The same, with vectors half as long.
    Half,
    /// Along the depth, for at most four columns.
    Along,
    /// Along the rows of A, which is turned, for at most four columns.
    Turned,
}

/// A tile, and where it is used.
struct Tile {
    kind: Kind,
    /// Rows; of a turned tile, vectors of rows.
    rows: usize,
    /// Vectors of columns.
    vectors: usize,
    /// The numbers of registers with which it is used.
    registers: &'static [usize],
    run: fn(Arch, Job),
}

const ANY: &[usize] = &[16, 32];
const FEW: &[usize] = &[16];
const MANY: &[usize] = &[32];

macro_rules! tile {
    (Rows, $rows:literal, $vectors:literal, $registers:expr) => {
        Tile {
            kind: Kind::Rows,
            rows: $rows,
            vectors: $vectors,
            registers: $registers,
            run: |arch, job| arch.dispatch(Rows::<$rows, $vectors>(job)),
        }
    };
    ($kind:ident, $run:ident, $rows:literal, $registers:expr) => {
        Tile {
            kind: Kind::$kind,
            rows: $rows,
            vectors: 1,
            registers: $registers,
            run: $run::<$rows>,
        }
    };
}

/// The tiles that `src/engine/cpu/product.rs` uses, except those of browsers alone. A test in `tests/structure.rs`
/// finds missing ones.
const TILES: &[Tile] = &[
    tile!(Rows, 8, 3, MANY),
    tile!(Rows, 4, 3, MANY),
    tile!(Rows, 2, 3, MANY),
    tile!(Rows, 8, 2, MANY),
    tile!(Rows, 6, 2, ANY),
    tile!(Rows, 4, 2, ANY),
    tile!(Rows, 2, 2, ANY),
    tile!(Rows, 8, 1, ANY),
    tile!(Rows, 4, 1, ANY),
    tile!(Rows, 2, 1, ANY),
    // Of few rows.
    tile!(Rows, 1, 8, ANY),
    tile!(Rows, 1, 4, ANY),
    tile!(Rows, 1, 3, ANY),
    tile!(Rows, 1, 2, ANY),
    tile!(Rows, 1, 1, ANY),
    tile!(Half, half, 8, MANY),
    tile!(Half, half, 4, MANY),
    tile!(Half, half, 2, MANY),
    tile!(Half, half, 1, MANY),
    tile!(Along, along, 4, MANY),
    tile!(Along, along, 2, FEW),
    tile!(Along, along, 1, ANY),
    tile!(Turned, turned, 4, MANY),
    tile!(Turned, turned, 2, FEW),
    tile!(Turned, turned, 1, ANY),
];

impl Tile {
    fn is_used(&self, arch: Arch, size: Size) -> bool {
        let kind = match self.kind {
            Kind::Rows => true,
            Kind::Half => has_half(arch),
            Kind::Along | Kind::Turned => size.lanes >= 2 * FOUR,
        };
        kind && self.registers.contains(&size.registers)
    }

    /// Multiplications and additions of a call.
    fn operations(&self, lanes: usize) -> f64 {
        let numbers = match self.kind {
            Kind::Rows => self.rows * self.vectors * lanes,
            Kind::Half => self.rows * lanes / 2,
            Kind::Along => self.rows * FOUR,
            Kind::Turned => self.rows * lanes * FOUR,
        };
        2.0 * (numbers * DEPTH) as f64
    }

    fn name(&self) -> String {
        let Self { rows, vectors, .. } = self;
        match self.kind {
            Kind::Rows => format!("{rows} × {vectors} vectors"),
            Kind::Half => format!("{rows} × half a vector"),
            Kind::Along => format!("{rows} × 4 columns, along the depth"),
            Kind::Turned => format!("{rows} vectors × 4 columns, turned"),
        }
    }
}

/// Whether vectors half as long are used for what is left at the end of a row.
fn has_half(arch: Arch) -> bool {
    match arch {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(_) => true,
        _ => false,
    }
}

/// The operands, which are read and written again and again and stay in the caches.
struct Matrices {
    a: Lines,
    b: Lines,
    turned: Lines,
    c: Lines,
}

impl Matrices {
    fn new() -> Self {
        let filled = |rows: usize, columns: usize| {
            let mut lines = Lines::zeros(rows * stride(columns));
            lines.iter_mut().enumerate().for_each(|(i, to)| *to = (i % 13) as f32 / 13.0 - 0.5);
            lines
        };
        let [rows, columns] = MOST;
        Self {
            a: filled(rows.max(DEPTH), rows.max(DEPTH)),
            b: filled(DEPTH, columns),
            turned: filled(FOUR, DEPTH),
            c: filled(rows, columns),
        }
    }

    /// Runs a tile so many times, on A or on its transpose.
    fn run(&mut self, arch: Arch, tile: &Tile, calls: usize) {
        let part = Part {
            a: self.a.as_ptr(),
            b: self.b.as_ptr(),
            turned: self.turned.as_ptr(),
            turned_row: stride(DEPTH),
            depth: DEPTH,
        };
        let row = stride(MOST[0].max(DEPTH));
        let (a_row, a_column) = if tile.kind == Kind::Turned { (1, row) } else { (row, 1) };
        let at = Operands {
            parts: &[part],
            first: 0,
            depth: DEPTH,
            a_first: 0,
            a_row,
            a_column,
            b_first: 0,
            b_row: stride(MOST[1]),
            c: self.c.as_mut_ptr(),
            c_row: stride(MOST[1]),
        };
        (tile.run)(arch, Job { at, calls });
    }
}

/// So many calls of a tile with these operands.
#[derive(Clone, Copy)]
struct Job<'a> {
    at: Operands<'a>,
    calls: usize,
}

/// What is beside C, which is not read.
const BESIDE: Beside = Beside { first: ptr::null(), stride: 0 };

/// Tiles of vectors along the rows.
struct Rows<'a, const M: usize, const N: usize>(Job<'a>);

impl<const M: usize, const N: usize> WithSimd for Rows<'_, M, N> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        repeat::<S, M, N>(simd, self.0);
    }
}

#[inline(always)]
fn repeat<S: Simd, const M: usize, const N: usize>(simd: S, job: Job) {
    for _ in 0..job.calls {
        let at = black_box(job.at);
        // SAFETY: `Matrices` has as many rows and columns as the largest tile has, and C is only here.
        unsafe { kernel::tile::<S, M, N, false>(simd, at, Before::Nothing, After::Keep, BESIDE) };
    }
}

/// Tiles of one vector that is half as long.
struct Half<'a, H, const M: usize>(Job<'a>, H);

impl<H: Simd, const M: usize> WithSimd for Half<'_, H, M> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        repeat::<H, M, 1>(self.1, self.0);
    }
}

fn half<const M: usize>(arch: Arch, job: Job) {
    #[cfg(target_arch = "x86_64")]
    if let Arch::V4(v4) = arch {
        return Simd::vectorize(v4, Half::<_, M>(job, *v4));
    }
    arch.dispatch(Rows::<M, 1>(job));
}

/// Tiles of vectors along the depth.
struct Along<'a, const M: usize>(Job<'a>);

impl<const M: usize> WithSimd for Along<'_, M> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for _ in 0..self.0.calls {
            let at = black_box(self.0.at);
            // SAFETY: as above; there are four rows of the transpose, and the depth is whole vectors.
            unsafe {
                kernel::narrow_tile::<S, M, false>(
                    simd,
                    at,
                    [0, 1, 2, 3],
                    Before::Nothing,
                    After::Keep,
                    BESIDE,
                );
            }
        }
    }
}

fn along<const M: usize>(arch: Arch, job: Job) {
    arch.dispatch(Along::<M>(job));
}

/// Tiles of vectors along the rows of A, which is turned.
struct Turned<'a, const V: usize>(Job<'a>);

impl<const V: usize> WithSimd for Turned<'_, V> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for _ in 0..self.0.calls {
            let at = black_box(self.0.at);
            // SAFETY: as above; A has as many rows as numbers of four vectors.
            unsafe {
                kernel::narrow_turned_tile::<S, V, false>(
                    simd,
                    at,
                    V * S::F32_LANES,
                    Before::Nothing,
                    After::Keep,
                    BESIDE,
                );
            }
        }
    }
}

fn turned<const V: usize>(arch: Arch, job: Job) {
    arch.dispatch(Turned::<V>(job));
}

/// So many multiplications and additions for each of [`SUMS`] times `LANES` sums, in registers.
struct Peak<const LANES: usize>(usize);

impl<const LANES: usize> WithSimd for Peak<LANES> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (factor, term) = (simd.splat_f32s(black_box(0.5)), simd.splat_f32s(black_box(1.0)));
        // Each is another one to the compiler.
        let mut sums = black_box([[term; LANES]; SUMS]);
        for _ in 0..self.0 {
            for sum in &mut sums {
                for lane in sum {
                    *lane = simd.mul_add_e_f32s(*lane, factor, term);
                }
            }
        }
        black_box(sums);
    }
}

/// Runs the loop and returns the number of its sums. Without vector instructions of ours, the compiler vectorizes the
/// tiles by four numbers, so the peak has four sums for each.
fn run_peak(arch: Arch, size: Size, turns: usize) -> usize {
    if size.lanes == 1 {
        arch.dispatch(Peak::<4>(turns));
        4 * SUMS
    } else {
        arch.dispatch(Peak::<1>(turns));
        SUMS * size.lanes
    }
}

/// A level of vector instructions, with what was measured.
struct Level {
    arch: Arch,
    size: Size,
    tiles: Vec<&'static Tile>,
    /// Operations a second in each round: the peak, and each tile.
    rates: Vec<Vec<f64>>,
}

impl Level {
    fn new(arch: Arch) -> Self {
        let size = arch.dispatch(Size { lanes: 0, registers: 0 });
        let tiles: Vec<_> = TILES.iter().filter(|tile| tile.is_used(arch, size)).collect();
        let rates = vec![Vec::new(); 1 + tiles.len()];
        Self { arch, size, tiles, rates }
    }

    /// Measures the peak and each tile once, in an order that changes.
    fn measure(&mut self, operands: &mut Matrices, round: usize) {
        let count = self.rates.len();
        for i in 0..count {
            let which = (i + round * 7) % count;
            let rate = if which == 0 {
                let sums = run_peak(self.arch, self.size, 1);
                rate(2.0 * sums as f64, |turns| {
                    run_peak(self.arch, self.size, turns);
                })
            } else {
                let tile = self.tiles[which - 1];
                rate(tile.operations(self.size.lanes), |calls| {
                    operands.run(self.arch, tile, calls);
                })
            };
            self.rates[which].push(rate);
        }
    }

    fn print(&self) {
        let peaks = &self.rates[0];
        println!("\n{}: {:.1} GFLOP/s without memory", name(self.arch), median(peaks) / 1e9);
        println!("{:<32} {:>8} {:>8}", "tile", "GFLOP/s", "of peak");
        for (tile, rates) in self.tiles.iter().zip(&self.rates[1..]) {
            let shares: Vec<f64> =
                rates.iter().zip(peaks).map(|(rate, peak)| rate / peak).collect();
            let (rate, share) = (median(rates) / 1e9, 100.0 * median(&shares));
            println!("{:<32} {rate:>8.1} {share:>6.0} %", tile.name());
        }
    }
}

/// Operations a second of `work`, which does so many for each of the times that it is given.
fn rate(operations: f64, mut work: impl FnMut(usize)) -> f64 {
    let mut seconds = |times: usize| {
        let start = Instant::now();
        work(times);
        start.elapsed().as_secs_f64().max(1e-9)
    };
    let few = 256;
    // The first time loads what the other tiles have put out of the caches.
    seconds(few);
    let times = (SPAN * few as f64 / seconds(few)) as usize + 1;
    operations * times as f64 / seconds(times)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
