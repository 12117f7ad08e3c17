//! Spherical harmonics of a direction.

use super::{Computation, Formula};
use crate::error::{Result, invalid_setting};
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// The most degrees.
const MOST_DEGREES: usize = 8;

/// The real spherical harmonics of the degrees `l = 0 … degree − 1`, `degree²` numbers, of the direction
/// `2·(x, y, z) − 1`, whose three numbers in [0, 1] are the inputs. `Y[l, m]` with `m = −l … l` is number
/// `l² + l + m`: `K[l, |m|]·P[l, |m|](z)·(Re or Im of (x + iy)^|m|)`, the real part for `m ≥ 0`. It is a polynomial,
/// also for numbers that are no unit vector. Sloan 2013, appendix A2; the signs are those of tiny-cuda-nn.
#[derive(Clone, Copy, Debug)]
pub struct SphericalHarmonics {
    /// Degrees, 1 to 8; 4 by default.
    pub degree: usize,
}

/// The factors of the harmonics of order `m` at a direction.
#[derive(Clone, Copy)]
struct Term<N> {
    /// Degree.
    l: usize,
    /// Order, 0 or more.
    m: usize,
    /// `K·P(z)` and its derivative by `z`.
    polar: [N; 2],
    /// Real and imaginary part of `(x + iy)ᵐ`.
    waves: [N; 2],
    /// The same of `m·(x + iy)ᵐ⁻¹`.
    slopes: [N; 2],
}

/// `K`, without the sign: `√((2l + 1)/4π·(l − m)!/(l + m)!)`, times `√2` for `m > 0`.
fn norm(l: usize, m: usize) -> f64 {
    let quotient: f64 = (l - m + 1..=l + m).map(|k| k as f64).product();
    let orders = if m == 0 { 1.0 } else { 2.0 };
    (orders * (2 * l + 1) as f64 / (4.0 * std::f64::consts::PI * quotient)).sqrt()
}

impl SphericalHarmonics {
    /// Calls `each` with the factors of every degree and order at a direction.
    #[inline(always)]
    fn terms<N: Number>(self, [x, y, z]: [N; 3], mut each: impl FnMut(Term<N>)) {
        let (zero, one) = (z.of(0.0), z.of(1.0));
        let (mut waves, mut slopes) = ([one, zero], [zero, zero]);
        // P[m, m], (−1)ᵐ·(2m − 1)!!
        let mut first = 1.0;
        for m in 0..self.degree {
            // P and its derivative of the last two degrees.
            let (mut before, mut polar) = ([zero; 2], [z.of(first), zero]);
            for l in m..self.degree {
                let k = z.of(norm(l, m));
                each(Term { l, m, polar: polar.map(|p| p * k), waves, slopes });
                let (a, b) = ((2 * l + 1) as f64, (l + m) as f64);
                let divisor = (l + 1 - m) as f64;
                let (a, b) = (z.of(a / divisor), z.of(b / divisor));
                let value = a * z * polar[0] - b * before[0];
                let slope = a * (polar[0] + z * polar[1]) - b * before[1];
                (before, polar) = (polar, [value, slope]);
            }
            first *= -((2 * m + 1) as f64);
            let next = z.of((m + 1) as f64);
            slopes = waves.map(|wave| next * wave);
            waves = [x * waves[0] - y * waves[1], x * waves[1] + y * waves[0]];
        }
    }

    /// The direction that three numbers in [0, 1] are.
    #[inline(always)]
    fn direction<N: Number>(x: &[N]) -> Option<[N; 3]> {
        let &[x, y, z] = x else { return None };
        Some([x, y, z].map(|x| x.times_plus(x.of(2.0), x.of(-1.0))))
    }
}

impl Formula for SphericalHarmonics {
    const DEFAULT: Self = Self { degree: 4 };
    const ABOUT: About = About {
        formula: "Y[l, m] for l = 0 … degree − 1 and m = −l … l of the direction 2·(x, y, z) − 1, the inputs in [0, 1]",
        source: "Sloan 2013, appendix A2",
        pytorch: "",
        parameters: &[Parameter {
            name: "degree",
            meaning: "degrees, at most 8",
            range: Range::Positive,
        }],
    };
    const WGSL: &'static str = include_str!("../../shaders/encodings/spherical-harmonics.wgsl");

    fn outputs(self, _: usize) -> usize {
        self.degree.saturating_mul(self.degree)
    }

    fn computation(self) -> Computation {
        Computation::Direct
    }

    #[inline(always)]
    fn encode<N: Number>(self, x: &[N], y: &mut [N]) {
        let Some(direction) = Self::direction(x) else { return };
        self.terms(direction, |Term { l, m, polar, waves, .. }| {
            let center = l * l + l;
            y[center + m] = polar[0] * waves[0];
            if m > 0 {
                y[center - m] = polar[0] * waves[1];
            }
        });
    }

    #[inline(always)]
    fn input_gradient<N: Number>(self, x: &[N], delta: &[N], gradient: &mut [N]) {
        let Some(direction) = Self::direction(x) else { return };
        let mut sums = direction.map(|x| x.of(0.0));
        self.terms(direction, |Term { l, m, polar, waves, slopes }| {
            let center = l * l + l;
            let real = delta[center + m];
            let imaginary = if m > 0 { delta[center - m] } else { real.of(0.0) };
            sums[0] = sums[0] + polar[0] * (slopes[0] * real + slopes[1] * imaginary);
            sums[1] = sums[1] + polar[0] * (slopes[0] * imaginary - slopes[1] * real);
            sums[2] = sums[2] + polar[1] * (waves[0] * real + waves[1] * imaginary);
        });
        for (gradient, sum) in gradient.iter_mut().zip(sums) {
            *gradient = sum.times_plus(sum.of(2.0), *gradient);
        }
    }

    fn check(self) -> Result<()> {
        if self.degree > MOST_DEGREES {
            return invalid_setting(format!(
                "spherical harmonics of {} degrees: there must be 1 to {MOST_DEGREES}",
                self.degree
            ));
        }
        Ok(())
    }

    fn check_inputs(self, inputs: usize) -> Result<()> {
        if inputs == 3 {
            return Ok(());
        }
        invalid_setting(format!(
            "spherical harmonics of {inputs} inputs: they need 3, the numbers of a direction"
        ))
    }
}
