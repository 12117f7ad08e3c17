//! What happens to samples before the first layer.

use crate::dataset::Permutation;

/// Gathers a batch: `out[i, :] = rows[order(first + i), :]`.
///
/// `rows` is `[samples, width]`, `out` is `[batch, width]`.
pub fn gather(rows: &[f32], width: usize, order: &Permutation, first: usize, out: &mut [f64]) {
    for (i, out) in out.chunks_exact_mut(width).enumerate() {
        let sample = order.index((first + i) as u32) as usize;
        for (out, value) in out.iter_mut().zip(&rows[sample * width..]) {
            *out = f64::from(*value);
        }
    }
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
