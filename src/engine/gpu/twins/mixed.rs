//! Tests of the kernels of mixed precision against the reference with rounding to f16.
//!
//! Each level is compared with what the twin computes from the level below as the device has it. So an
//! element may be off by half a unit of f16 (2⁻¹¹) and the rounding of its sum, and nothing accumulates.

use super::{EPSILON, matrix_adapters, note_played, random};
use crate::activation::Activation;
use crate::dataset::Dataset;
use crate::encoding::Encoding;
use crate::engine::gpu::device::{Gpu, STEP_STRIDE};
use crate::engine::gpu::fused::Source;
use crate::engine::gpu::mixed::layout::{MixedLayout, Tile};
use crate::engine::gpu::mixed::step::{self, MixedStep};
use crate::engine::gpu::recorder::{Recorder, play_steps_after};
use crate::engine::gpu::run_buffers::SCALED_STATUS;
use crate::engine::gpu::samples::Stored;
use crate::engine::gpu::step::StepData;
use crate::engine::reference::{self, round_f16};
use crate::error::Result;
use crate::initialization::Initialization;
use crate::loss::Loss;
use crate::network::Network;
use crate::permutation::Permutation;
use std::sync::Arc;

/// Half a unit in the last place of f16, of a number of 1.
const HALF_STEP: f64 = 1.0 / 2048.0;

/// The loss scale that a run starts with.
const SCALE: f64 = 8.0;

/// The number with these bits.
pub(super) fn from_f16(bits: u16) -> f64 {
    let (exponent, digits) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let size = match exponent {
        0 => digits * 2_f64.powi(-24),
        31 if digits == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + digits / 1024.0) * 2_f64.powi(exponent - 15),
    };
    if bits & 0x8000 == 0 { size } else { -size }
}

/// What a pass leaves on the device.
struct Left {
    layout: MixedLayout,
    /// The f16 copies of the weights.
    copies: Vec<f64>,
    levels: Vec<f64>,
    /// One gradient a slice.
    gradient: Vec<f32>,
    loss: f32,
    status: [u32; 6],
}

impl Left {
    /// The first `count` rows of a level, `[count, width]`, and that what is behind each is 0.
    fn rows(&self, start: usize, level: usize, count: usize) -> Vec<f64> {
        let (pitch, width) = (self.layout.pitches[level], self.layout.base.widths[level]);
        let rows = self.levels[start..start + count * pitch].chunks_exact(pitch);
        rows.flat_map(|row| {
            assert!(row[width..].iter().all(|x| *x == 0.0), "padding of level {level}");
            row[..width].iter().copied()
        })
        .collect()
    }

    /// The gradient in the network's order, added over the slices.
    fn gradient(&self, network: &Network) -> Vec<f64> {
        let MixedLayout { base, pitches, gradients, .. } = &self.layout;
        let mut all = vec![0.0; network.count()];
        for slice in self.gradient.chunks_exact(self.layout.gradient()) {
            for (l, layer) in network.layers().iter().enumerate() {
                let at = |row: usize, column: usize| {
                    f64::from(slice[gradients[l] + row * pitches[l + 1] + column])
                };
                let width = layer.fan_out;
                for (i, sum) in all[network.weight_segment(l).range.clone()].iter_mut().enumerate()
                {
                    *sum += at(i / width, i % width);
                }
                if let Some(biases) = network.bias_segment(l) {
                    let row = if l == 0 { base.widths[0] } else { pitches[l] };
                    for (j, sum) in all[biases.range.clone()].iter_mut().enumerate() {
                        *sum += at(row, j);
                    }
                }
            }
        }
        all
    }
}

/// A pass of `step` with the f16 copies of the network's parameters.
async fn pass(
    gpu: &Arc<Gpu>,
    network: &Network,
    dataset: &Dataset,
    loss: Loss,
    tile: Tile,
    data: StepData,
) -> Result<Left> {
    let count = data.count as usize;
    // As for a larger batch, of which this is what is left at the end of an epoch.
    let layout = MixedLayout::new(network, count + 3, tile);
    let parameters = step::upload_parameters(gpu, network, &layout).await?;
    let source = Source::of(gpu, &Stored::upload(gpu, dataset, true).await?).await?;
    let mixed = MixedStep::new(gpu, network, layout, source, loss).await?;
    let sums = gpu.storage("sums", 2).await?;
    let status = gpu.upload("status", &SCALED_STATUS).await?;
    let mut recorder = Recorder::new(gpu);
    mixed.record(&mut recorder, &parameters, count, [&sums, &status]).await?;
    let dispatches = recorder.finish("test").await?;
    let before = mixed.copying(gpu, &parameters).await?;
    note_played(&before);
    note_played(&dispatches);
    let steps = gpu.storage("step", STEP_STRIDE as usize / 4).await?;
    gpu.write(&steps, bytemuck::bytes_of(&data));
    let group = gpu.step_group(&steps).await?;
    let mut encoder = gpu.encoder("test");
    let played = std::iter::once(dispatches.as_slice());
    play_steps_after(gpu, &mut encoder, &group, &before, played);
    let layout = mixed.layout.clone();
    let gradient = 4 * (layout.slices() * layout.gradient()) as u64;
    let (copies, levels) = (4 * layout.copies() as u64, 2 * layout.numbers as u64);
    let sources = [
        (&mixed.copies, 0..copies),
        (&mixed.levels, 0..levels),
        (&mixed.gradient, 0..gradient),
        (&sums, 0..8),
        (&status, 0..24),
    ];
    let bytes = gpu.read(encoder, &sources, "results")?.await?;
    let (half, rest) = bytes.split_at((copies + levels) as usize);
    let half: Vec<f64> =
        half.chunks_exact(2).map(|two| from_f16(u16::from_le_bytes([two[0], two[1]]))).collect();
    let (copies, levels) = half.split_at(copies as usize / 2);
    let words: Vec<u32> = bytemuck::pod_collect_to_vec(rest);
    let floats: Vec<f32> = words.iter().map(|word| f32::from_bits(*word)).collect();
    let gradient = gradient as usize / 4;
    let status = std::array::from_fn(|i| words[gradient + 2 + i]);
    Ok(Left {
        copies: copies.to_vec(),
        levels: levels.to_vec(),
        gradient: floats[..gradient].to_vec(),
        loss: floats[gradient + 1],
        status,
        layout,
    })
}

/// Asserts that every element is within half a unit of f16 of `expected`, and what `sizes` (what the absolute
/// terms of its sum add up to) lets the sum be off.
fn assert_rounded(what: &str, got: &[f64], expected: &[f64], sizes: &[f64], units: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, ((got, expected), size)) in got.iter().zip(expected).zip(sizes).enumerate() {
        let tolerance =
            1.001 * HALF_STEP * expected.abs() + units * EPSILON * size + 2_f64.powi(-25);
        let error = (got - expected).abs();
        assert!(error <= tolerance, "{what}: element {i} is {got}, not {expected} ± {tolerance:e}");
    }
}

/// f′ from an output, as the kernels compute it.
pub(super) fn slope_of_output(activation: Activation, y: f64) -> f64 {
    match activation {
        Activation::Relu => f64::from(y > 0.0),
        Activation::Tanh => 1.0 - y * y,
        Activation::Sigmoid => y * (1.0 - y),
        Activation::Identity => 1.0,
        other => panic!("{other} has no slope here"),
    }
}

/// Networks with widths that are and are no multiples of a matrix, with and without biases.
fn networks() -> Vec<(Network, Loss)> {
    use Activation::{Identity, Relu, Sigmoid, Softmax, Tanh};
    let built = |builder: crate::Builder, outputs, last| {
        let biases = Initialization::Uniform { low: -0.5, high: 0.5 };
        builder.output(outputs, last).biases(biases).seed(3).build().expect("a network")
    };
    let bare = Network::builder(3).layer(20, Tanh, false).layer(48, Relu, true);
    let waves = Network::builder(2).encoding(Encoding::Frequency { octaves: 5 });
    vec![
        (
            built(Network::builder(2).hidden(&[100, 100, 100], Relu), 3, Identity),
            Loss::MeanSquaredError,
        ),
        (
            built(Network::builder(5).hidden(&[33, 128, 7], Tanh), 9, Softmax),
            Loss::SoftmaxCrossEntropy,
        ),
        (built(waves.hidden(&[64, 16], Relu), 4, Softmax), Loss::MeanSquaredError),
        (built(bare.layer(128, Sigmoid, false), 2, Sigmoid), Loss::SquaredErrorSum),
    ]
}

pub(super) fn norm(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.map(|x| x * x).sum::<f64>().sqrt()
}

pub(super) fn every_level_is_that_of_its_twin() {
    for gpu in &matrix_adapters() {
        let size = gpu.matrices.as_ref().expect("has matrices").size;
        for (position, (network, loss)) in networks().into_iter().enumerate() {
            let count = [37, 64, 1, 200][position % 4];
            let samples = if position == 3 { 16 } else { 32 };
            let tile = Tile { matrix: size, samples, unrolled: false };
            check(gpu, &network, loss, tile, count);
        }
    }
}

pub(super) fn absolute(numbers: &[f64]) -> Vec<f64> {
    numbers.iter().map(|x| x.abs()).collect()
}

fn check(gpu: &Arc<Gpu>, network: &Network, loss: Loss, tile: Tile, count: usize) {
    let samples = count + 5;
    let (inputs, outputs) = (network.inputs(), network.outputs());
    let targets = random(2, samples * outputs).iter().map(|t| t.abs() / 2.0).collect();
    let dataset =
        Dataset::new(random(1, samples * inputs), targets, inputs, outputs).expect("samples");
    let order = Permutation::new(samples, 5, 6);
    let data = StepData {
        order: order.words(),
        part: Permutation::identity(samples).words(),
        first: 2,
        slot: 1,
        number: 1,
        loss_factor: loss.scale(count, outputs) as f32,
        ..StepData::in_order(count)
    };
    let left = pollster::block_on(pass(gpu, network, &dataset, loss, tile, data)).expect("a pass");
    let what = format!("{count} samples through {:?} on {}", left.layout.base.widths, gpu.info);
    // The weights as the device multiplies them: those of the first layer in f32.
    let mut rounded = network.clone();
    let mut parameters: Vec<f64> =
        network.parameters().iter().map(|p| f64::from(*p as f32)).collect();
    for l in 1..network.layers().len() {
        for weight in &mut parameters[network.weight_segment(l).range.clone()] {
            *weight = round_f16(*weight);
        }
    }
    rounded.set_parameters(&parameters).expect("as many");
    let (x, t) = reference::gather(&dataset, &order, 2, count);
    let case = Case { network: &rounded, loss, count, what, left };
    case.check_copies();
    let trace = case.check_forward(&x);
    let delta = case.check_loss(&trace, &t);
    case.check_backward(&trace, &delta);
    let (_, exact) = reference::loss_and_gradient(network, loss, &x, &t);
    case.check_ends(&twin_gradient(&rounded, loss, &x, &t), &exact);
    assert_eq!(case.left.status, SCALED_STATUS, "{}: nothing left f16", case.what);
}

/// A pass, and what it is compared with.
struct Case<'a> {
    /// With the weights as the device multiplies them.
    network: &'a Network,
    loss: Loss,
    count: usize,
    what: String,
    left: Left,
}

impl Case<'_> {
    fn check_copies(&self) {
        let Self { network, what, left, .. } = self;
        let layout = &left.layout;
        let t = layout.tile.matrix as usize;
        // In matrices of t by t, each in one piece, one row of matrices behind the other.
        let in_blocks = |row: usize, column: usize, pitch: usize| {
            let block = row / t * (pitch / t) + column / t;
            block * t * t + row % t * t + column % t
        };
        for (l, layer) in network.layers().iter().enumerate().skip(1) {
            let (pitch, next) = (layout.pitches[l], layout.pitches[l + 1]);
            for (i, weight) in network.weights(l).iter().enumerate() {
                let (row, column) = (i / layer.fan_out, i % layer.fan_out);
                let forward = left.copies[layout.weights[l] + in_blocks(column, row, pitch)];
                let back = layout.copies() + layout.weights[l] + in_blocks(row, column, next);
                let back = left.copies[back];
                assert_eq!((forward, back), (*weight, *weight), "{what}: weight {i} of layer {l}");
            }
        }
    }

    /// The values of each level, from the device's own level below. The outputs are the twin's.
    fn check_forward(&self, x: &[f64]) -> reference::Trace {
        let Self { network, count, what, left, .. } = self;
        let (count, layers) = (*count, network.layers());
        let mut trace = reference::forward(network, x);
        for (l, layer) in layers.iter().enumerate() {
            let mut z = twin_layer(network, &mut trace, l);
            if l + 1 < layers.len() {
                let (fan_in, fan_out) = (layer.fan_in, layer.fan_out);
                let mut sizes = vec![0.0; count * fan_out];
                let (below, weights) = (absolute(&trace.values[l]), absolute(network.weights(l)));
                reference::matmul(&below, &weights, count, fan_in, fan_out, &mut sizes);
                if layer.bias {
                    reference::bias_add(&mut sizes, &absolute(network.biases(l)));
                }
                let got = left.rows(left.layout.values[l + 1], l + 1, count);
                // The inputs of the first layer are waves whose own error counts.
                let units = fan_in as f64 + 16.0;
                assert_rounded(&format!("level {} of {what}", l + 1), &got, &z, &sizes, units);
                z = got;
            }
            trace.values[l + 1] = z;
        }
        trace
    }

    /// The loss, and the deltas of the outputs.
    fn check_loss(&self, trace: &reference::Trace, t: &[f64]) -> Vec<f64> {
        let Self { network, loss, count, what, left, .. } = self;
        let scales = vec![SCALE; *count];
        let (losses, delta) = reference::loss_gradient(network, *loss, trace, t, &scales);
        let scale = loss.scale(*count, network.outputs());
        let expected = reference::loss_sum(&losses) * scale / SCALE;
        let error = (f64::from(left.loss) - expected).abs() / expected;
        assert!(error < 1e-5, "{what}: the loss is {}, not {expected}", left.loss);
        let last = network.layers().len();
        let got = left.rows(left.layout.deltas[last], last, *count);
        let largest = delta.iter().fold(0.0, |m: f64, d| m.max(d.abs()));
        let sizes = vec![largest; delta.len()];
        assert_rounded(&format!("deltas of the outputs of {what}"), &got, &delta, &sizes, 256.0);
        got
    }

    /// The deltas of each level, from the device's own level above, and the gradients, from its own values and
    /// deltas.
    fn check_backward(&self, trace: &reference::Trace, outputs: &[f64]) {
        let Self { network, count, what, left, .. } = self;
        let (count, layers) = (*count, network.layers());
        let mut above = outputs.to_vec();
        let mut expected = vec![0.0; network.count()];
        let mut sizes = vec![0.0; network.count()];
        for (l, layer) in layers.iter().enumerate().rev() {
            let (fan_in, fan_out) = (layer.fan_in, layer.fan_out);
            let values = &trace.values[l];
            add_gradient(network, l, [values, &above], &mut expected);
            add_gradient(network, l, [&absolute(values), &absolute(&above)], &mut sizes);
            if l == 0 {
                break;
            }
            let (mut below, mut sums) = (vec![0.0; count * fan_in], vec![0.0; count * fan_in]);
            reference::matmul_nt(&above, network.weights(l), count, fan_out, fan_in, &mut below);
            let (deltas, weights) = (absolute(&above), absolute(network.weights(l)));
            reference::matmul_nt(&deltas, &weights, count, fan_out, fan_in, &mut sums);
            for (delta, y) in below.iter_mut().zip(values) {
                *delta *= slope_of_output(layers[l - 1].activation, *y);
            }
            above = left.rows(left.layout.deltas[l], l, count);
            let units = fan_out as f64 + 16.0;
            assert_rounded(&format!("deltas of level {l} of {what}"), &above, &below, &sums, units);
        }
        let got = left.gradient(network);
        for (i, ((got, expected), size)) in got.iter().zip(&expected).zip(&sizes).enumerate() {
            let tolerance = (count as f64 + 16.0) * EPSILON * size + f64::from(f32::MIN_POSITIVE);
            let error = (got - expected).abs();
            assert!(error <= tolerance, "{what}: gradient {i} is {got}, not {expected}");
        }
    }

    /// End to end, where roundings that fall the other way add up: against the twin, and the exact gradient.
    fn check_ends(&self, twin: &[f64], exact: &[f64]) {
        let Self { network, loss, count, what, left } = self;
        let scale = loss.scale(*count, network.outputs());
        let got = left.gradient(network);
        for segment in network.segments() {
            let range = segment.range.clone();
            for (expected, scale, most) in [(twin, 1.0, 1e-3), (exact, scale / SCALE, 3e-2)] {
                let got = got[range.clone()].iter().map(|g| g * scale);
                let expected = &expected[range.clone()];
                let error = norm(got.zip(expected).map(|(got, expected)| got - expected));
                let error = error / norm(expected.iter().copied());
                assert!(error <= most, "{what}: {} is off by {error}", segment.name);
            }
        }
    }
}

/// The outputs of layer `l` from the values below it in a trace, whose slopes and logits it sets.
fn twin_layer(network: &Network, trace: &mut reference::Trace, l: usize) -> Vec<f64> {
    let layer = network.layers()[l];
    let count = trace.values[l].len() / layer.fan_in;
    let mut z = vec![0.0; count * layer.fan_out];
    let (below, weights) = (&trace.values[l], network.weights(l));
    reference::matmul(below, weights, count, layer.fan_in, layer.fan_out, &mut z);
    if layer.bias {
        reference::bias_add(&mut z, network.biases(l));
    }
    trace.slopes[l] = reference::activation_slopes(layer.activation, &z);
    if l + 1 == network.layers().len() {
        trace.logits.clone_from(&z);
    }
    if layer.activation.is_row() {
        reference::softmax(&mut z, layer.fan_out);
    } else {
        reference::activation(layer.activation, &mut z);
    }
    z
}

/// Adds the gradient of layer `l`, from the values below it and its deltas.
pub(super) fn add_gradient(
    network: &Network,
    l: usize,
    [values, deltas]: [&[f64]; 2],
    gradient: &mut [f64],
) {
    let layer = network.layers()[l];
    let count = deltas.len() / layer.fan_out;
    let weights = &mut gradient[network.weight_segment(l).range.clone()];
    reference::matmul_tn(values, deltas, count, layer.fan_in, layer.fan_out, weights);
    if let Some(biases) = network.bias_segment(l) {
        reference::bias_gradient(deltas, layer.fan_out, &mut gradient[biases.range.clone()]);
    }
}

/// The gradient of the scaled loss with values and deltas rounded to f16, by a network whose weights are.
fn twin_gradient(network: &Network, loss: Loss, x: &[f64], t: &[f64]) -> Vec<f64> {
    let (layers, count) = (network.layers(), x.len() / network.inputs());
    let mut trace = reference::forward(network, x);
    for l in 0..layers.len() {
        let outputs = twin_layer(network, &mut trace, l);
        let rounds = l + 1 < layers.len();
        trace.values[l + 1] =
            if rounds { outputs.into_iter().map(round_f16).collect() } else { outputs };
    }
    let scales = vec![SCALE; count];
    let (_, mut delta) = reference::loss_gradient(network, loss, &trace, t, &scales);
    let mut gradient = vec![0.0; network.count()];
    for (l, layer) in layers.iter().enumerate().rev() {
        for delta in &mut delta {
            *delta = round_f16(*delta);
        }
        add_gradient(network, l, [&trace.values[l], &delta], &mut gradient);
        if l > 0 {
            let (fan_in, fan_out) = (layer.fan_in, layer.fan_out);
            let mut below = vec![0.0; count * fan_in];
            reference::matmul_nt(&delta, network.weights(l), count, fan_out, fan_in, &mut below);
            for (delta, y) in below.iter_mut().zip(&trace.values[l]) {
                *delta *= slope_of_output(layers[l - 1].activation, *y);
            }
            delta = below;
        }
    }
    gradient
}
