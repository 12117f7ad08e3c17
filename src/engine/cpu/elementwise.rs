//! Activations and the encoding over rows, a vector at a time.

use super::lanes::Lanes;
use super::lines::padded;
use crate::activation::{Activation, Formula, Visitor};
use crate::dropout::{self, Mask};
use crate::number::Number;
use pulp::{Arch, Scalar, Simd, WithSimd};

/// Rows of numbers: `width` of each `stride` count, and whole lines may be written.
pub(super) struct Rows<'a> {
    pub(super) values: &'a mut [f32],
    pub(super) count: usize,
    pub(super) width: usize,
    pub(super) stride: usize,
}

impl Rows<'_> {
    /// The same rows, for a function that takes them.
    pub(super) fn again(&mut self) -> Rows<'_> {
        Rows { values: self.values, ..*self }
    }
}

/// `f(z)` of each number, in place.
pub(super) fn activate(arch: Arch, activation: Activation, rows: Rows) {
    if activation.is_row() {
        arch.dispatch(Softmax(rows));
    } else {
        activation.visit(Activate { arch, rows, slopes: None });
    }
}

/// `f(z)` of each number, in place, and `f′(z)` to the same places of `slopes`.
pub(super) fn activate_with_slopes(
    arch: Arch,
    activation: Activation,
    rows: Rows,
    slopes: &mut [f32],
) {
    activation.visit(Activate { arch, rows, slopes: Some(slopes) });
}

struct Activate<'a> {
    arch: Arch,
    rows: Rows<'a>,
    slopes: Option<&'a mut [f32]>,
}

impl Visitor for Activate<'_> {
    type Output = ();

    fn visit<F: Formula>(self, formula: F) {
        let Self { arch, rows, slopes } = self;
        arch.dispatch(Apply { formula, rows, slopes });
    }
}

struct Apply<'a, F> {
    formula: F,
    rows: Rows<'a>,
    slopes: Option<&'a mut [f32]>,
}

impl<F: Formula> WithSimd for Apply<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { formula, rows, slopes } = self;
        let wide = padded(rows.width);
        let lines = rows.values.chunks_exact_mut(rows.stride).take(rows.count);
        match slopes {
            None => {
                for line in lines {
                    for z in S::as_mut_simd_f32s(&mut line[..wide]).0 {
                        *z = formula.value(Lanes::new(simd, *z)).value;
                    }
                }
            }
            Some(slopes) => {
                for (line, slopes) in lines.zip(slopes.chunks_exact_mut(rows.stride)) {
                    let slopes = S::as_mut_simd_f32s(&mut slopes[..wide]).0;
                    for (z, slope) in
                        S::as_mut_simd_f32s(&mut line[..wide]).0.iter_mut().zip(slopes)
                    {
                        let sum = Lanes::new(simd, *z);
                        *z = formula.value(sum).value;
                        *slope = formula.slope(sum).value;
                    }
                }
            }
        }
    }
}

/// `reference::dropout` in f32, on outputs and slopes with the same stride. `mask` returns the mask of a row.
pub(super) fn drop_outputs(
    arch: Arch,
    rate: f64,
    mask: impl Fn(usize) -> Mask,
    rows: Rows,
    slopes: &mut [f32],
) {
    let (threshold, factor) = (dropout::threshold(rate), dropout::factor(rate) as f32);
    let Rows { values, count, width, stride } = rows;
    let lines = values.chunks_exact_mut(stride).zip(slopes.chunks_exact_mut(stride));
    for (row, (values, slopes)) in lines.take(count).enumerate() {
        let (values, slopes) = (&mut values[..width], &mut slopes[..width]);
        arch.dispatch(Drop { mask: mask(row), threshold, factor, values, slopes });
    }
}

struct Drop<'a> {
    mask: Mask,
    threshold: u32,
    factor: f32,
    values: &'a mut [f32],
    slopes: &'a mut [f32],
}

impl WithSimd for Drop<'_> {
    type Output = ();

    // Whole numbers and a choice: the compiler makes vectors of them.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { mask, threshold, factor, values, slopes } = self;
        for (neuron, (value, slope)) in (0..).zip(values.iter_mut().zip(slopes)) {
            let scale = if mask.keeps(neuron, threshold) { factor } else { 0.0 };
            *value *= scale;
            *slope *= scale;
        }
    }
}

/// [`softmax`](crate::reference::softmax) in f32.
struct Softmax<'a>(Rows<'a>);

impl WithSimd for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Rows { values, count, width, stride } = self.0;
        for line in values.chunks_exact_mut(stride).take(count) {
            let z = &mut line[..width];
            let largest = z.iter().fold(f32::NEG_INFINITY, |m, z| m.max(*z));
            for z in z.iter_mut() {
                *z = Number::exp(*z - largest);
            }
            let sum: f32 = z.iter().sum();
            for z in z {
                *z /= sum;
            }
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
            let (sine, cosine) = Lanes::new(Scalar, *turns).sin_cos_turns();
            (out[0], out[1]) = (sine.value, cosine.value);
        }
    }
}

/// [`fourier_encoding_gradient`](crate::reference::fourier_encoding_gradient) of one sample in f32.
/// `encoded` and `delta` are `[2·waves]`, `frequencies` is `[inputs, waves]`, and `gradient` is `[inputs]`.
/// `slopes`, `[waves]`, is overwritten.
pub(super) fn encoding_gradient(
    encoded: &[f32],
    delta: &[f32],
    frequencies: &[f32],
    slopes: &mut [f32],
    gradient: &mut [f32],
) {
    let waves = encoded.chunks_exact(2).zip(delta.chunks_exact(2));
    for (slope, (wave, delta)) in slopes.iter_mut().zip(waves) {
        *slope = std::f32::consts::TAU * (wave[1] * delta[0] - wave[0] * delta[1]);
    }
    for (gradient, row) in gradient.iter_mut().zip(frequencies.chunks_exact(slopes.len())) {
        *gradient = row.iter().zip(&*slopes).map(|(b, slope)| b * slope).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::{rounding, tests::variants};
    use crate::activation_fn::ActivationFn;
    use crate::engine::cpu::lines::{Lines, stride};

    /// An activation of the caller's.
    struct Softsign;

    impl ActivationFn for Softsign {
        fn value(&self, z: f64) -> f64 {
            z / (1.0 + z.abs())
        }

        fn slope(&self, z: f64) -> f64 {
            1.0 / (1.0 + z.abs()).powi(2)
        }
    }

    #[test]
    fn every_level_activates_alike() {
        let levels = crate::engine::cpu::product::tests::levels();
        let z: Vec<f64> = (0..53).map(|i| (f64::from(i) - 26.0) * 0.75).collect();
        for activation in variants().into_iter().chain([Activation::custom(Softsign)]) {
            let mut expected = z.clone();
            if activation.is_row() {
                crate::reference::softmax(&mut expected, 53);
            } else {
                crate::reference::activation(activation, &mut expected);
            }
            let slopes = crate::reference::activation_slopes(activation, &z);
            for arch in &levels {
                let stride = stride(53);
                let (mut y, mut got) = (Lines::zeros(stride), Lines::zeros(stride));
                let row = |values: &mut Lines| {
                    z.iter().zip(values.iter_mut()).for_each(|(z, v)| *v = *z as f32);
                };
                let near = |got: &[f32], expected: &[f64], what: &str| {
                    for ((got, e), z) in got.iter().zip(expected).zip(&z) {
                        let off = (f64::from(*got) - e).abs();
                        let f = |z| match what {
                            _ if activation.is_row() => *e,
                            "slope" => activation.slope(z),
                            _ => activation.value(z),
                        };
                        assert!(
                            off <= rounding(f, *z, 16.0 * f64::from(f32::EPSILON)),
                            "{activation} {arch:?} {what} at {z}: {got} {e}"
                        );
                    }
                };
                row(&mut y);
                activate(*arch, activation, Rows { values: &mut y, count: 1, width: 53, stride });
                near(&y[..53], &expected, "value");
                if !activation.is_row() {
                    row(&mut y);
                    let rows = Rows { values: &mut y, count: 1, width: 53, stride };
                    activate_with_slopes(*arch, activation, rows, &mut got);
                    near(&y[..53], &expected, "value beside the slope");
                    near(&got[..53], &slopes, "slope");
                }
            }
        }
    }
}
