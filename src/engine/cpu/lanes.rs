//! Vectors of f32 as `Number`s, so that a formula computes a whole vector at a time.
//!
//! The functions are plain arithmetic without branches, accurate to a few units in the last place.

use crate::number::Number;
use pulp::{Scalar, Simd};
use std::f32::consts::{LOG2_E, TAU};
use std::ops::{Add, Div, Mul, Neg, Sub};
use std::slice;

/// Added and subtracted again, it rounds to a whole number, which its lowest bits hold.
const ROUNDING: f32 = 12_582_912.0; // 1.5·2²³

/// A vector of f32 and the instructions that compute with it.
#[derive(Clone, Copy)]
pub(super) struct Lanes<S: Simd> {
    simd: S,
    pub(super) value: S::f32s,
}

impl<S: Simd> Lanes<S> {
    #[inline(always)]
    pub(super) fn new(simd: S, value: S::f32s) -> Self {
        Self { simd, value }
    }

    /// The same number in every lane.
    #[inline(always)]
    pub(super) fn splat(simd: S, value: f32) -> Self {
        Self { simd, value: simd.splat_f32s(value) }
    }

    #[inline(always)]
    fn all(self, value: f32) -> Self {
        Self::splat(self.simd, value)
    }

    #[inline(always)]
    fn with(self, value: S::f32s) -> Self {
        Self { value, ..self }
    }

    /// `self·factor + term` with constants.
    #[inline(always)]
    fn step(self, factor: Self, term: f32) -> Self {
        self.times_plus(factor, self.all(term))
    }

    #[inline(always)]
    fn bits(self) -> S::u32s {
        self.simd.transmute_u32s_f32s(self.value)
    }

    #[inline(always)]
    fn bits_as(self, bits: S::u32s) -> Self {
        self.with(self.simd.transmute_f32s_u32s(bits))
    }

    #[inline(always)]
    fn word(self, word: u32) -> S::u32s {
        self.simd.splat_u32s(word)
    }

    /// `self` with the sign of `other`.
    #[inline(always)]
    fn signed_as(self, other: Self) -> Self {
        let sign = self.simd.and_u32s(other.bits(), self.word(1 << 31));
        let size = self.simd.and_u32s(self.bits(), self.word(!(1 << 31)));
        self.bits_as(self.simd.or_u32s(size, sign))
    }

    /// `1/√x` of normal numbers, to within a few units in the last place; something finite for 0, NaN
    /// for NaN.
    ///
    /// A guess by its bits, then twice Halley's method. Processors take three times as long for a root
    /// and a division, during which nothing else is divided.
    #[inline(always)]
    pub(super) fn reciprocal_root(self) -> Self {
        let simd = self.simd;
        let halved = simd.wrapping_dyn_shr_u32s(self.bits(), self.word(1));
        let mut y = self.bits_as(simd.sub_u32s(self.word(0x5f37_59df), halved));
        for _ in 0..2 {
            // In this order, since y² may be too small for a number.
            let h = self * y * y;
            let factor = h.step(self.all(0.375), -1.25);
            y = y * h.step(factor, 1.875);
        }
        y
    }

    /// `1/x` of normal positive numbers up to 2¹²⁶, to within a few units in the last place; NaN for 0
    /// and NaN. As [`reciprocal_root`](Self::reciprocal_root).
    #[inline(always)]
    pub(super) fn reciprocal(self) -> Self {
        let guess = self.simd.sub_u32s(self.word(0x7ef3_11c7), self.bits());
        let mut y = self.bits_as(guess);
        for _ in 0..2 {
            // 1 − x·y, and y times 1 + e + e².
            let e = self.all(1.0) - self * y;
            y = y.times_plus(e.times_plus(e, e), y);
        }
        y
    }

    /// `(sin, cos)` of 2π·turns.
    #[inline(always)]
    pub(super) fn sin_cos_turns(self) -> (Self, Self) {
        let simd = self.simd;
        let whole = (self + self.all(ROUNDING)) - self.all(ROUNDING);
        // Numbers this large are whole; what is not finite becomes NaN.
        let large = self.abs();
        let part = large.below(self.all(4_194_304.0), self - whole, self * self.all(0.0));
        // The nearest quarter of a turn, and the angle from there, at most π/4.
        let shifted = part.step(self.all(4.0), ROUNDING);
        let nearest = shifted - self.all(ROUNDING);
        let angle = self.all(TAU) * (part - nearest * self.all(0.25));
        let quarter = shifted.bits();
        let s = angle * angle;
        let p = s.step(self.all(-1.951_529_6e-4), 8.332_161e-3);
        let p = p.step(s, -1.666_665_5e-1);
        let sine = (p * s).times_plus(angle, angle);
        let p = s.step(self.all(2.443_315_7e-5), -1.388_731_6e-3);
        let p = p.step(s, 4.166_664_6e-2);
        let cosine = (p * s * s) + s.step(self.all(-0.5), 1.0);
        let odd = simd.equal_u32s(simd.and_u32s(quarter, self.word(1)), self.word(1));
        let a = self.with(simd.select_f32s(odd, cosine.value, sine.value));
        let b = self.with(simd.select_f32s(odd, sine.value, cosine.value));
        // Quarters 2 and 3 turn the sign of the sine, 1 and 2 that of the cosine.
        let turned = |v: Self, quarter: S::u32s| {
            let bit = simd.and_u32s(quarter, self.word(2));
            let sign = simd.wrapping_dyn_shl_u32s(bit, self.word(30));
            self.bits_as(simd.xor_u32s(v.bits(), sign))
        };
        (turned(a, quarter), turned(b, simd.add_u32s(quarter, self.word(1))))
    }
}

impl<S: Simd> Add for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.with(self.simd.add_f32s(self.value, other.value))
    }
}

impl<S: Simd> Sub for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.with(self.simd.sub_f32s(self.value, other.value))
    }
}

impl<S: Simd> Mul for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.with(self.simd.mul_f32s(self.value, other.value))
    }
}

impl<S: Simd> Div for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.with(self.simd.div_f32s(self.value, other.value))
    }
}

impl<S: Simd> Neg for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        // Not `neg_f32s`, which the compiler may leave a function of its own.
        self.bits_as(self.simd.xor_u32s(self.bits(), self.word(1 << 31)))
    }
}

impl<S: Simd> Number for Lanes<S> {
    #[inline(always)]
    fn of(self, value: f64) -> Self {
        self.all(value as f32)
    }

    #[inline(always)]
    fn below(self, bound: Self, then: Self, otherwise: Self) -> Self {
        let mask = self.simd.less_than_f32s(self.value, bound.value);
        self.with(self.simd.select_f32s(mask, then.value, otherwise.value))
    }

    #[inline(always)]
    fn times_plus(self, factor: Self, term: Self) -> Self {
        self.with(self.simd.mul_add_e_f32s(self.value, factor.value, term.value))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        // Not `abs_f32s`, which the compiler may leave a function of its own, called for each vector.
        self.bits_as(self.simd.and_u32s(self.bits(), self.word(!(1 << 31))))
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        self.with(self.simd.sqrt_f32s(self.value))
    }

    /// To within 2 units in the last place; 0, ∞ and NaN as they should be.
    ///
    /// With n = round(x / ln 2) and r = x − n·ln 2: 2ⁿ·eʳ, eʳ by the polynomial of Cephes' `expf`.
    #[inline(always)]
    fn exp(self) -> Self {
        let simd = self.simd;
        // Beyond these it is 0 and ∞. NaN compares false and stays.
        let x = self.at_least(self.all(-104.0)).at_most(self.all(89.0));
        let shifted = x * self.all(LOG2_E) + self.all(ROUNDING);
        let n = shifted - self.all(ROUNDING);
        let r = x - n * self.all(0.693_359_4) - n * self.all(-2.121_944_4e-4);
        let p = r.step(self.all(1.987_569_1e-4), 1.398_199_9e-3);
        let p = p.step(r, 8.333_452e-3);
        let p = p.step(r, 4.166_579_6e-2);
        let p = p.step(r, 1.666_666_5e-1);
        let p = p.step(r, 5e-1);
        let p = p * (r * r) + r + self.all(1.0);
        // In two halves, since 2ⁿ alone may be too large or too small for a number: n + 256 is
        // positive, and its half less 128 is that of n.
        let n = simd.sub_u32s(shifted.bits(), self.word(ROUNDING.to_bits()));
        let half = simd.wrapping_dyn_shr_u32s(simd.add_u32s(n, self.word(256)), self.word(1));
        let power = |biased| self.bits_as(simd.wrapping_dyn_shl_u32s(biased, self.word(23)));
        let one = simd.sub_u32s(half, self.word(1));
        let other = simd.add_u32s(simd.sub_u32s(n, half), self.word(255));
        p * power(one) * power(other)
    }

    /// A polynomial near 0, where the difference of nearly equal numbers would lose digits.
    #[inline(always)]
    fn exp_m1(self) -> Self {
        let p = self.step(self.all(1.994_487_4e-4), 1.398_218_6e-3);
        let p = p.step(self, 8.333_236e-3);
        let p = p.step(self, 4.166_579_2e-2);
        let p = p.step(self, 1.666_666_7e-1);
        let p = p.step(self, 5e-1);
        let near = p.times_plus(self * self, self);
        self.abs().below(self.all(0.5), near, self.exp() - self.all(1.0))
    }

    /// To within 2 units in the last place, of normal numbers; −∞ below them.
    ///
    /// With x = 2ᵏ·m and m from √½ to √2: k·ln 2 + ln m, ln m by the series of FreeBSD's `logf` in
    /// (m − 1)/(m + 1).
    #[inline(always)]
    fn ln(self) -> Self {
        let simd = self.simd;
        let root_half = 0x3f35_04f3_u32;
        let shifted = simd.add_u32s(self.bits(), self.word(0x3f80_0000 - root_half));
        let exponent = simd.wrapping_dyn_shr_u32s(shifted, self.word(23));
        let mantissa = simd.and_u32s(shifted, self.word(0x007f_ffff));
        let m = self.bits_as(simd.add_u32s(mantissa, self.word(root_half)));
        let biased = simd.add_u32s(exponent, self.word(ROUNDING.to_bits()));
        let k = self.bits_as(biased) - self.all(ROUNDING + 127.0);
        let f = m - self.all(1.0);
        let s = f / (self.all(2.0) + f);
        let z = s * s;
        let w = z * z;
        let odd = w * w.step(self.all(0.242_790_79), 0.400_009_72);
        let even = z * w.step(self.all(0.284_987_87), 0.666_666_6);
        let half = self.all(0.5) * f * f;
        let ln = s * (half + odd + even) + k * self.all(9.058e-6) - half
            + f
            + k * self.all(6.931_381e-1);
        let tiny = self.all(f32::MIN_POSITIVE);
        let ln = self.below(tiny, self.all(f32::NEG_INFINITY), ln);
        // Infinity and NaN stay as they are.
        self.below(self.all(f32::INFINITY), ln, self)
    }

    /// The logarithm of the rounded sum, and what the rounding lost.
    #[inline(always)]
    fn ln_1p(self) -> Self {
        let sum = self + self.all(1.0);
        let lost = self - (sum - self.all(1.0));
        let ln = sum.ln() + lost / sum;
        self.below(self.all(f32::INFINITY), ln, self)
    }

    /// An odd polynomial near 0 (Cephes' `tanhf`), `1 − 2/(e^2|z| + 1)` beyond.
    #[inline(always)]
    fn tanh(self) -> Self {
        let (one, two) = (self.all(1.0), self.all(2.0));
        let s = self * self;
        let p = s.step(self.all(-5.704_988_7e-3), 2.063_908_8e-2);
        let p = p.step(s, -5.373_971_6e-2);
        let p = p.step(s, 1.333_144_2e-1);
        let p = p.step(s, -3.333_328e-1);
        let near = (p * s).times_plus(self, self);
        let far = (one - two / ((two * self.abs()).exp() + one)).signed_as(self);
        let far = self.below(self.all(f32::INFINITY), far, self.at_most(one));
        self.abs().below(self.all(0.625), near, far)
    }

    #[inline(always)]
    fn sin_cos(self) -> (Self, Self) {
        (self * self.all(1.0 / TAU)).sin_cos_turns()
    }

    /// To within a few units in the last place: an odd polynomial near 0, 1 less an exponential of a
    /// polynomial beyond.
    #[inline(always)]
    fn erf(self) -> Self {
        let s = self * self;
        let p = s.step(self.all(-5.967_617e-4), 4.991_194_2e-3);
        let p = p.step(s, -2.676_813_5e-2);
        let p = p.step(s, 1.128_199_25e-1);
        let p = p.step(s, -3.761_253_6e-1);
        let p = p.step(s, 1.283_791_7e-1);
        let near = p.times_plus(self, self);
        // From 4 on it is 1.
        let t = self.abs().at_most(self.all(4.0));
        let s = t * t;
        let p = t.step(self.all(-1.728_534_7e-5), 3.831_97e-4);
        let q = t.step(self.all(-3.883_964_4e-3), 2.425_462_2e-2);
        let p = p.times_plus(s, q);
        let p = p.step(t, -1.067_778_8e-1);
        let p = p.step(t, -6.348_467e-1);
        let p = p.step(t, -1.287_175_1e-1);
        let p = p.times_plus(t, -t);
        let far = (self.all(1.0) - p.exp()).signed_as(self);
        self.abs().below(self.all(0.927_734_4), near, far)
    }

    #[inline(always)]
    fn root(self) -> Self {
        let square = self.at_least(self.all(1024.0 * f32::MIN_POSITIVE));
        square * square.reciprocal_root()
    }

    #[inline(always)]
    fn over(self, divisor: Self) -> Self {
        self * divisor.reciprocal()
    }

    #[inline(always)]
    fn flushed(self) -> Self {
        self.abs().below(self.all(f32::MIN_POSITIVE), self.all(0.0), self)
    }

    #[inline(always)]
    fn each(self, f: impl Fn(f64) -> f64) -> Self {
        let mut vector = self.value;
        for lane in bytemuck::cast_slice_mut::<S::f32s, f32>(slice::from_mut(&mut vector)) {
            *lane = f((*lane).into()) as f32;
        }
        self.with(vector)
    }
}

/// The functions of a single number are those of a vector of one.
macro_rules! single {
    ($($function:ident),+) => {
        $(#[inline(always)]
        fn $function(self) -> Self {
            Lanes::new(Scalar, self).$function().value
        })+
    };
}

impl Number for f32 {
    #[inline(always)]
    fn of(self, value: f64) -> Self {
        value as f32
    }
    #[inline(always)]
    fn below(self, bound: Self, then: Self, otherwise: Self) -> Self {
        if self < bound { then } else { otherwise }
    }
    #[inline(always)]
    fn times_plus(self, factor: Self, term: Self) -> Self {
        self * factor + term
    }
    #[inline(always)]
    fn abs(self) -> Self {
        f32::abs(self)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }
    #[inline(always)]
    fn sin_cos(self) -> (Self, Self) {
        let (sine, cosine) = Number::sin_cos(Lanes::new(Scalar, self));
        (sine.value, cosine.value)
    }
    #[inline(always)]
    fn over(self, divisor: Self) -> Self {
        self / divisor
    }
    #[inline(always)]
    fn each(self, f: impl Fn(f64) -> f64) -> Self {
        f(self.into()) as f32
    }
    single!(exp, exp_m1, ln, ln_1p, tanh, erf, root, flushed);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The difference in units in the last place of `expected`.
    fn ulps(got: f32, expected: f64) -> f64 {
        let unit = f64::from(f32::EPSILON) * 2_f64.powf(expected.abs().log2().floor());
        (f64::from(got) - expected).abs() / unit
    }

    /// The largest difference on a million points from `low` to `high`.
    fn worst(low: f32, high: f32, f: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64) -> f64 {
        let mut worst = 0.0_f64;
        for i in 0..1_000_000 {
            let x = low + (high - low) * i as f32 / 1e6;
            if x != 0.0 {
                worst = worst.max(ulps(f(x), exact(f64::from(x))));
            }
        }
        worst
    }

    #[test]
    fn exp_is_within_two_units() {
        let worst = worst(-87.3, 88.7, Number::exp, f64::exp);
        assert!(worst < 2.0, "{worst}");
        for (x, y) in
            [(0.0, 1.0), (-0.0, 1.0), (f32::INFINITY, f32::INFINITY), (89.0, f32::INFINITY)]
        {
            assert_eq!(Number::exp(x), y, "{x}");
        }
        for x in [-104.0, -1e30, f32::NEG_INFINITY] {
            assert_eq!(Number::exp(x), 0.0, "{x}");
        }
        assert!(Number::exp(f32::NAN).is_nan());
        // Below the normal numbers: as near as they lie.
        for x in [-88.0_f32, -95.0, -103.0] {
            assert!((f64::from(Number::exp(x)) - f64::from(x).exp()).abs() <= 1.5e-45, "{x}");
        }
    }

    #[test]
    fn exp_m1_is_within_a_few_units() {
        let worst = worst(-20.0, 80.0, Number::exp_m1, f64::exp_m1).max(worst(
            -1.0,
            1.0,
            Number::exp_m1,
            f64::exp_m1,
        ));
        assert!(worst < 4.0, "{worst}");
        for x in [1e-30_f32, -1e-10, 0.0] {
            assert_eq!(Number::exp_m1(x), x);
        }
        assert_eq!([-1e4, -1e30, f32::NEG_INFINITY].map(Number::exp_m1), [-1.0; 3]);
        assert_eq!(Number::exp_m1(f32::INFINITY), f32::INFINITY);
        assert!(Number::exp_m1(f32::NAN).is_nan());
    }

    #[test]
    fn sigmoid_tanh_and_erf_are_within_a_few_units() {
        let s = worst(-40.0, 40.0, Number::sigmoid, |z| 1.0 / (1.0 + (-z).exp()));
        let t = worst(-10.0, 10.0, Number::tanh, f64::tanh);
        let e = worst(-5.0, 5.0, Number::erf, libm::erf);
        assert!(s < 4.0 && t < 4.0 && e < 4.0, "{s} {t} {e}");
        for z in [1e-30_f32, -1e-10, 0.0] {
            assert_eq!(Number::tanh(z), z);
        }
        let sigmoid = Number::sigmoid;
        assert_eq!([sigmoid(1e30), sigmoid(-1e30), sigmoid(f32::NEG_INFINITY)], [1.0, 0.0, 0.0]);
        for f in [Number::tanh, Number::erf] {
            assert_eq!([f(1e30_f32), f(-1e30), f(f32::INFINITY)], [1.0, -1.0, 1.0]);
            assert!(f(f32::NAN).is_nan());
        }
        assert!(sigmoid(f32::NAN).is_nan());
    }

    #[test]
    fn logarithms_are_within_a_few_units() {
        // Near 1 the logarithm is small; the difference is then measured against its argument.
        let l = worst(0.01, 0.7, Number::ln, f64::ln).max(worst(1.4, 1e4, Number::ln, f64::ln));
        let p = worst(0.0, 1.0, Number::ln_1p, f64::ln_1p);
        assert!(l < 4.0 && p < 4.0, "{l} {p}");
        for x in [0.9_f32, 1.0, 1.1, 1e-30, 1e30] {
            let off = (f64::from(Number::ln(x)) - f64::from(x).ln()).abs();
            assert!(off < 2e-7 * f64::from(x).ln().abs().max(1.0), "{x}: {off}");
        }
        for x in [1e-30_f32, 1e-10, 0.0] {
            assert_eq!(Number::ln_1p(x), x);
        }
        assert_eq!(Number::ln(f32::INFINITY), f32::INFINITY);
        assert_eq!(Number::ln(0.0_f32), f32::NEG_INFINITY);
        assert!(Number::ln(f32::NAN).is_nan() && Number::ln_1p(f32::NAN).is_nan());
    }

    #[test]
    fn waves_are_sine_and_cosine() {
        let wave = |turns: f32| {
            let (sine, cosine) = Lanes::new(Scalar, turns).sin_cos_turns();
            (sine.value, cosine.value)
        };
        for i in -100_000..100_000 {
            let turns = i as f32 / 12_345.6;
            let (sine, cosine) = wave(turns);
            let angle = std::f64::consts::TAU * f64::from(turns);
            assert!((f64::from(sine) - angle.sin()).abs() < 3e-7, "{turns}: {sine}");
            assert!((f64::from(cosine) - angle.cos()).abs() < 3e-7, "{turns}: {cosine}");
        }
        assert!(wave(f32::INFINITY).0.is_nan() && wave(f32::NAN).1.is_nan());
        assert_eq!(wave(1e30), (0.0, 1.0));
        assert_eq!(wave(5e6), (0.0, 1.0));
    }

    #[test]
    fn roots_and_reciprocals_are_within_a_few_units() {
        let mut worst = [0.0_f64; 2];
        let mut x = f32::MIN_POSITIVE;
        while x < 1e37 {
            let lane = Lanes::new(Scalar, x);
            let [root, inverse] =
                [lane.reciprocal_root(), lane.reciprocal()].map(|y| f64::from(y.value));
            let exact = f64::from(x);
            worst[0] = worst[0].max((root * exact.sqrt() - 1.0).abs());
            worst[1] = worst[1].max((inverse * exact - 1.0).abs());
            x *= 1.000_9;
        }
        let unit = f64::from(f32::EPSILON) / 2.0;
        assert!(worst[0] < 5.0 * unit && worst[1] < 4.0 * unit, "{worst:?}");
        let (nan, zero) = (Lanes::new(Scalar, f32::NAN), Lanes::new(Scalar, 0.0));
        assert!(nan.reciprocal_root().value.is_nan() && nan.reciprocal().value.is_nan());
        assert!(zero.reciprocal_root().value.is_finite() && zero.reciprocal().value.is_nan());
    }
}
