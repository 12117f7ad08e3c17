//! The gathering of a batch, and the encodings of inputs.

use crate::dataset::Dataset;
use crate::encoding::{Encoding, Formula, Visitor};
use crate::grid::{Grid, MOST_INPUTS};
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

/// Grid encoding: for each level, the features of the corners around a place, times the weights of the corners.
/// `out[i, l·F + f] = Σ_c weight(c)·table[entry(l, c), f]`; see [`Grid`].
///
/// `x` is `[batch, inputs]`, `table` `[entries, F]`, and `out` `[batch, levels·F]`. Müller et al. 2022, section 3.
pub fn grid_encoding(grid: Grid, x: &[f64], inputs: usize, table: &[f64], out: &mut [f64]) {
    let features = grid.features;
    let levels = grid.levels(inputs);
    for (x, out) in x.chunks_exact(inputs).zip(out.chunks_exact_mut(levels.len() * features)) {
        for (level, out) in levels.iter().zip(out.chunks_exact_mut(features)) {
            out.fill(0.0);
            let cell = Cell::of(grid, level.scale, x);
            for corner in 0..1 << inputs {
                let entry = level.entry(&cell.corner(corner)[..inputs]);
                let features = &table[entry * features..][..features];
                let weight = cell.weight(corner);
                out.iter_mut().zip(features).for_each(|(out, feature)| *out += weight * feature);
            }
        }
    }
}

/// Adds the gradient with respect to the table of a [`grid_encoding`] to `gradient`, `[entries, F]`, from that with
/// respect to its outputs: `gradient[entry(l, c), f] += weight(c)·delta[i, l·F + f]`.
pub fn grid_encoding_gradient(
    grid: Grid,
    x: &[f64],
    inputs: usize,
    delta: &[f64],
    gradient: &mut [f64],
) {
    let features = grid.features;
    let levels = grid.levels(inputs);
    for (x, delta) in x.chunks_exact(inputs).zip(delta.chunks_exact(levels.len() * features)) {
        for (level, delta) in levels.iter().zip(delta.chunks_exact(features)) {
            let cell = Cell::of(grid, level.scale, x);
            for corner in 0..1 << inputs {
                let entry = level.entry(&cell.corner(corner)[..inputs]);
                let gradient = &mut gradient[entry * features..][..features];
                let weight = cell.weight(corner);
                gradient.iter_mut().zip(delta).for_each(|(sum, delta)| *sum += weight * delta);
            }
        }
    }
}

/// The gradient with respect to the inputs of a [`grid_encoding`], `[batch, inputs]`, from that with respect to its
/// outputs: `Σ_l Σ_c ∂weight(c)/∂x·(delta[i, l·F …]·table[entry(l, c)])`.
pub fn grid_input_gradient(
    grid: Grid,
    x: &[f64],
    inputs: usize,
    table: &[f64],
    delta: &[f64],
) -> Vec<f64> {
    let features = grid.features;
    let levels = grid.levels(inputs);
    let mut all = vec![0.0; x.len()];
    let rows = x.chunks_exact(inputs).zip(delta.chunks_exact(levels.len() * features));
    for (gradient, (x, delta)) in all.chunks_exact_mut(inputs).zip(rows) {
        for (level, delta) in levels.iter().zip(delta.chunks_exact(features)) {
            let cell = Cell::of(grid, level.scale, x);
            for corner in 0..1 << inputs {
                let entry = level.entry(&cell.corner(corner)[..inputs]);
                let features = &table[entry * features..][..features];
                let product: f64 = delta.iter().zip(features).map(|(d, f)| d * f).sum();
                for (input, gradient) in gradient.iter_mut().enumerate() {
                    *gradient += cell.slope(corner, input) * product;
                }
            }
        }
    }
    all
}

/// The cell of a level's grid that a place is in.
struct Cell {
    inputs: usize,
    /// The corner before the place.
    first: [u32; MOST_INPUTS],
    /// The weights of the next corner in each input, and their derivatives by the input.
    weights: [[f64; 2]; MOST_INPUTS],
}

impl Cell {
    fn of(grid: Grid, scale: f32, x: &[f64]) -> Self {
        let scale = f64::from(scale);
        let (mut first, mut weights) = ([0; MOST_INPUTS], [[0.0; 2]; MOST_INPUTS]);
        for ((first, weights), x) in first.iter_mut().zip(&mut weights).zip(x) {
            let place = x * scale + 0.5;
            let before = place.floor();
            *first = (before as i32).cast_unsigned();
            let w = place - before;
            *weights = [grid.interpolation.weight(w), scale * grid.interpolation.slope(w)];
        }
        Self { inputs: x.len(), first, weights }
    }

    /// The place of a corner, whose bits say in which inputs it is the next.
    fn corner(&self, corner: usize) -> [u32; MOST_INPUTS] {
        std::array::from_fn(|i| self.first[i].wrapping_add((corner >> i & 1) as u32))
    }

    /// The weight of a corner.
    fn weight(&self, corner: usize) -> f64 {
        (0..self.inputs).map(|i| self.of_input(corner, i)).product()
    }

    /// The derivative of the weight of a corner by an input.
    fn slope(&self, corner: usize, input: usize) -> f64 {
        let sign = if corner >> input & 1 == 1 { 1.0 } else { -1.0 };
        let others = (0..self.inputs).filter(|i| *i != input);
        sign * self.weights[input][1] * others.map(|i| self.of_input(corner, i)).product::<f64>()
    }

    fn of_input(&self, corner: usize, input: usize) -> f64 {
        let next = self.weights[input][0];
        if corner >> input & 1 == 1 { next } else { 1.0 - next }
    }
}

/// An encoding by its formula: `out[i] = encode(x[i])`; `x` is `[batch, inputs]`.
pub fn direct_encoding(encoding: Encoding, x: &[f64], inputs: usize, out: &mut [f64]) {
    struct Encode<'a>(&'a [f64], &'a mut [f64]);
    impl Visitor for Encode<'_> {
        type Output = ();
        fn visit<F: Formula>(self, formula: F) {
            formula.encode(self.0, self.1);
        }
    }
    let outputs = encoding.outputs(inputs);
    for (x, out) in x.chunks_exact(inputs).zip(out.chunks_exact_mut(outputs)) {
        encoding.visit(Encode(x, out));
    }
}

/// The gradient with respect to the inputs of a [`direct_encoding`], `[batch, inputs]`.
pub fn direct_encoding_gradient(
    encoding: Encoding,
    x: &[f64],
    inputs: usize,
    delta: &[f64],
) -> Vec<f64> {
    struct Gradient<'a>(&'a [f64], &'a [f64], &'a mut [f64]);
    impl Visitor for Gradient<'_> {
        type Output = ();
        fn visit<F: Formula>(self, formula: F) {
            formula.input_gradient(self.0, self.1, self.2);
        }
    }
    let mut all = vec![0.0; x.len()];
    let rows = x.chunks_exact(inputs).zip(delta.chunks_exact(encoding.outputs(inputs)));
    for (gradient, (x, delta)) in all.chunks_exact_mut(inputs).zip(rows) {
        encoding.visit(Gradient(x, delta, gradient));
    }
    all
}
