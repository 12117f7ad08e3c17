//! Functions of one number, in plain arithmetic without branches, so that loops over them become
//! vector instructions wherever they are inlined into [`Arch::dispatch`].

use crate::activation::Activation;
use pulp::{Arch, Simd, WithSimd};
use std::f32::consts::{LOG2_E, TAU};

/// Added and taken away again, it rounds to a whole number, which stands in its lowest bits.
const ROUNDING: f32 = 12_582_912.0; // 1.5·2²³

/// `eˣ`, to within 2 units in the last place; 0, ∞ and NaN as they should be.
///
/// With n = round(x / ln 2) and r = x − n·ln 2: 2ⁿ·eʳ, eʳ by the polynomial of Cephes' `expf`.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Beyond these it is 0 and ∞. NaN compares false and stays.
    let x = if x < -104.0 { -104.0 } else { x };
    let x = if x > 89.0 { 89.0 } else { x };
    let shifted = x * LOG2_E + ROUNDING;
    let n = shifted - ROUNDING;
    let r = x - n * 0.693_359_4 - n * -2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5e-1;
    let p = p * (r * r) + r + 1.0;
    // In two halves, since 2ⁿ alone may be too large or too small for a number.
    let n = shifted.to_bits().wrapping_sub(ROUNDING.to_bits()).cast_signed();
    let half = n >> 1;
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) << 23).cast_unsigned());
    p * power(half) * power(n.wrapping_sub(half))
}

/// `1 / (1 + e⁻ᶻ)`.
#[inline(always)]
fn sigmoid(z: f32) -> f32 {
    1.0 / (1.0 + exp(-z))
}

/// `tanh z`: an odd polynomial near 0 (Cephes' `tanhf`), `1 − 2/(e^2|z| + 1)` beyond.
#[inline(always)]
fn tanh(z: f32) -> f32 {
    let s = z * z;
    let p = -5.704_988_7e-3;
    let p = p * s + 2.063_908_8e-2;
    let p = p * s - 5.373_971_6e-2;
    let p = p * s + 1.333_144_2e-1;
    let p = p * s - 3.333_328e-1;
    let near = p * s * z + z;
    let far = (1.0 - 2.0 / (exp(2.0 * z.abs()) + 1.0)).copysign(z);
    if z.abs() < 0.625 { near } else { far }
}

/// `(sin, cos)` of 2π·turns.
#[inline(always)]
fn wave(turns: f32) -> (f32, f32) {
    let part = turns - turns.round_ties_even();
    // The nearest quarter of a turn, and the angle from there, at most π/4.
    let shifted = part * 4.0 + ROUNDING;
    let angle = TAU * (part - (shifted - ROUNDING) * 0.25);
    let quarter = shifted.to_bits();
    let s = angle * angle;
    let p = -1.951_529_6e-4 * s + 8.332_161e-3;
    let sine = (p * s - 1.666_665_5e-1) * s * angle + angle;
    let p = 2.443_315_7e-5 * s - 1.388_731_6e-3;
    let cosine = (p * s + 4.166_664_6e-2) * s * s - 0.5 * s + 1.0;
    let swapped = quarter & 1 == 1;
    let (a, b) = if swapped { (cosine, sine) } else { (sine, cosine) };
    // Quarters 2 and 3 turn the sign of the sine, 1 and 2 that of the cosine.
    let sign = |v: f32, bit: u32| f32::from_bits(v.to_bits() ^ ((bit & 2) << 30));
    (sign(a, quarter), sign(b, quarter.wrapping_add(1)))
}

/// `f(z)` of each number.
pub(super) fn activate(arch: Arch, activation: Activation, z: &mut [f32]) {
    arch.dispatch(Activate { activation, z });
}

struct Activate<'a> {
    activation: Activation,
    z: &'a mut [f32],
}

impl WithSimd for Activate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        match self.activation {
            Activation::Sigmoid => self.z.iter_mut().for_each(|z| *z = sigmoid(*z)),
            Activation::Tanh => self.z.iter_mut().for_each(|z| *z = tanh(*z)),
            Activation::Softmax => {
                let largest = self.z.iter().fold(f32::NEG_INFINITY, |m, z| m.max(*z));
                self.z.iter_mut().for_each(|z| *z = exp(*z - largest));
                let sum: f32 = self.z.iter().sum();
                self.z.iter_mut().for_each(|z| *z /= sum);
            }
            other => self.z.iter_mut().for_each(|z| *z = other.value(*z)),
        }
    }
}

/// [`fourier_encoding`](crate::reference::fourier_encoding) of one sample in f32. `frequencies`
/// is `[inputs, waves]`; `turns` has room for the waves, `out` for twice as many.
pub(super) fn encode(
    arch: Arch,
    x: &[f32],
    frequencies: &[f32],
    turns: &mut [f32],
    out: &mut [f32],
) {
    arch.dispatch(Encode { x, frequencies, turns, out });
}

struct Encode<'a> {
    x: &'a [f32],
    frequencies: &'a [f32],
    turns: &'a mut [f32],
    out: &'a mut [f32],
}

impl WithSimd for Encode<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.turns.fill(0.0);
        for (x, row) in self.x.iter().zip(self.frequencies.chunks_exact(self.turns.len())) {
            self.turns.iter_mut().zip(row).for_each(|(turns, b)| *turns += b * x);
        }
        for (out, turns) in self.out.chunks_exact_mut(2).zip(self.turns) {
            (out[0], out[1]) = wave(*turns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The difference in units in the last place of `expected`.
    fn ulps(got: f32, expected: f64) -> f64 {
        let unit = f64::from(f32::EPSILON) * 2_f64.powf(expected.abs().log2().floor());
        (f64::from(got) - expected).abs() / unit
    }

    #[test]
    fn exp_is_within_two_units() {
        let mut worst = 0.0_f64;
        for i in 0..2_000_000 {
            let x = -87.3 + 176.0 * i as f32 / 2e6;
            worst = worst.max(ulps(exp(x), f64::from(x).exp()));
        }
        assert!(worst < 2.0, "{worst}");
        for (x, y) in
            [(0.0, 1.0), (-0.0, 1.0), (f32::INFINITY, f32::INFINITY), (89.0, f32::INFINITY)]
        {
            assert_eq!(exp(x), y, "{x}");
        }
        for x in [-104.0, -1e30, f32::NEG_INFINITY] {
            assert_eq!(exp(x), 0.0, "{x}");
        }
        assert!(exp(f32::NAN).is_nan());
        // Below the normal numbers: as near as they lie.
        for x in [-88.0_f32, -95.0, -103.0] {
            assert!((f64::from(exp(x)) - f64::from(x).exp()).abs() <= 1.5e-45, "{x}");
        }
    }

    #[test]
    fn sigmoid_and_tanh_are_within_a_few_units() {
        let (mut s, mut t) = (0.0_f64, 0.0_f64);
        for i in 0..1_000_000 {
            let z = -40.0 + 80.0 * i as f32 / 1e6;
            s = s.max(ulps(sigmoid(z), 1.0 / (1.0 + (-f64::from(z)).exp())));
            let z = z / 4.0 + 1e-7;
            t = t.max(ulps(tanh(z), f64::from(z).tanh()));
        }
        assert!(s < 4.0 && t < 4.0, "{s} {t}");
        for z in [1e-30_f32, -1e-10, 0.0] {
            assert_eq!(tanh(z), z);
        }
        assert_eq!([sigmoid(1e30), sigmoid(-1e30), sigmoid(f32::NEG_INFINITY)], [1.0, 0.0, 0.0]);
        assert_eq!([tanh(1e30), tanh(-1e30), tanh(f32::INFINITY)], [1.0, -1.0, 1.0]);
        assert!(sigmoid(f32::NAN).is_nan() && tanh(f32::NAN).is_nan());
    }

    #[test]
    fn waves_are_sine_and_cosine() {
        for i in -100_000..100_000 {
            let turns = i as f32 / 12_345.6;
            let (sine, cosine) = wave(turns);
            let angle = std::f64::consts::TAU * f64::from(turns);
            assert!((f64::from(sine) - angle.sin()).abs() < 3e-7, "{turns}: {sine}");
            assert!((f64::from(cosine) - angle.cos()).abs() < 3e-7, "{turns}: {cosine}");
        }
        assert!(wave(f32::INFINITY).0.is_nan() && wave(f32::NAN).1.is_nan());
        assert_eq!(wave(1e30), (0.0, 1.0));
    }

    #[test]
    fn every_level_activates_alike() {
        let levels = crate::engine::cpu::product::tests::levels();
        for activation in Activation::ALL {
            let z: Vec<f32> = (0..53).map(|i| (i as f32 - 26.0) * 0.75).collect();
            let mut expected: Vec<f64> = z.iter().map(|z| f64::from(*z)).collect();
            if activation == Activation::Softmax {
                crate::reference::softmax(&mut expected, 53);
            } else {
                crate::reference::activation(activation, &mut expected);
            }
            for arch in &levels {
                let mut y = z.clone();
                activate(*arch, activation, &mut y);
                for (y, e) in y.iter().zip(&expected) {
                    assert!(
                        (f64::from(*y) - e).abs() <= 1e-6 * e.abs() + 1e-37,
                        "{activation} {arch:?}"
                    );
                }
            }
        }
    }
}
