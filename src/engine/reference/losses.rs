//! The loss of each sample and its gradient.

use crate::loss::{Formula, Loss, Visitor};

/// The loss of each sample, and its gradient with respect to `y` (outputs, or logits for a loss that
/// folds the output activation into its own).
///
/// `y`, the targets `t` and `delta` are `[batch, outputs]`, `losses` is `[batch]`. `scales`, `[batch]`,
/// multiply both: a sample's weight, divided by batch · outputs for a mean. The formulas are those of
/// [`loss`](crate::loss).
pub fn loss(
    loss: Loss,
    y: &[f64],
    t: &[f64],
    outputs: usize,
    scales: &[f64],
    losses: &mut [f64],
    delta: &mut [f64],
) {
    loss.visit(Rows { y, t, outputs, scales, losses, delta });
}

struct Rows<'a> {
    y: &'a [f64],
    t: &'a [f64],
    outputs: usize,
    scales: &'a [f64],
    losses: &'a mut [f64],
    delta: &'a mut [f64],
}

impl Visitor for Rows<'_> {
    type Output = ();

    fn visit<F: Formula>(self, formula: F) {
        for (i, loss) in self.losses.iter_mut().enumerate() {
            let row = i * self.outputs..(i + 1) * self.outputs;
            if self.scales[i] == 0.0 {
                // A sample that does not count, even if its loss is not finite.
                *loss = 0.0;
                self.delta[row].fill(0.0);
                continue;
            }
            let (y, t) = (&self.y[row.clone()], &self.t[row.clone()]);
            *loss = formula.row(y, t, self.scales[i], &mut self.delta[row]);
        }
    }
}

/// Loss of a batch: `Σᵢ losses[i]`, in order.
pub fn loss_sum(losses: &[f64]) -> f64 {
    losses.iter().sum()
}
