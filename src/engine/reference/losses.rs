//! Losses: the value of each sample and the gradient, side by side.
//!
//! All take `[batch, outputs]` operands and write `losses`, `[batch]`, and `delta`,
//! `[batch, outputs]`. `scale` multiplies both: `1 / (batch·outputs)` for a mean over all.

/// Squared error: `losses[i] = scale·Σⱼ (y − t)²`, `delta = scale·2(y − t)`, the gradient with
/// respect to the outputs `y`.
pub fn squared_error(
    y: &[f64],
    t: &[f64],
    outputs: usize,
    scale: f64,
    losses: &mut [f64],
    delta: &mut [f64],
) {
    for (i, loss) in losses.iter_mut().enumerate() {
        *loss = 0.0;
        for j in i * outputs..(i + 1) * outputs {
            let error = y[j] - t[j];
            *loss += scale * error * error;
            delta[j] = scale * 2.0 * error;
        }
    }
}

/// Binary cross-entropy from logits: `losses[i] = scale·Σⱼ [max(z, 0) − z·t + ln(1 + e^−|z|)]`,
/// `delta = scale·(σ(z) − t)`, the gradient with respect to the logits `z`.
///
/// Finite for every finite `z`; the form of PyTorch's `BCEWithLogitsLoss`.
pub fn binary_cross_entropy(
    z: &[f64],
    t: &[f64],
    outputs: usize,
    scale: f64,
    losses: &mut [f64],
    delta: &mut [f64],
) {
    for (i, loss) in losses.iter_mut().enumerate() {
        *loss = 0.0;
        for j in i * outputs..(i + 1) * outputs {
            let e = (-z[j].abs()).exp();
            *loss += scale * (z[j].max(0.0) - z[j] * t[j] + e.ln_1p());
            let sigmoid = if z[j] < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) };
            delta[j] = scale * (sigmoid - t[j]);
        }
    }
}

/// Softmax cross-entropy from logits: `losses[i] = scale·Σⱼ t[j]·(l − z[j])` with
/// `l = m + ln Σₖ e^(z[k] − m)` and `m = maxₖ z[k]`; `delta = scale·(T·softmax(z)[j] − t[j])`
/// with `T = Σⱼ t[j]`, which is 1 for probabilities. The gradient with respect to the logits `z`.
///
/// Finite for every finite `z`; PyTorch's `CrossEntropyLoss` with probabilities as targets.
pub fn softmax_cross_entropy(
    z: &[f64],
    t: &[f64],
    outputs: usize,
    scale: f64,
    losses: &mut [f64],
    delta: &mut [f64],
) {
    for (i, loss) in losses.iter_mut().enumerate() {
        let row = i * outputs..(i + 1) * outputs;
        let (z, t, delta) = (&z[row.clone()], &t[row.clone()], &mut delta[row]);
        let largest = z.iter().fold(f64::NEG_INFINITY, |m, z| m.max(*z));
        let sum: f64 = z.iter().map(|z| (z - largest).exp()).sum();
        let total: f64 = t.iter().sum();
        *loss = 0.0;
        for j in 0..outputs {
            *loss += scale * t[j] * (sum.ln() - (z[j] - largest));
            delta[j] = scale * (total * (z[j] - largest).exp() / sum - t[j]);
        }
    }
}

/// Loss of a batch: `Σᵢ losses[i]`, in order.
pub fn loss_sum(losses: &[f64]) -> f64 {
    losses.iter().sum()
}
