//! Activations, dropout and softmax, forward and backward.

use crate::activation::Activation;
use crate::dropout::{self, Masks};

/// Activation in place: `z[i] ← f(z[i])`.
pub fn activation(f: Activation, z: &mut [f64]) {
    for z in z {
        *z = f.value(*z);
    }
}

/// Slopes of an activation: `f′(z[i])`.
pub fn activation_slopes(f: Activation, z: &[f64]) -> Vec<f64> {
    z.iter().map(|z| f.slope(*z)).collect()
}

/// Activation gradient in place: `delta[i] ← delta[i]·slopes[i]`.
pub fn activation_gradient(slopes: &[f64], delta: &mut [f64]) {
    for (delta, slope) in delta.iter_mut().zip(slopes) {
        *delta *= slope;
    }
}

/// The nearest number of f16: 11 significant bits, multiples of 2⁻²⁴ below 2⁻¹⁴, infinite from 65,520 on. Of two
/// that are as near, the one with an even last bit.
///
/// ```
/// use impasto::reference::round_f16;
///
/// assert_eq!([0.1, 2049.0, 7e4].map(round_f16), [0.0999755859375, 2048.0, f64::INFINITY]);
/// ```
pub fn round_f16(x: f64) -> f64 {
    // The exponent of x, or that of the smallest normal f16.
    let exponent = ((x.to_bits() >> 52 & 0x7ff) as i32 - 1023).clamp(-14, 16);
    let unit = 2_f64.powi(exponent - 10);
    let rounded = (x / unit).round_ties_even() * unit;
    if rounded.abs() > 65_504.0 { f64::INFINITY.copysign(x) } else { rounded }
}

/// Dropout in place: `y[i, j] ← y[i, j] / (1 − rate)` if the step's mask keeps neuron `j` of sample `i`,
/// else 0. The slopes are multiplied by the same factors.
///
/// `y` and `slopes` are `[batch, width]`, `layer` counts from 0.
pub(crate) fn dropout(
    (masks, first): (Masks, usize),
    layer: usize,
    rate: f64,
    width: usize,
    y: &mut [f64],
    slopes: &mut [f64],
) {
    let (threshold, factor) = (dropout::threshold(rate), dropout::factor(rate));
    let rows = y.chunks_exact_mut(width).zip(slopes.chunks_exact_mut(width));
    for (i, (y, slopes)) in rows.enumerate() {
        let mask = masks.of(layer, first + i);
        for (j, (y, slope)) in (0..).zip(y.iter_mut().zip(slopes)) {
            let scale = if mask.keeps(j, threshold) { factor } else { 0.0 };
            *y *= scale;
            *slope *= scale;
        }
    }
}

/// Softmax of each row in place: `z[i, j] ← exp(z[i, j] − mᵢ) / Σₖ exp(z[i, k] − mᵢ)` with
/// `mᵢ = maxₖ z[i, k]`, which changes nothing but keeps `exp` finite.
///
/// `z` is `[batch, outputs]`.
pub fn softmax(z: &mut [f64], outputs: usize) {
    for row in z.chunks_exact_mut(outputs) {
        let largest = row.iter().fold(f64::NEG_INFINITY, |m, z| m.max(*z));
        let mut sum = 0.0;
        for z in row.iter_mut() {
            *z = (*z - largest).exp();
            sum += *z;
        }
        for z in row {
            *z /= sum;
        }
    }
}

/// Softmax gradient in place: `delta[i, j] ← y[i, j]·(delta[i, j] − Σₖ delta[i, k]·y[i, k])`.
///
/// `y` are the softmax's outputs, `y` and `delta` are `[batch, outputs]`.
pub fn softmax_gradient(y: &[f64], delta: &mut [f64], outputs: usize) {
    for (delta, y) in delta.chunks_exact_mut(outputs).zip(y.chunks_exact(outputs)) {
        let dot: f64 = delta.iter().zip(y).map(|(d, y)| d * y).sum();
        for (delta, y) in delta.iter_mut().zip(y) {
            *delta = y * (*delta - dot);
        }
    }
}
