//! A tile of samples on its way through the network, forward and back.

use super::product::{Matrix, product};
use crate::activation::Activation;
use crate::dataset::{Dataset, Permutation};
use crate::engine::Output;
use crate::loss::Loss;
use crate::network::{Layer, Network};
use std::f32::consts::TAU;
use std::ops::Range;

/// Samples in a tile: the activations of a 10×100 network are 4.5 KB a sample, so a tile stays
/// within half a megabyte of cache, and its matrix products are large enough to run at speed.
const TILE: usize = 104;

/// The most numbers of one layer in a tile.
const TILE_FLOATS: usize = 1 << 22;

/// A layer and where its parameters stand.
struct Place {
    layer: Layer,
    weights: Range<usize>,
    biases: Range<usize>,
}

/// What a tile must know of the network: everything but the parameters themselves.
pub(super) struct Shape {
    inputs: usize,
    encoded: usize,
    frequencies: Option<Vec<f32>>,
    layers: Vec<Place>,
    widest: usize,
    pub(super) outputs: usize,
    pub(super) parameters: usize,
}

impl Shape {
    pub(super) fn of(network: &Network) -> Self {
        let place = |(l, layer): (usize, &Layer)| Place {
            layer: *layer,
            weights: network.weight_range(l),
            biases: network.bias_range(l),
        };
        Self {
            inputs: network.inputs(),
            encoded: network.encoding().outputs(network.inputs()),
            frequencies: network.encoding().frequencies(network.inputs()),
            layers: network.layers().iter().enumerate().map(place).collect(),
            widest: network.widths().into_iter().chain([network.inputs()]).max().unwrap_or(0),
            outputs: network.outputs(),
            parameters: network.parameters().len(),
        }
    }

    /// Samples in a tile of this network: [`TILE`], or fewer where its layers are very wide.
    pub(super) fn tile_rows(&self) -> usize {
        (TILE_FLOATS / self.widest.max(1)).clamp(1, TILE)
    }

    fn output_activation(&self) -> Activation {
        self.layers[self.layers.len() - 1].layer.activation
    }
}

/// The values of up to `rows` samples in every layer, and the deltas of two neighbours.
pub(super) struct Tile {
    rows: usize,
    inputs: Vec<f32>,
    targets: Vec<f32>,
    /// `values[0]` is what the first layer is given, `values[l + 1]` what layer `l` puts out.
    values: Vec<Vec<f32>>,
    logits: Vec<f32>,
    delta: Vec<f32>,
    delta_below: Vec<f32>,
}

impl Tile {
    pub(super) fn new(shape: &Shape, rows: usize) -> Self {
        let room = |width: usize| vec![0.0; rows * width];
        let layers = shape.layers.iter().map(|place| room(place.layer.fan_out));
        Self {
            rows,
            inputs: room(shape.inputs),
            targets: room(shape.outputs),
            values: std::iter::once(room(shape.encoded)).chain(layers).collect(),
            logits: room(shape.outputs),
            delta: room(shape.widest),
            delta_below: room(shape.widest),
        }
    }

    /// The most samples it holds.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Fills the tile with the samples at positions `first .. first + rows` of `order`.
    pub(super) fn gather(
        &mut self,
        dataset: &Dataset,
        order: &Permutation,
        first: usize,
        rows: usize,
    ) {
        let (wide_in, wide_out) = (dataset.input_width(), dataset.target_width());
        for i in 0..rows {
            let sample = order.index((first + i) as u32) as usize;
            let (inputs, targets) =
                (&mut self.inputs[i * wide_in..], &mut self.targets[i * wide_out..]);
            dataset.read(sample, inputs, targets);
        }
    }

    /// Takes the first `rows` samples through the network.
    pub(super) fn forward(&mut self, shape: &Shape, parameters: &[f32], rows: usize) {
        let inputs = &self.inputs[..rows * shape.inputs];
        match &shape.frequencies {
            None => self.values[0][..inputs.len()].copy_from_slice(inputs),
            Some(frequencies) => encode(inputs, shape.inputs, frequencies, &mut self.values[0]),
        }
        for (l, Place { layer, weights, biases }) in shape.layers.iter().enumerate() {
            let (below, above) = self.values.split_at_mut(l + 1);
            let z = &mut above[0][..rows * layer.fan_out];
            // The biases stand in z before the product is added to it.
            for row in z.chunks_exact_mut(layer.fan_out) {
                row.copy_from_slice(&parameters[biases.clone()]);
            }
            let weights = Matrix::new(&parameters[weights.clone()], layer.fan_in, layer.fan_out);
            product(Matrix::new(&below[l], rows, layer.fan_in), weights, true, z);
            if l + 1 == shape.layers.len() {
                self.logits[..z.len()].copy_from_slice(z);
            }
            match layer.activation {
                Activation::Softmax => z.chunks_exact_mut(layer.fan_out).for_each(softmax),
                activation => z.iter_mut().for_each(|z| *z = activation.value(*z)),
            }
        }
    }

    /// Outputs of as many samples as there are in `inputs`, at most [`rows`](Self::rows).
    pub(super) fn predict(
        &mut self,
        shape: &Shape,
        parameters: &[f32],
        inputs: &[f64],
        output: Output,
        outputs: &mut [f64],
    ) {
        for (to, from) in self.inputs.iter_mut().zip(inputs) {
            *to = *from as f32;
        }
        self.forward(shape, parameters, inputs.len() / shape.inputs);
        let from = match output {
            Output::Logits => &self.logits,
            Output::Activated => &self.values[shape.layers.len()],
        };
        for (to, from) in outputs.iter_mut().zip(from) {
            *to = f64::from(*from);
        }
    }

    /// Puts the gradient with respect to the last layer's weighted sums into `delta`; the loss.
    pub(super) fn loss_gradient(
        &mut self,
        shape: &Shape,
        loss: Loss,
        scale: f32,
        rows: usize,
    ) -> f64 {
        let outputs = shape.outputs;
        let activation = shape.output_activation();
        let y = self.values[shape.layers.len()].chunks_exact(outputs);
        let z = self.logits.chunks_exact(outputs);
        let t = self.targets.chunks_exact(outputs);
        let delta = self.delta.chunks_exact_mut(outputs);
        let mut sum = 0.0;
        for (((y, z), t), delta) in y.zip(z).zip(t).zip(delta).take(rows) {
            sum += f64::from(match loss {
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
                Loss::BinaryCrossEntropy => binary_cross_entropy(z, t, scale, delta),
                Loss::SoftmaxCrossEntropy => softmax_cross_entropy(z, t, scale, delta),
            });
        }
        sum
    }

    /// Takes `delta` back down through all layers; writes the gradient of every parameter, or
    /// adds to it if `accumulate`.
    pub(super) fn backward(
        &mut self,
        shape: &Shape,
        parameters: &[f32],
        rows: usize,
        accumulate: bool,
        gradient: &mut [f32],
    ) {
        for (l, Place { layer, weights, biases }) in shape.layers.iter().enumerate().rev() {
            let below = &self.values[l][..rows * layer.fan_in];
            let delta = &self.delta[..rows * layer.fan_out];
            let upstream = Matrix::new(delta, rows, layer.fan_out);
            let inputs = Matrix::new(below, rows, layer.fan_in).transposed();
            product(inputs, upstream, accumulate, &mut gradient[weights.clone()]);
            let bias_gradient = &mut gradient[biases.clone()];
            if !accumulate {
                bias_gradient.fill(0.0);
            }
            for row in delta.chunks_exact(layer.fan_out) {
                bias_gradient.iter_mut().zip(row).for_each(|(sum, d)| *sum += d);
            }
            if l > 0 {
                let weights =
                    Matrix::new(&parameters[weights.clone()], layer.fan_in, layer.fan_out);
                let delta_below = &mut self.delta_below[..rows * layer.fan_in];
                product(upstream, weights.transposed(), false, delta_below);
                let activation = shape.layers[l - 1].layer.activation;
                delta_below
                    .iter_mut()
                    .zip(below)
                    .for_each(|(d, y)| *d *= activation.derivative(*y));
                std::mem::swap(&mut self.delta, &mut self.delta_below);
            }
        }
    }
}

/// [`fourier_encoding`](crate::reference::fourier_encoding) in f32.
fn encode(x: &[f32], inputs: usize, frequencies: &[f32], out: &mut [f32]) {
    let width = 2 * (frequencies.len() / inputs);
    for (x, out) in x.chunks_exact(inputs).zip(out.chunks_exact_mut(width)) {
        for (frequencies, out) in frequencies.chunks_exact(inputs).zip(out.chunks_exact_mut(2)) {
            let turns: f32 = frequencies.iter().zip(x).map(|(b, x)| b * x).sum();
            (out[0], out[1]) = (TAU * (turns - turns.round())).sin_cos();
        }
    }
}

/// [`softmax`](crate::reference::softmax) of one row in f32.
fn softmax(z: &mut [f32]) {
    let largest = z.iter().fold(f32::NEG_INFINITY, |m, z| m.max(*z));
    let mut sum = 0.0;
    for z in z.iter_mut() {
        *z = (*z - largest).exp();
        sum += *z;
    }
    for z in z {
        *z /= sum;
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
