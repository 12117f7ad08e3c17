//! The gathering of a batch and the encoding of its inputs.

use crate::dataset::Dataset;
use crate::permutation::Permutation;

/// Gathers a batch: the `count` samples from position `first` of `order` on, as inputs,
/// `[count, input_width]`, and targets, `[count, target_width]`.
///
/// # Panics
/// If `order` or `dataset` has fewer samples than that.
pub fn gather(
    dataset: &Dataset,
    order: &Permutation,
    first: usize,
    count: usize,
) -> (Vec<f64>, Vec<f64>) {
    let (mut inputs, mut targets) = (Vec::new(), Vec::new());
    for position in first..first + count {
        let sample = order.index(position);
        let (x, t) = dataset.rows(sample..sample + 1);
        inputs.extend(x.into_iter().map(f64::from));
        targets.extend(t.into_iter().map(f64::from));
    }
    (inputs, targets)
}

/// The weights of the same samples, `[count]`.
pub fn gather_weights(
    dataset: &Dataset,
    order: &Permutation,
    first: usize,
    count: usize,
) -> Vec<f64> {
    (first..first + count).map(|position| dataset.weight(order.index(position)).into()).collect()
}

/// Fourier encoding: `out[i, 2f] = sin(2πu)`, `out[i, 2f + 1] = cos(2πu)` with
/// `u = Σⱼ frequencies[f, j]·x[i, j]`.
///
/// `x` is `[batch, inputs]`, `frequencies` is `[features, inputs]`, `out` is
/// `[batch, 2·features]`. Tancik et al. 2020, section 6; with powers of two on the diagonal,
/// Mildenhall et al. 2020, eq. 4.
pub fn fourier_encoding(x: &[f64], inputs: usize, frequencies: &[f64], out: &mut [f64]) {
    let features = frequencies.len() / inputs;
    for (x, out) in x.chunks_exact(inputs).zip(out.chunks_exact_mut(2 * features)) {
        for (frequencies, out) in frequencies.chunks_exact(inputs).zip(out.chunks_exact_mut(2)) {
            let turns: f64 = frequencies.iter().zip(x).map(|(b, x)| b * x).sum();
            let angle = std::f64::consts::TAU * (turns - turns.round());
            out[0] = angle.sin();
            out[1] = angle.cos();
        }
    }
}

/// The gradient with respect to `x`, `[batch, inputs]`, from that with respect to `encoded`,
/// `[batch, 2·features]`: `Σ_f 2π·frequencies[f, j]·(cos·δ_sin − sin·δ_cos)`.
pub fn fourier_encoding_gradient(
    encoded: &[f64],
    delta: &[f64],
    inputs: usize,
    frequencies: &[f64],
) -> Vec<f64> {
    let features = frequencies.len() / inputs;
    let mut gradient = vec![0.0; encoded.len() / (2 * features) * inputs];
    let rows = encoded.chunks_exact(2 * features).zip(delta.chunks_exact(2 * features));
    for (gradient, (encoded, delta)) in gradient.chunks_exact_mut(inputs).zip(rows) {
        let waves = encoded.chunks_exact(2).zip(delta.chunks_exact(2));
        for (frequencies, (wave, delta)) in frequencies.chunks_exact(inputs).zip(waves) {
            let slope = std::f64::consts::TAU * (wave[1] * delta[0] - wave[0] * delta[1]);
            gradient.iter_mut().zip(frequencies).for_each(|(g, b)| *g += b * slope);
        }
    }
    gradient
}
