//! Losses with their gradients, one sample at a time in f32.

use crate::activation::{Activation, Backward};
use crate::loss::{Formula, Loss, Visitor};

/// What the loss of one sample is computed from.
pub(super) struct Row<'a> {
    /// The outputs, or the logits for a loss that reads those ([`Loss::folded_activation`]).
    pub(super) y: &'a [f32],
    /// The slopes of the output activation, where it stores them.
    pub(super) slopes: &'a [f32],
    /// The targets.
    pub(super) t: &'a [f32],
    pub(super) scale: f32,
}

/// The loss of one sample; the gradient with respect to the last layer's weighted sums goes to
/// `delta`.
pub(super) fn loss_gradient(
    loss: Loss,
    activation: Activation,
    row: &Row,
    delta: &mut [f32],
) -> f32 {
    let Row { y, slopes, .. } = *row;
    let value = loss.visit(Gradient { row, delta });
    if loss.folded_activation().is_some() {
        return value;
    }
    match activation.backward() {
        Backward::Row => softmax_gradient(y, delta),
        Backward::Rectifier { below } => {
            let below = below as f32;
            delta.iter_mut().zip(y).for_each(|(d, y)| *d *= if *y > 0.0 { 1.0 } else { below });
        }
        Backward::Polynomial(c) => {
            let [a, b, c] = c.map(|c| c as f32);
            delta.iter_mut().zip(y).for_each(|(d, y)| *d *= a + y * (b + c * y));
        }
        Backward::Slope => delta.iter_mut().zip(slopes).for_each(|(d, slope)| *d *= slope),
        Backward::None => delta.fill(0.0),
    }
    value
}

struct Gradient<'a> {
    row: &'a Row<'a>,
    delta: &'a mut [f32],
}

impl Visitor for Gradient<'_> {
    type Output = f32;

    fn visit<F: Formula>(self, formula: F) -> f32 {
        formula.row(self.row.y, self.row.t, self.row.scale, self.delta)
    }
}

/// [`softmax_gradient`](crate::reference::softmax_gradient) of one row in f32.
fn softmax_gradient(y: &[f32], delta: &mut [f32]) {
    let dot: f32 = delta.iter().zip(y).map(|(d, y)| d * y).sum();
    delta.iter_mut().zip(y).for_each(|(d, y)| *d = y * (*d - dot));
}
