//! Losses of some samples with their gradients, in f32.

use crate::activation::{Activation, Backward};
use crate::loss::{Formula, Loss, Visitor};

/// What the losses of some samples are computed from, as many as there are weights.
#[derive(Clone, Copy)]
pub(super) struct Samples<'a> {
    /// The outputs, or the logits for a loss that reads those ([`Loss::folded_activation`]), `stride` from
    /// row to row.
    pub(super) y: &'a [f32],
    /// The slopes of the output activation, where it stores them, in the same rows.
    pub(super) slopes: &'a [f32],
    /// The targets, `[samples, outputs]`.
    pub(super) t: &'a [f32],
    pub(super) weights: &'a [f32],
    pub(super) outputs: usize,
    pub(super) stride: usize,
    pub(super) scale: f32,
}

/// Writes the loss of each sample to `losses`. The gradient with respect to the last layer's weighted sums goes
/// to `deltas`, in rows as the outputs are, with zeros behind them.
///
/// The losses are chosen once for all samples, since that takes longer than the loss of a few outputs.
pub(super) fn loss_gradients(
    loss: Loss,
    activation: Activation,
    samples: &Samples,
    deltas: &mut [f32],
    losses: &mut [f32],
) {
    loss.visit(Gradients { samples, deltas, losses });
    if loss.folded_activation().is_some() {
        return;
    }
    let Samples { y, slopes, .. } = *samples;
    match activation.backward() {
        Backward::Row => each(samples, deltas, y, softmax_gradient),
        // Multiplied by 1.
        Backward::Rectifier { below: 1.0 } => {}
        Backward::Rectifier { below } => {
            let below = below as f32;
            each(samples, deltas, y, |y, delta| {
                delta.iter_mut().zip(y).for_each(|(d, y)| *d *= if *y > 0.0 { 1.0 } else { below });
            });
        }
        Backward::Polynomial(c) => {
            let [a, b, c] = c.map(|c| c as f32);
            each(samples, deltas, y, |y, delta| {
                delta.iter_mut().zip(y).for_each(|(d, y)| *d *= a + y * (b + c * y));
            });
        }
        Backward::Slope => each(samples, deltas, slopes, |slopes, delta| {
            delta.iter_mut().zip(slopes).for_each(|(d, slope)| *d *= slope);
        }),
        Backward::None => each(samples, deltas, y, |_, delta| delta.fill(0.0)),
    }
}

/// Calls `work` with the numbers beside the gradient of each sample, and with the gradient. Samples without
/// weight are left out: their gradient is 0, also where that number is not finite.
#[inline(always)]
fn each(samples: &Samples, deltas: &mut [f32], beside: &[f32], work: impl Fn(&[f32], &mut [f32])) {
    let Samples { weights, outputs, stride, .. } = *samples;
    let rows = beside.chunks_exact(stride).zip(deltas.chunks_exact_mut(stride));
    for ((beside, delta), weight) in rows.zip(weights) {
        if *weight != 0.0 {
            work(&beside[..outputs], &mut delta[..outputs]);
        }
    }
}

struct Gradients<'a> {
    samples: &'a Samples<'a>,
    deltas: &'a mut [f32],
    losses: &'a mut [f32],
}

impl Visitor for Gradients<'_> {
    type Output = ();

    fn visit<F: Formula>(self, formula: F) {
        let Samples { y, t, weights, outputs, stride, scale, .. } = *self.samples;
        // By number, since the compiler leaves parts of longer chains of iterators as calls.
        for row in 0..weights.len() {
            let delta = &mut self.deltas[row * stride..][..stride];
            let (delta, padding) = delta.split_at_mut(outputs);
            padding.fill(0.0);
            let weight = weights[row];
            self.losses[row] = if weight == 0.0 {
                // Also if its loss is not finite.
                delta.fill(0.0);
                0.0
            } else {
                let y = &y[row * stride..][..outputs];
                formula.row(y, &t[row * outputs..][..outputs], scale * weight, delta)
            };
        }
    }
}

/// [`softmax_gradient`](crate::reference::softmax_gradient) of one row in f32.
fn softmax_gradient(y: &[f32], delta: &mut [f32]) {
    let dot: f32 = delta.iter().zip(y).map(|(d, y)| d * y).sum();
    delta.iter_mut().zip(y).for_each(|(d, y)| *d = y * (*d - dot));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_without_weight_have_no_gradient() {
        // Three samples of two outputs, in rows of four numbers. The second one has no weight.
        let y = [0.5, 0.25, 9.0, 9.0, f32::NAN, f32::INFINITY, 9.0, 9.0, 0.75, 0.5, 9.0, 9.0];
        let (t, weights) = ([0.0, 1.0, 0.0, 0.0, 1.0, 0.5], [1.0, 0.0, 2.0]);
        let samples = Samples {
            y: &y,
            slopes: &y,
            t: &t,
            weights: &weights,
            outputs: 2,
            stride: 4,
            scale: 0.5,
        };
        for (activation, slope) in [
            (Activation::Identity, (|_| 1.0) as fn(f32) -> f32),
            (Activation::Relu, |_| 1.0),
            (Activation::Sigmoid, |y| y * (1.0 - y)),
            // In place of its slopes are the outputs.
            (Activation::Gelu, |y| y),
        ] {
            let (mut deltas, mut losses) = ([f32::NAN; 12], [f32::NAN; 4]);
            let loss = Loss::MeanSquaredError;
            loss_gradients(loss, activation, &samples, &mut deltas, &mut losses);
            let expected = [0.5 * slope(0.5), -0.75 * slope(0.25), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
            assert_eq!(deltas[..8], expected, "{activation}");
            assert_eq!(deltas[8..], [-0.5 * slope(0.75), 0.0, 0.0, 0.0], "{activation}");
            assert_eq!(losses[..3], [0.5 * (0.25 + 0.5625), 0.0, 0.0625], "{activation}");
            assert!(losses[3].is_nan(), "no fourth sample");
        }
    }
}
