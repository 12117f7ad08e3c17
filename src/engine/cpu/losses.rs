//! Losses with their gradients, of one sample in f32.

use crate::activation::Activation;
use crate::loss::Loss;

/// The loss of one sample; the gradient with respect to the last layer's weighted sums goes to
/// `delta`. `y` are the outputs, or the logits for a loss that reads those
/// ([`Loss::folded_activation`]).
pub(super) fn loss_gradient(
    loss: Loss,
    activation: Activation,
    scale: f32,
    y: &[f32],
    t: &[f32],
    delta: &mut [f32],
) -> f32 {
    match loss {
        Loss::MeanSquaredError | Loss::SquaredErrorSum => {
            let loss = squared_error(y, t, scale, delta);
            match activation {
                Activation::Softmax => softmax_gradient(y, delta),
                other => {
                    delta.iter_mut().zip(y).for_each(|(d, y)| *d *= other.derivative(*y));
                }
            }
            loss
        }
        Loss::BinaryCrossEntropy => binary_cross_entropy(y, t, scale, delta),
        Loss::SoftmaxCrossEntropy => softmax_cross_entropy(y, t, scale, delta),
    }
}

/// [`softmax_gradient`](crate::reference::softmax_gradient) of one row in f32.
fn softmax_gradient(y: &[f32], delta: &mut [f32]) {
    let dot: f32 = delta.iter().zip(y).map(|(d, y)| d * y).sum();
    delta.iter_mut().zip(y).for_each(|(d, y)| *d = y * (*d - dot));
}

/// [`squared_error`](crate::reference::squared_error) of one row in f32.
fn squared_error(y: &[f32], t: &[f32], scale: f32, delta: &mut [f32]) -> f32 {
    let mut loss = 0.0;
    for ((y, t), delta) in y.iter().zip(t).zip(delta) {
        let error = y - t;
        loss += scale * error * error;
        *delta = scale * 2.0 * error;
    }
    loss
}

/// [`binary_cross_entropy`](crate::reference::binary_cross_entropy) of one row in f32.
fn binary_cross_entropy(z: &[f32], t: &[f32], scale: f32, delta: &mut [f32]) -> f32 {
    let mut loss = 0.0;
    for ((z, t), delta) in z.iter().zip(t).zip(delta) {
        let e = (-z.abs()).exp();
        // NaN must come through, which `max` would hide.
        let positive = if *z < 0.0 { 0.0 } else { *z };
        loss += scale * (positive - z * t + e.ln_1p());
        let sigmoid = if *z < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) };
        *delta = scale * (sigmoid - t);
    }
    loss
}

/// [`softmax_cross_entropy`](crate::reference::softmax_cross_entropy) of one row in f32.
fn softmax_cross_entropy(z: &[f32], t: &[f32], scale: f32, delta: &mut [f32]) -> f32 {
    let largest = z.iter().fold(f32::NEG_INFINITY, |m, z| m.max(*z));
    let sum: f32 = z.iter().map(|z| (z - largest).exp()).sum();
    let total: f32 = t.iter().sum();
    let mut loss = 0.0;
    for ((z, t), delta) in z.iter().zip(t).zip(delta) {
        loss += scale * t * (sum.ln() - (z - largest));
        *delta = scale * (total * (z - largest).exp() / sum - t);
    }
    loss
}
