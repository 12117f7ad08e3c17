//! Tests of the fused kernels with values and deltas in f16 against the reference with rounding to f16.
//!
//! What goes from layer to layer is f32, and only what is stored is rounded. WGSL leaves open to which of its two
//! neighbors a number is rounded, so a stored number may be off by a whole unit of f16 (2⁻¹⁰).

use super::mixed::{absolute, add_gradient, from_f16, norm, slope_of_output};
use super::{EPSILON, note_played, random, storing_adapters};
use crate::activation::Activation;
use crate::dataset::Dataset;
use crate::encoding::Encoding;
use crate::engine::gpu::candidates;
use crate::engine::gpu::device::{Gpu, STEP_STRIDE};
use crate::engine::gpu::fused::{self, Fused, Keys, Source};
use crate::engine::gpu::layout::Layout;
use crate::engine::gpu::recorder::{Recorder, play_steps};
use crate::engine::gpu::run_buffers::SCALED_STATUS;
use crate::engine::gpu::samples::Stored;
use crate::engine::gpu::shape::Shapes;
use crate::engine::gpu::step::StepData;
use crate::engine::reference::{self, round_f16};
use crate::error::Result;
use crate::initialization::Initialization;
use crate::loss::Loss;
use crate::network::Network;
use crate::permutation::Permutation;
use std::sync::Arc;

/// A unit in the last place of f16, of a number of 1.
const UNIT: f64 = 1.0 / 1024.0;

/// The smallest number of f16 above 0.
const LEAST: f64 = 1.0 / (1 << 24) as f64;

/// The loss scale that a run starts with.
const SCALE: f64 = 8.0;

/// What a pass leaves on the device, its words in the packed layout.
struct Left {
    layout: Layout,
    values: Vec<u32>,
    deltas: Vec<u32>,
    gradient: Vec<f32>,
    loss: f32,
    status: [u32; 6],
}

impl Left {
    /// The first `count` rows of a level in some words, `[count, pitch]`, in f16 or f32.
    fn rows(&self, words: &[u32], [start, level]: [usize; 2], count: usize) -> Vec<f64> {
        let pitch = self.layout.pitches[level];
        let wide = self.layout.stored_pitches()[level] > pitch;
        let number = |i: usize| {
            let place = start + i;
            from_f16((words[place / 2] >> (place % 2 * 16)) as u16)
        };
        let wide_number = |place: usize| f64::from(f32::from_bits(words[start / 2 + place]));
        (0..count * pitch).map(|i| if wide { wide_number(i) } else { number(i) }).collect()
    }

    /// The `count` rows of a level without what is behind them, which must be `first` and then zeros.
    fn own(&self, rows: &[f64], level: usize, first: f64) -> Vec<f64> {
        let (pitch, width) = (self.layout.pitches[level], self.layout.widths[level]);
        rows.chunks_exact(pitch)
            .flat_map(|row| {
                assert!(row[width] == first, "behind level {level}: {}", row[width]);
                assert!(row[width + 1..].iter().all(|x| *x == 0.0), "padding of level {level}");
                row[..width].iter().copied()
            })
            .collect()
    }

    fn values(&self, level: usize, count: usize) -> Vec<f64> {
        let rows = self.rows(&self.values, [self.layout.values[level], level], count);
        self.own(&rows, level, f64::from(u8::from(self.layout.biases[level])))
    }

    fn deltas(&self, level: usize, count: usize) -> Vec<f64> {
        let rows = self.rows(&self.deltas, [self.layout.values[level], level], count);
        self.own(&rows, level, 0.0)
    }

    /// The slopes of a hidden level, if it stores them.
    fn slopes(&self, level: usize, count: usize) -> Option<Vec<f64>> {
        let start = self.layout.slopes[level];
        let rows = (start > 0).then(|| self.rows(&self.values, [start, level], count))?;
        Some(self.own(&rows, level, 0.0))
    }
}

async fn pass(
    gpu: &Arc<Gpu>,
    (network, loss): (&Network, Loss),
    dataset: &Dataset,
    shapes: Shapes,
    data: StepData,
) -> Result<Left> {
    let count = data.count as usize;
    // As for a larger batch, of which this is what is left at the end of an epoch.
    let rows = count + 3;
    let layout = fused::padded_layout(network, rows, shapes.step);
    let parameters = fused::upload_parameters(gpu, network, &layout).await?;
    let source = Source::of(gpu, &Stored::upload(gpu, dataset, true).await?).await?;
    let keys = Keys::training(network, rows, shapes, source.samples, loss)?;
    let fused = Fused::new(gpu, network, rows, shapes, source, keys).await?;
    let sums = gpu.storage("sums", 2).await?;
    let status = gpu.upload("status", &SCALED_STATUS).await?;
    let mut recorder = Recorder::new(gpu);
    fused.record_step(&mut recorder, &parameters, count, [&sums, &status]).await?;
    let dispatches = recorder.finish("test").await?;
    note_played(&dispatches);
    let steps = gpu.storage("step", STEP_STRIDE as usize / 4).await?;
    gpu.write(&steps, bytemuck::bytes_of(&data));
    let group = gpu.step_group(&steps).await?;
    let mut encoder = gpu.encoder("test");
    play_steps(gpu, &mut encoder, &group, std::iter::once(dispatches.as_slice()));
    let (words, numbers) = (layout.all_values(), fused.slices() * layout.parameters());
    let sources = [
        (&fused.buffers.values, 0..4 * words as u64),
        (&fused.buffers.results, 0..4 * words as u64),
        (&fused.buffers.gradient, 0..4 * numbers as u64),
        (&sums, 0..8),
        (&status, 0..24),
    ];
    let bytes = gpu.read(encoder, &sources, "results")?.await?;
    let all: Vec<u32> = bytemuck::pod_collect_to_vec(&bytes);
    let (values, rest) = all.split_at(words);
    let (deltas, rest) = rest.split_at(words);
    let (slices, rest) = rest.split_at(numbers);
    let mut stored = vec![0.0; layout.parameters()];
    for slice in slices.chunks_exact(layout.parameters()) {
        stored.iter_mut().zip(slice).for_each(|(sum, part)| *sum += f32::from_bits(*part));
    }
    let places = layout.places(network);
    for (place, value) in stored.iter().enumerate() {
        assert!(places.contains(&place) || *value == 0.0, "padding at {place} has a gradient");
    }
    Ok(Left {
        values: values.to_vec(),
        deltas: deltas.to_vec(),
        gradient: places.into_iter().map(|place| stored[place]).collect(),
        loss: f32::from_bits(rest[1]),
        status: std::array::from_fn(|i| rest[2 + i]),
        layout,
    })
}

/// Asserts that every element is `expected` rounded to one of its neighbors in f16, where the number before rounding
/// may be off by `units` ε of the largest.
fn assert_stored(what: &str, got: &[f64], expected: &[f64], units: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert_eq!(*got, round_f16(*got), "{what}: element {i} is no f16");
        let tolerance = 1.001 * UNIT * expected.abs() + units * EPSILON * largest + LEAST;
        let error = (got - expected).abs();
        assert!(error <= tolerance, "{what}: element {i} is {got}, not {expected} ± {tolerance:e}");
    }
}

/// Networks with one hidden layer and more, with widths that are and are no multiples of a pitch, with and without
/// biases, and with activations that store slopes.
fn networks() -> Vec<(Network, Loss)> {
    use Activation::{Gelu, Identity, Relu, Sigmoid, Silu, Softmax, Tanh};
    let built = |builder: crate::Builder, outputs, last| {
        let biases = Initialization::Uniform { low: -0.5, high: 0.5 };
        builder.output(outputs, last).biases(biases).seed(3).build().expect("a network")
    };
    let bare = Network::builder(3).layer(20, Tanh, false).layer(47, Relu, true);
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
        (built(waves.hidden(&[64], Gelu), 4, Softmax), Loss::MeanSquaredError),
        (built(bare.layer(128, Sigmoid, false), 2, Sigmoid), Loss::SquaredErrorSum),
        (
            built(Network::builder(2).hidden(&[31], Silu).hidden(&[20], Relu), 130, Identity),
            Loss::L1,
        ),
    ]
}

pub(super) fn every_stored_level_is_that_of_its_twin() {
    for gpu in &storing_adapters() {
        for (position, (network, loss)) in networks().into_iter().enumerate() {
            let count = [37, 64, 1, 200, 90][position];
            let all = candidates::packed(&gpu.abilities, &Layout::new(&network, count));
            assert!(all.len() > 6 && all.iter().all(|s| s.step.packed && s.gradients.packed));
            for shapes in all.into_iter().skip(position).step_by(6) {
                check(gpu, (&network, loss), shapes, count);
            }
        }
    }
}

fn check(gpu: &Arc<Gpu>, (network, loss): (&Network, Loss), shapes: Shapes, count: usize) {
    let samples = count + 5;
    let (inputs, outputs) = (network.inputs(), network.outputs());
    let targets = random(2, samples * outputs).iter().map(|t| t.abs() / 2.0).collect();
    let dataset =
        Dataset::new(random(1, samples * inputs), targets, inputs, outputs).expect("samples");
    let order = Permutation::new(samples, 5, 6);
    let scale = loss.scale(count, outputs);
    let data = StepData {
        order: order.words(),
        part: Permutation::identity(samples).words(),
        first: 2,
        slot: 1,
        number: 1,
        loss_factor: scale as f32,
        ..StepData::in_order(count)
    };
    let played = pass(gpu, (network, loss), &dataset, shapes, data);
    let left = pollster::block_on(played).expect("a pass");
    let what =
        format!("{count} samples through {:?} as {shapes} on {}", left.layout.widths, gpu.info);
    let layers = network.layers();
    let (x, t) = reference::gather(&dataset, &order, 2, count);
    let trace = reference::forward(network, &x);

    // Forward: all from f32.
    let first = left.values(0, count);
    for (got, expected) in first.iter().zip(&trace.values[0]) {
        assert!((got - expected).abs() <= 16.0 * EPSILON * expected.abs().max(1.0), "{what}");
    }
    let mut terms = 16.0;
    for (l, layer) in layers.iter().enumerate().take(layers.len() - 1) {
        terms += layer.fan_in as f64;
        let got = left.values(l + 1, count);
        assert_stored(&format!("level {} of {what}", l + 1), &got, &trace.values[l + 1], terms);
        let slopes = left.slopes(l + 1, count);
        assert_eq!(slopes.is_some(), layer.stores_slope(), "{what}");
        if let Some(slopes) = slopes {
            let named = format!("slopes of level {} of {what}", l + 1);
            assert_stored(&named, &slopes, &trace.slopes[l], terms);
        }
    }

    // The loss, and the deltas of the outputs in f32.
    let (losses, mut delta) =
        reference::loss_gradient(network, loss, &trace, &t, &vec![SCALE; count]);
    let expected = reference::loss_sum(&losses) * scale / SCALE;
    let error = (f64::from(left.loss) - expected).abs() / expected;
    assert!(error < 1e-5, "{what}: the loss is {}, not {expected}", left.loss);
    let largest = delta.iter().fold(0.0, |m: f64, d| m.max(d.abs()));
    for (got, expected) in left.deltas(layers.len(), count).iter().zip(&delta) {
        let error = (got - expected).abs();
        assert!(error <= 512.0 * EPSILON * largest, "{what}: {got}, not {expected}");
    }

    // Back: the deltas from f32 and from the slopes that are stored, the gradients from what is stored.
    let mut gradient = vec![0.0; network.count()];
    let mut sizes = vec![0.0; network.count()];
    let mut stored = left.deltas(layers.len(), count);
    for (l, layer) in layers.iter().enumerate().rev() {
        let values = left.values(l, count);
        add_gradient(network, l, [&values, &stored], &mut gradient);
        add_gradient(network, l, [&absolute(&values), &absolute(&stored)], &mut sizes);
        if l == 0 {
            break;
        }
        terms += layer.fan_out as f64 + 512.0;
        let mut below = vec![0.0; count * layer.fan_in];
        let weights = network.weights(l);
        reference::matmul_nt(&delta, weights, count, layer.fan_out, layer.fan_in, &mut below);
        let slopes = left.slopes(l, count).unwrap_or_else(|| {
            let slope = |y: &f64| slope_of_output(layers[l - 1].activation, *y);
            values.iter().map(slope).collect()
        });
        below.iter_mut().zip(&slopes).for_each(|(delta, slope)| *delta *= slope);
        stored = left.deltas(l, count);
        assert_stored(&format!("deltas of level {l} of {what}"), &stored, &below, terms);
        delta = below;
    }
    let factor = scale / SCALE;
    for (i, got) in left.gradient.iter().enumerate() {
        let tolerance =
            (count as f64 + 16.0) * EPSILON * sizes[i] * factor + f64::from(f32::MIN_POSITIVE);
        let expected = gradient[i] * factor;
        let error = (f64::from(*got) - expected).abs();
        assert!(error <= tolerance, "{what}: gradient {i} is {got}, not {expected}");
    }

    // End to end.
    let (_, exact) = reference::loss_and_gradient(network, loss, &x, &t);
    for segment in network.segments() {
        let exact = &exact[segment.range.clone()];
        let got = left.gradient[segment.range.clone()].iter().map(|g| f64::from(*g));
        let error = norm(got.zip(exact).map(|(got, exact)| got - exact));
        let error = error / norm(exact.iter().copied());
        assert!(error <= 3e-3, "{what}: {} is off by {error}", segment.name);
    }
    assert_eq!(left.status, SCALED_STATUS, "{what}: nothing left f16");
}
