//! Tests of the fused kernels against whole passes of the reference.
//!
//! `fused_step` is checked through what it predicts and, with `weight_gradients`, through loss and
//! gradient.

use super::{EPSILON, FEW, adapters, note_played, random};
use crate::activation::Activation;
use crate::dataset::Dataset;
use crate::encoding::Encoding;
use crate::engine::{Output, reference};
use crate::error::Result;
use crate::gpu::candidates::candidates;
use crate::gpu::device::{Gpu, STEP_STRIDE};
use crate::gpu::fused::{self, Fused, Keys, Source};
use crate::gpu::readback::floats;
use crate::gpu::recorder::{Recorder, play_steps};
use crate::gpu::samples::Stored;
use crate::gpu::shape::{Abilities, Shapes};
use crate::gpu::step::StepData;
use crate::gpu::{layout::Layout, specialize::Purpose};
use crate::loss::Loss;
use crate::network::Network;
use crate::permutation::Permutation;
use std::ops::Range;
use std::sync::Arc;

/// Every shape that is tried on any device, as far as this one can run it.
fn all_shapes(gpu: &Gpu, layout: &Layout) -> Vec<Shapes> {
    let own = &gpu.abilities;
    let mut all = Vec::new();
    let few = own.broadcast.min(4);
    let kinds = [
        (true, own.broadcast, own.vector),
        (true, few, 4),
        (true, 0, 8),
        (true, 0, 4),
        (false, 0, 8),
    ];
    for (software, broadcast, vector) in kinds {
        let abilities = Abilities { software, broadcast, vector, ..own.clone() };
        // Those with split sums have a test of their own.
        all.extend(candidates(&abilities, layout).into_iter().filter(|s| !s.step.split));
    }
    all
}

/// A pass over `count` samples of `dataset` from position `first` of `order`: the contents of the
/// buffer of results (for a prediction), or the gradient in the network's order and the loss.
struct Pass<'a> {
    gpu: &'a Arc<Gpu>,
    network: &'a Network,
    dataset: &'a Dataset,
    shapes: Shapes,
    step: StepData,
}

impl Pass<'_> {
    async fn predict(&self, output: Output) -> Result<Vec<f32>> {
        let (gpu, network, count) = (self.gpu, self.network, self.step.count as usize);
        let layout = Layout::new(network, count);
        let parameters = fused::upload_parameters(gpu, network, &layout).await?;
        let source = Source::of(gpu, &Stored::upload(gpu, self.dataset, true).await?).await?;
        let purpose = Purpose::Prediction(output);
        let pass = fused::pass_kernel(network, count, self.shapes.step, source.samples, purpose)?;
        let keys = Keys { pass, computes_loss: false, gradients: None };
        let fused = Fused::new(gpu, network, count, self.shapes, source, keys).await?;
        let mut recorder = Recorder::new(gpu);
        fused.record(&mut recorder, &parameters, count).await?;
        let size = 4 * (count * network.outputs()) as u64;
        self.play(recorder, &[(&fused.buffers.results, 0..size)]).await
    }

    async fn train(&self, loss: Loss) -> Result<(f32, Vec<f32>)> {
        let (gpu, network, count) = (self.gpu, self.network, self.step.count as usize);
        // As for a larger batch, of which this is what is left at the end of an epoch.
        let capacity = count + 3;
        let layout = Layout::new(network, capacity);
        let parameters = fused::upload_parameters(gpu, network, &layout).await?;
        let source = Source::of(gpu, &Stored::upload(gpu, self.dataset, true).await?).await?;
        let keys = Keys::training(network, capacity, self.shapes, source.samples, loss)?;
        let fused = Fused::new(gpu, network, capacity, self.shapes, source, keys).await?;
        let sums = gpu.storage("sums", 2).await?;
        let status = gpu.upload("status", &[u32::MAX; 2]).await?;
        let mut recorder = Recorder::new(gpu);
        fused.record_step(&mut recorder, &parameters, count, [&sums, &status]).await?;
        let size = 4 * (fused.slices() * layout.parameters()) as u64;
        let got = self.play(recorder, &[(&sums, 0..8), (&fused.buffers.gradient, 0..size)]).await?;
        let slices = got[2..].chunks(layout.parameters());
        let mut gradient = vec![0.0; layout.parameters()];
        for slice in slices {
            gradient.iter_mut().zip(slice).for_each(|(sum, part)| *sum += part);
        }
        let named = layout.places(self.network);
        for (place, value) in gradient.iter().enumerate() {
            assert!(named.contains(&place) || *value == 0.0, "padding at {place} has a gradient");
        }
        Ok((got[1], named.into_iter().map(|place| gradient[place]).collect()))
    }

    async fn play(
        &self,
        recorder: Recorder<'_>,
        sources: &[(&wgpu::Buffer, Range<u64>)],
    ) -> Result<Vec<f32>> {
        let gpu = self.gpu;
        let dispatches = recorder.finish("test").await?;
        note_played(&dispatches);
        let steps = gpu.storage("step", STEP_STRIDE as usize / 4).await?;
        gpu.write(&steps, bytemuck::bytes_of(&self.step));
        let group = gpu.step_group(&steps).await?;
        let mut encoder = gpu.encoder("test");
        play_steps(gpu, &mut encoder, &group, std::iter::once(dispatches.as_slice()));
        let bytes = gpu.read(encoder, sources, "results")?.await?;
        Ok(floats(&bytes).collect())
    }
}

/// Asserts that two vectors differ by no more than so many ε of the largest element.
fn assert_close(what: &str, got: &[f32], expected: &[f64], units: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let error = (f64::from(*got) - expected).abs() / largest;
        assert!(error <= units * EPSILON, "{what}: element {i} is {got}, not {expected}");
    }
}

/// Layers with biases or without, some as wide as a row of the kernels' layout has room for.
fn partly_biased(biases: [bool; 4]) -> Network {
    let mut builder =
        Network::builder(5).biases(crate::Initialization::Uniform { low: -0.5, high: 0.5 }).seed(8);
    for (width, bias) in [31, 128, 20, 3].into_iter().zip(biases) {
        builder = builder.layer(width, Activation::Tanh, bias);
    }
    builder.build().expect("a network")
}

/// Networks of every depth, with widths that are and are no multiple of any block.
fn networks() -> Vec<(Network, Loss)> {
    use Activation::{Identity, LeakyRelu, Relu, Sigmoid, Silu, Softmax, Tanh};
    let network = |inputs, hidden: &[usize], activation, outputs, last, encoding| {
        Network::builder(inputs)
            .hidden(hidden, activation)
            .output(outputs, last)
            .encoding(encoding)
            .biases(crate::Initialization::Uniform { low: -0.5, high: 0.5 })
            .seed(3)
            .build()
            .expect("a network")
    };
    // Layers whose activations define functions of the same names, with other numbers in them.
    let mixed = |hidden: [(usize, &str); 2], outputs, last: &str| {
        let named = |text: &str| text.parse::<Activation>().expect("an activation");
        let [(first, f), (second, g)] = hidden;
        Network::builder(3)
            .hidden(&[first], named(f))
            .hidden(&[second], named(g))
            .output(outputs, named(last))
            .biases(crate::Initialization::Uniform { low: -0.5, high: 0.5 })
            .seed(4)
            .build()
            .expect("a network")
    };
    let plain = Encoding::Identity;
    let waves = Encoding::Frequency { octaves: 5 };
    let wide = Encoding::Fourier { features: 96, scale: 2.0, seed: 4 };
    vec![
        (network(2, &[100, 100, 100], Relu, 3, Identity, plain), Loss::MeanSquaredError),
        (network(3, &[128, 1, 7], Tanh, 2, Sigmoid, plain), Loss::SquaredErrorSum),
        (network(5, &[33, 33], Sigmoid, 9, Softmax, plain), Loss::SoftmaxCrossEntropy),
        (network(2, &[64], LeakyRelu { slope: 0.1 }, 4, Softmax, waves), Loss::MeanSquaredError),
        (network(2, &[], Relu, 1, Sigmoid, plain), Loss::BinaryCrossEntropy),
        (network(2, &[127, 31], Tanh, 128, Identity, wide), Loss::MeanSquaredError),
        (network(1, &[8; 12], Tanh, 1, Tanh, plain), Loss::MeanSquaredError),
        (network(2, &[33, 64], Silu, 3, Silu, plain), Loss::MeanSquaredError),
        (network(2, &[100], Silu, 3, Identity, waves), Loss::Huber { delta: 0.25 }),
        (
            mixed([(33, "elu:alpha=0.5"), (20, "elu:alpha=1.5")], 3, "gaussian"),
            Loss::RelativeL2Luminance { epsilon: 0.5 },
        ),
        (mixed([(40, "mish"), (9, "softplus:beta=2")], 2, "exponential"), Loss::LogCosh),
        (partly_biased([false; 4]), Loss::MeanSquaredError),
        (partly_biased([true, false, false, true]), Loss::MeanSquaredError),
        (partly_biased([false, true, false, true]), Loss::MeanSquaredError),
    ]
}

/// Checks a network, the `position`th, in some shapes for a batch of `count` samples.
fn check_passes(
    gpu: &Arc<Gpu>,
    position: usize,
    (network, loss): (&Network, Loss),
    count: usize,
    all: impl Iterator<Item = Shapes>,
) {
    let samples = count + 3;
    let inputs = random(1, samples * network.inputs());
    let targets: Vec<f32> =
        random(2, samples * network.outputs()).iter().map(|t| t.abs() / 2.0).collect();
    let dataset =
        Dataset::new(inputs, targets, network.inputs(), network.outputs()).expect("samples");
    let first = 2;
    let order = Permutation::new(samples, 5, 6);
    let step = StepData {
        order: order.words(),
        first: first as u32,
        slot: 1,
        number: 1,
        loss_factor: loss.scale(count, network.outputs()) as f32,
        ..StepData::in_order(count)
    };
    let step = StepData { part: Permutation::identity(samples).words(), ..step };
    let (x, t) = reference::gather(&dataset, &order, first, count);
    let (expected_loss, expected) = reference::loss_and_gradient(network, loss, &x, &t);
    let trace = reference::forward(network, &x);
    let outputs = &trace.values[trace.values.len() - 1];
    for shapes in all {
        let pass = Pass { gpu, network, dataset: &dataset, shapes, step };
        let what = format!("network {position} on {} as {shapes:?}", gpu.info);
        let (got_loss, got) = pollster::block_on(pass.train(loss)).expect("trains");
        // A layer's sums are of at most 192 terms; there are up to 13 layers, there and back.
        let units = FEW * 192.0;
        assert_close(&format!("loss of {what}"), &[got_loss], &[expected_loss], units);
        // Weights and biases of a layer, each against the largest of them.
        for segment in network.segments() {
            let (what, range) = (format!("{} of {what}", segment.name), &segment.range);
            assert_close(&what, &got[range.clone()], &expected[range.clone()], units);
        }
        // Only training passes split sums.
        if !shapes.step.split {
            let got = pollster::block_on(pass.predict(Output::Activated)).expect("predicts");
            assert_close(&format!("outputs of {what}"), &got, outputs, units);
        }
    }
}

pub(super) fn fused_passes_agree_with_the_reference_in_every_shape() {
    for gpu in adapters() {
        for (position, (network, loss)) in networks().into_iter().enumerate() {
            let count = [1, 7, 8, 67, 200][position % 5];
            let shapes = all_shapes(&gpu, &Layout::new(&network, count));
            // All shapes over the networks.
            let some = shapes.into_iter().skip(position).step_by(7);
            check_passes(&gpu, position, (&network, loss), count, some);
        }
    }
}

/// The shapes with split sums of a GPU, as far as the subgroups of this one have enough lanes.
fn split_shapes(gpu: &Gpu, layout: &Layout) -> Vec<Shapes> {
    let abilities = Abilities { software: false, ..gpu.abilities.clone() };
    candidates(&abilities, layout).into_iter().filter(|shapes| shapes.step.split).collect()
}

pub(super) fn split_sums_agree_with_the_reference() {
    for gpu in adapters() {
        for (position, (network, loss)) in networks().into_iter().enumerate() {
            let count = [200, 1, 7, 8, 67][position % 5];
            let shapes = split_shapes(&gpu, &Layout::new(&network, count));
            assert!(gpu.abilities.subgroup < 8 || shapes.len() >= 2, "{}: {shapes:?}", gpu.info);
            // All shapes over the networks.
            let some = shapes.into_iter().skip(position % 3).step_by(3);
            check_passes(&gpu, position, (&network, loss), count, some);
        }
    }
}

pub(super) fn fused_gradients_agree_in_any_number_of_slices() {
    const SAMPLES: usize = 1_100;
    let builder = Network::builder(2).hidden(&[20, 9], Activation::Tanh).seed(5);
    let network = builder.output(3, Activation::Identity).build().expect("a network");
    let inputs = random(1, 2 * SAMPLES);
    let dataset = Dataset::new(inputs, random(2, 3 * SAMPLES), 2, 3).expect("samples");
    let loss = Loss::MeanSquaredError;
    let scale = loss.scale(SAMPLES, 3);
    let step =
        StepData { slot: 1, number: 1, loss_factor: scale as f32, ..StepData::in_order(SAMPLES) };
    let order = Permutation::identity(SAMPLES);
    let (x, t) = reference::gather(&dataset, &order, 0, SAMPLES);
    let (expected_loss, expected) = reference::loss_and_gradient(&network, loss, &x, &t);
    for gpu in adapters() {
        let all = all_shapes(&gpu, &Layout::new(&network, SAMPLES));
        let mut slices: Vec<u32> = all.iter().map(|shapes| shapes.slice).collect();
        slices.sort_unstable();
        slices.dedup();
        assert!(slices.len() >= 4, "{slices:?}");
        let gpu_like = all.iter().rfind(|shapes| shapes.gradients.broadcast == 0).expect("one");
        for shapes in [all[0], *gpu_like] {
            for slice in slices.iter().copied() {
                let shapes = Shapes { slice, ..shapes };
                let pass = Pass { gpu: &gpu, network: &network, dataset: &dataset, shapes, step };
                let what = format!("{} as {shapes:?}", gpu.info);
                let (got_loss, got) = pollster::block_on(pass.train(loss)).expect("trains");
                let units = FEW * SAMPLES as f64;
                assert_close(&format!("loss of {what}"), &[got_loss], &[expected_loss], units);
                assert_close(&format!("gradient of {what}"), &got, &expected, units);
            }
        }
    }
}

/// Losses that are all alike, whose rounding errors add up instead of cancelling: a sum is off by at most
/// ε for each addition in its longest chain.
pub(super) fn losses_of_a_million_samples_are_added_in_trees() {
    const SAMPLES: usize = 1_000_000;
    let builder = Network::builder(1).seed(1);
    let network = builder.output(1, Activation::Identity).build().expect("a network");
    // Every row has an input of 0 and a target of 0.3.
    let dataset = Dataset::new(vec![0.0; SAMPLES], vec![0.3; SAMPLES], 1, 1).expect("samples");
    let loss = Loss::SquaredErrorSum;
    let step = StepData { slot: 1, number: 1, loss_factor: 1.0, ..StepData::in_order(SAMPLES) };
    let row = f64::from(0.3_f32).powi(2);
    let expected = [row * SAMPLES as f64];
    for gpu in adapters() {
        let abilities = Abilities { software: false, broadcast: 0, ..gpu.abilities.clone() };
        let all = candidates(&abilities, &Layout::new(&network, SAMPLES + 3));
        // The largest tile, and the smallest of which there are not too many for a dispatch.
        let most = gpu.limits.max_compute_workgroups_per_dimension as usize;
        let tile = |shapes: &&Shapes| shapes.step.tile();
        let are_few = |shapes: &&Shapes| (SAMPLES + 3).div_ceil(tile(shapes) as usize) <= most;
        let largest = *all.iter().max_by_key(tile).expect("some");
        let smallest = *all.iter().filter(are_few).min_by_key(tile).expect("some");
        for shapes in [largest, smallest] {
            let pass = Pass { gpu: &gpu, network: &network, dataset: &dataset, shapes, step };
            let what = format!("loss on {} as {shapes:?}", gpu.info);
            let (got, _) = pollster::block_on(pass.train(loss)).expect("trains");
            // A tree over the tile; blocks of 64 of the tiles of an invocation; another tree.
            let tiles = SAMPLES.div_ceil(shapes.step.tile() as usize) as f64;
            let invocations = f64::from(shapes.gradients.workgroup());
            let blocks = (tiles / invocations / 64.0).ceil();
            let trees = f64::from(shapes.step.tile()).log2().ceil() + invocations.log2().ceil();
            // The loss of a row itself takes three operations.
            let units = trees + 64.0 + blocks + 3.0;
            assert_close(&what, &[got], &expected, units);
            let (again, _) = pollster::block_on(pass.train(loss)).expect("trains");
            assert_eq!(got.to_bits(), again.to_bits(), "{what}");
        }
    }
}
