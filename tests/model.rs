//! Models on every engine: their outputs beside the reference's, from several threads, in any numbers of
//! samples, and what they refuse.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]
#![allow(dead_code, reason = "the shared modules have more than this file needs")]

#[path = "model/allocations.rs"]
mod allocations;
mod common;
#[path = "training/run.rs"]
mod run;

use allocations::allocations;
use common::{engines, gpu_engines};
use impasto::cpu::CpuEngine;
use impasto::reference::ReferenceEngine;
use impasto::{
    Activation, Compute, Dataset, Device, Encoding, Engine, Error, Initialization, Network, Output,
    Pending, Plan, Session,
};
use pollster::block_on;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use run::{F32, FEW, assert_near, random, steepness, tolerance};
use std::thread;

/// So many random inputs in [-1, 1).
fn inputs(count: usize, seed: u64) -> Vec<f32> {
    random(&mut ChaCha8Rng::seed_from_u64(seed), count, -1.0)
}

fn wide(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|number| f64::from(*number)).collect()
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

fn build(inputs: usize, widths: &[usize], hidden: Activation, output: Activation) -> Network {
    let (last, widths) = widths.split_last().unwrap();
    let network = Network::builder(inputs).hidden(widths, hidden).output(*last, output);
    network.seed(5).biases(Initialization::Glorot).build().unwrap()
}

/// The CPU engine with one thread and with three, whatever the machine has.
fn processors() -> [Engine; 2] {
    [1, 3].map(|threads| CpuEngine::new(Some(threads)).unwrap().into())
}

/// A network of random widths and depth, with these activations, with and without biases, encodings and
/// rates of dropout.
fn random_network(random: &mut ChaCha8Rng, hidden: Activation, output: Activation) -> Network {
    const WIDTHS: [usize; 10] = [1, 2, 3, 7, 15, 16, 17, 33, 64, 65];
    let mut width = || WIDTHS[random.random_range(0..WIDTHS.len())];
    let (first, widths) = (width(), [width(), width(), width()]);
    let encoding = match random.random_range(0..4) {
        0 => Encoding::Frequency { octaves: 3 },
        1 => Encoding::Fourier { features: 9, scale: 1.0, seed: 2 },
        _ => Encoding::Identity,
    };
    let depth = random.random_range(0..3);
    let mut builder = Network::builder(first).encoding(encoding);
    for width in &widths[..depth] {
        builder = builder.layer(*width, hidden, random.random_bool(0.7));
    }
    if depth > 0 {
        builder = builder.dropout(0.5);
    }
    builder = builder.layer(widths[2], output, random.random_bool(0.7));
    builder.seed(random.random()).biases(Initialization::Glorot).build().unwrap()
}

/// Compares a model's outputs, and logits if `logits` says so, with the reference's.
fn compare(engine: &Engine, network: &Network, samples: usize, seed: u64, logits: bool) {
    let reference = Engine::from(ReferenceEngine::new());
    let inputs = inputs(samples * network.inputs(), seed);
    let exact = wide(&inputs);
    let what = format!("{:?} of {samples} on {}", network.layers(), engine.device());
    let tolerance = tolerance(network, 1, 1) * steepness(network, &exact);
    let model = engine.prepare(network).unwrap();
    for _ in 0..2 {
        let expected = reference.predict_f64(network, &exact).unwrap();
        assert_near(&what, &wide(&model.predict(&inputs).unwrap()), &expected, tolerance);
        if logits {
            let expected = reference.logits_f64(network, &exact).unwrap();
            assert_near(&what, &wide(&model.logits(&inputs).unwrap()), &expected, tolerance);
        }
    }
}

#[test]
fn every_activation_is_that_of_the_reference() {
    let engines = engines();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for (i, activation) in Activation::ALL.iter().enumerate() {
        let plain = [Activation::Identity, Activation::Sigmoid, Activation::Softmax][i % 3];
        let (hidden, output) = match activation {
            // Of weighted sums near 0 another engine may be on the other side.
            Activation::Softmax | Activation::Step => (Activation::Tanh, *activation),
            _ => (*activation, plain),
        };
        let network = random_network(&mut random, hidden, output);
        for engine in &engines {
            // On a GPU, kernels are compiled for each network, and again for its logits.
            compare(engine, &network, [1, 5, 64][i % 3], i as u64, i % 4 == 0);
        }
    }
}

#[test]
fn random_networks_on_the_cpu_are_those_of_the_reference() {
    let processors = processors();
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let hidden = run::hidden_activations();
    for i in 0..120 {
        let output = [Activation::Identity, Activation::Sigmoid, Activation::Softmax][i % 3];
        let network = random_network(&mut random, hidden[i % hidden.len()], output);
        let samples = [1, 2, 3, 4, 5, 9, 130, 700][random.random_range(0..8)];
        compare(&processors[i % 2], &network, samples, i as u64, true);
    }
}

#[test]
fn a_sample_has_the_same_outputs_whatever_is_beside_it_on_the_cpu() {
    // Also layers that are so deep that their products are cut, and of several panels.
    for widths in [&[64, 64, 1][..], &[129, 100, 3], &[500, 131, 10], &[1, 1]] {
        for activation in [Activation::Relu, Activation::Tanh] {
            let network = build(8, widths, activation, Activation::Softmax);
            let inputs = inputs(8 * 1_500, 3);
            for engine in processors() {
                let model = engine.prepare(&network).unwrap();
                let one = |inputs| model.predict(inputs).unwrap();
                let expected: Vec<f32> = inputs.chunks(8).flat_map(one).collect();
                for samples in [2, 3, 4, 5, 6, 8, 11, 127, 128, 129, 1_500] {
                    let got = model.predict(&inputs[..8 * samples]).unwrap();
                    let expected = &expected[..got.len()];
                    assert_eq!(bits(&got), bits(expected), "{widths:?} {samples}");
                }
                let single = engine.predict(&network, &inputs).unwrap();
                let double = engine.predict_f64(&network, &wide(&inputs)).unwrap();
                assert_eq!(bits(&single), bits(&expected));
                assert_eq!(double, wide(&expected));
            }
        }
    }
}

#[test]
fn many_samples_take_several_passes() {
    let network = build(3, &[7, 2], Activation::Tanh, Activation::Softmax);
    // More than the largest pass of a GPU takes twice.
    let inputs = inputs(3 * 17_000, 4);
    let expected =
        Engine::from(ReferenceEngine::new()).predict_f64(&network, &wide(&inputs)).unwrap();
    let limited = gpu_engines().into_iter().map(|gpu| gpu.with_largest_buffer(4096).into());
    for engine in engines().into_iter().chain(limited) {
        let model = engine.prepare(&network).unwrap();
        let whole = model.predict(&inputs).unwrap();
        let what = engine.device().to_string();
        assert_near(&what, &wide(&whole), &expected, tolerance(&network, 1, 1));
        // Smaller calls leave nothing behind for larger ones, and the other way round.
        for samples in [1, 65, 600, 2_100, 64] {
            let got = model.predict(&inputs[..3 * samples]).unwrap();
            assert_near(&what, &wide(&got), &expected[..2 * samples], tolerance(&network, 1, 1));
        }
        assert_eq!(bits(&model.predict(&inputs).unwrap()), bits(&whole), "{what}");
    }
}

#[test]
fn threads_share_a_model() {
    let network = build(5, &[33, 17, 4], Activation::Silu, Activation::Softmax);
    for engine in engines().into_iter().chain(processors()) {
        let model = engine.prepare(&network).unwrap();
        let counts = [1, 1, 3, 50, 130, 700];
        let of = |thread: usize| inputs(5 * counts[thread], 10 + thread as u64);
        let expected: Vec<_> =
            (0..counts.len()).map(|thread| bits(&model.predict(&of(thread)).unwrap())).collect();
        thread::scope(|scope| {
            for (thread, expected) in expected.iter().enumerate() {
                let (model, inputs) = (model.clone(), of(thread));
                scope.spawn(move || {
                    let mut outputs = vec![0.0; 4 * counts[thread]];
                    for _ in 0..20 {
                        outputs.fill(f32::NAN);
                        model.predict_into(&inputs, &mut outputs).unwrap();
                        assert_eq!(bits(&outputs), *expected, "on {}", model.device());
                    }
                });
            }
        });
    }
}

#[test]
fn a_model_owns_what_it_needs() {
    for engine in engines() {
        let mut network = build(3, &[9, 2], Activation::Tanh, Activation::Identity);
        let inputs = inputs(3 * 4, 5);
        let model = engine.prepare(&network).unwrap();
        let expected = model.predict(&inputs).unwrap();
        network.set_parameters(&vec![0.0; network.parameters().len()]).unwrap();
        drop((engine, network));
        assert_eq!(bits(&model.predict(&inputs).unwrap()), bits(&expected));
    }
}

#[test]
fn wrong_lengths_are_refused_and_no_sample_is_fine() {
    let network = build(3, &[4, 2], Activation::Relu, Activation::Identity);
    for engine in engines() {
        let model = engine.prepare(&network).unwrap();
        assert_eq!((model.inputs(), model.outputs()), (3, 2));
        assert!(format!("{model:?}").contains("inputs: 3, outputs: 2"), "{model:?}");
        for result in [
            model.predict(&[1.0; 4]),
            model.logits(&[1.0; 2]),
            block_on(model.predict_async(&[1.0; 5])),
            block_on(model.logits_async(&[1.0; 1])),
            model.predict_classes(&[1.0; 4]).map(|_| Vec::new()),
            engine.predict(&network, &[1.0; 4]),
        ] {
            let error = result.unwrap_err();
            assert!(matches!(error, Error::Shape(_)), "{error}");
            assert!(error.to_string().contains("no whole samples"), "{error}");
        }
        for length in [0, 1, 3, 5] {
            let mut outputs = vec![7.0; length];
            for result in [
                model.predict_into(&[1.0; 6], &mut outputs),
                model.logits_into(&[1.0; 6], &mut outputs),
                block_on(model.predict_into_async(&[1.0; 6], &mut outputs)),
                block_on(model.logits_into_async(&[1.0; 6], &mut outputs)),
            ] {
                let error = result.unwrap_err();
                assert!(matches!(error, Error::Shape(_)), "{error}");
                let expected = format!(
                    "room for {length} outputs, but 2 samples of a network with 2 outputs have 4"
                );
                assert_eq!(error.to_string(), expected);
            }
            assert_eq!(outputs, vec![7.0; length]);
        }
        assert!(model.predict(&[]).unwrap().is_empty());
        assert!(model.logits(&[]).unwrap().is_empty());
        assert!(model.predict_classes(&[]).unwrap().is_empty());
        model.predict_into(&[], &mut []).unwrap();
        assert!(engine.predict(&network, &[]).unwrap().is_empty());
    }
}

#[test]
fn the_forms_agree() {
    let network = build(3, &[9, 4], Activation::Gelu, Activation::Softmax);
    let inputs = inputs(3 * 10, 6);
    for engine in engines() {
        let model = engine.prepare(&network).unwrap();
        let (mut outputs, mut logits) = (vec![0.0; 40], vec![0.0; 40]);
        model.predict_into(&inputs, &mut outputs).unwrap();
        model.logits_into(&inputs, &mut logits).unwrap();
        assert!(outputs != logits);
        assert_eq!(bits(&model.predict(&inputs).unwrap()), bits(&outputs));
        assert_eq!(bits(&model.logits(&inputs).unwrap()), bits(&logits));
        assert_eq!(bits(&block_on(model.predict_async(&inputs)).unwrap()), bits(&outputs));
        assert_eq!(bits(&block_on(model.logits_async(&inputs)).unwrap()), bits(&logits));
        let (mut others, mut other_logits) = (vec![0.0; 40], vec![0.0; 40]);
        block_on(model.predict_into_async(&inputs, &mut others)).unwrap();
        block_on(model.logits_into_async(&inputs, &mut other_logits)).unwrap();
        assert_eq!((bits(&others), bits(&other_logits)), (bits(&outputs), bits(&logits)));
        let largest = |row: &[f32]| (0..4).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
        let classes: Vec<usize> = outputs.chunks(4).map(largest).collect();
        assert_eq!(model.predict_classes(&inputs).unwrap(), classes);
        assert_eq!(block_on(model.predict_classes_async(&inputs)).unwrap(), classes);
    }
}

#[test]
fn a_single_output_has_classes_where_their_boundary_is_known() {
    for engine in engines() {
        let one = |activation| {
            let mut network = Network::builder(1).output(1, activation).build().unwrap();
            network.set_parameters(&[2.0, 0.0]).unwrap();
            engine.prepare(&network).unwrap()
        };
        for activation in [Activation::Sigmoid, Activation::Step] {
            let classes = one(activation).predict_classes(&[-1.0, 1.0, -0.1, 0.2]).unwrap();
            assert_eq!(classes, [0, 1, 0, 1], "{activation}");
        }
        for activation in [Activation::Identity, Activation::Tanh, Activation::Softmax] {
            let error = one(activation).predict_classes(&[1.0]).unwrap_err();
            assert!(matches!(error, Error::Unsupported(_)), "{error}");
        }
    }
}

#[test]
fn predictions_of_a_few_samples_allocate_nothing_on_the_cpu() {
    let waves = Encoding::Fourier { features: 32, scale: 1.0, seed: 1 };
    let encoded = Network::builder(8).encoding(waves).hidden(&[64, 64], Activation::Tanh);
    for network in [
        build(8, &[64, 64, 1], Activation::Relu, Activation::Identity),
        build(8, &[64, 64, 3], Activation::Tanh, Activation::Softmax),
        encoded.output(1, Activation::Sigmoid).build().unwrap(),
    ] {
        for engine in processors() {
            let model = engine.prepare(&network).unwrap();
            for samples in [16, 1, 3] {
                let inputs = inputs(8 * samples, 7);
                let mut outputs = vec![0.0; samples * network.outputs()];
                model.predict_into(&inputs, &mut outputs).unwrap();
                let asked = allocations(|| {
                    for _ in 0..100 {
                        model.predict_into(&inputs, &mut outputs).unwrap();
                        model.logits_into(&inputs, &mut outputs).unwrap();
                    }
                });
                assert_eq!(asked, 0, "{samples} samples");
            }
        }
    }
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![1]))), 1, "they are counted");
}

/// An engine of another crate, with what the trait asks for and no more.
struct Foreign(ReferenceEngine);

impl Compute for Foreign {
    fn device(&self) -> &Device {
        self.0.device()
    }

    fn start<'a>(
        &'a self,
        network: &'a Network,
        plan: &'a Plan,
        dataset: &'a Dataset,
    ) -> Pending<'a, Box<dyn Session>> {
        self.0.start(network, plan, dataset)
    }

    fn forward<'a>(
        &'a self,
        network: &'a Network,
        inputs: &'a [f64],
        output: Output,
    ) -> Pending<'a, Vec<f64>> {
        self.0.forward(network, inputs, output)
    }
}

#[test]
fn an_engine_of_another_crate_needs_nothing_more() {
    let network = build(3, &[9, 2], Activation::Tanh, Activation::Softmax);
    let (foreign, reference) =
        (Engine::new(Foreign(ReferenceEngine::new())), Engine::from(ReferenceEngine::new()));
    let inputs = inputs(3 * 4, 8);
    let expected = reference.predict_f64(&network, &wide(&inputs)).unwrap();
    let model = foreign.prepare(&network).unwrap();
    let rounding = F32 * FEW;
    assert_near("a model", &wide(&model.predict(&inputs).unwrap()), &expected, rounding);
    let single = foreign.predict(&network, &inputs).unwrap();
    assert_near("f32", &wide(&single), &expected, rounding);
}

#[test]
fn a_lost_device_fails() {
    let network = build(3, &[9, 2], Activation::Tanh, Activation::Softmax);
    for gpu in gpu_engines() {
        let model = Engine::from(&gpu).prepare(&network).unwrap();
        assert!(model.predict(&[0.5; 3]).is_ok());
        gpu.destroy();
        let error = model.predict(&[0.5; 3]).unwrap_err();
        assert!(matches!(error, Error::DeviceLost { .. }), "{error}");
        let error = Engine::from(&gpu).prepare(&network).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::DeviceLost { .. }), "{error}");
    }
}

#[test]
fn parameters_are_uploaded_once() {
    let network = build(3, &[9, 2], Activation::Tanh, Activation::Softmax);
    for gpu in gpu_engines() {
        let model = Engine::from(&gpu).prepare(&network).unwrap();
        let inputs = inputs(3 * 40, 9);
        model.predict(&inputs).unwrap();
        let before = gpu.counts();
        model.predict(&inputs).unwrap();
        let after = gpu.counts();
        assert_eq!(after.uploads - before.uploads, 1, "the inputs");
        assert_eq!(after.submissions - before.submissions, 1);
        assert_eq!(after.readbacks - before.readbacks, 1);
    }
}
