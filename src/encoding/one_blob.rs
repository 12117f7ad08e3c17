//! One blob of each input over bins.

use super::{Computation, Formula};
use crate::error::{Result, invalid_setting};
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// The most bins of an input.
const MOST_BINS: usize = 1 << 12;

/// A smooth bump at each input `x` in [0, 1], as its share in each of `bins` bins:
/// `y[j] = C((j + 1)/bins − x) − C(j/bins − x)`. `C` is the integral of the quartic kernel
/// `bins·15/16·(1 − u²)²` with `u = bins·d`, which is 0 beyond one bin. The bump wraps around at the ends.
/// Müller et al. 2019, section 4.3, with the kernel of tiny-cuda-nn.
#[derive(Clone, Copy, Debug)]
pub struct OneBlob {
    /// Bins of each input, 1 to 4,096; 16 by default.
    pub bins: usize,
}

impl OneBlob {
    /// The integral of the kernel up to `distance` from its center.
    #[inline(always)]
    fn integral<N: Number>(self, distance: N) -> N {
        let u = distance * distance.of(self.bins as f64);
        let square = u * u;
        let inner = square.times_plus(u.of(0.2), u.of(-2.0 / 3.0));
        let inner = square.times_plus(inner, u.of(1.0));
        let polynomial = (u * u.of(15.0 / 16.0)).times_plus(inner, u.of(0.5));
        polynomial.at_least(u.of(0.0)).at_most(u.of(1.0))
    }

    /// The kernel at `distance` from its center.
    #[inline(always)]
    fn kernel<N: Number>(self, distance: N) -> N {
        let bins = self.bins as f64;
        let u = distance * distance.of(bins);
        let inside = (u.of(1.0) - u * u).at_least(u.of(0.0));
        inside * inside * u.of(bins * 15.0 / 16.0)
    }

    /// A function of the distance from `x` to the left edge of bin `j`, summed over the bump and those that
    /// wrapped around.
    #[inline(always)]
    fn wrapped<N: Number>(self, x: N, j: usize, of: impl Fn(N) -> N) -> N {
        let distance = x.of(j as f64 / self.bins as f64) - x;
        let one = x.of(1.0);
        of(distance) + of(distance - one) + of(distance + one)
    }
}

impl Formula for OneBlob {
    const DEFAULT: Self = Self { bins: 16 };
    const ABOUT: About = About {
        formula: "C((j + 1)/bins − x) − C(j/bins − x) for j = 0 … bins − 1 of each input x in [0, 1], with \
                  C the integral of bins·15/16·(1 − (bins·d)²)², wrapped around",
        source: "Müller et al. 2019, section 4.3",
        pytorch: "",
        parameters: &[Parameter {
            name: "bins",
            meaning: "bins of each input, at most 4,096",
            range: Range::Positive,
        }],
    };
    const WGSL: &'static str = include_str!("../../shaders/encodings/one-blob.wgsl");

    fn outputs(self, inputs: usize) -> usize {
        inputs.saturating_mul(self.bins)
    }

    fn computation(self) -> Computation {
        Computation::Direct
    }

    #[inline(always)]
    fn encode<N: Number>(self, x: &[N], y: &mut [N]) {
        for (x, y) in x.iter().zip(y.chunks_exact_mut(self.bins)) {
            let mut left = self.wrapped(*x, 0, |distance| self.integral(distance));
            for (j, y) in y.iter_mut().enumerate() {
                let right = self.wrapped(*x, j + 1, |distance| self.integral(distance));
                *y = right - left;
                left = right;
            }
        }
    }

    #[inline(always)]
    fn input_gradient<N: Number>(self, x: &[N], delta: &[N], gradient: &mut [N]) {
        let deltas = delta.chunks_exact(self.bins);
        for ((x, deltas), gradient) in x.iter().zip(deltas).zip(gradient) {
            let mut left = self.wrapped(*x, 0, |distance| self.kernel(distance));
            for (j, delta) in deltas.iter().enumerate() {
                let right = self.wrapped(*x, j + 1, |distance| self.kernel(distance));
                *gradient = delta.times_plus(left - right, *gradient);
                left = right;
            }
        }
    }

    fn check(self) -> Result<()> {
        if self.bins > MOST_BINS {
            return invalid_setting(format!(
                "a one-blob encoding of {} bins: it must have 1 to {MOST_BINS}",
                self.bins
            ));
        }
        Ok(())
    }
}
