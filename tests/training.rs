//! Whole training runs: every engine against the reference and against itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]
#![allow(dead_code, reason = "the shared modules have more than this file needs")]

mod common;
#[path = "training/evaluation.rs"]
mod evaluation;
#[path = "training/frozen.rs"]
mod frozen;
mod pictures;
#[path = "training/regularization.rs"]
mod regularization;
#[path = "training/run.rs"]
mod run;
#[path = "training/states.rs"]
mod states;

use common::{engines, gpu_engines};
use impasto::cpu::CpuEngine;
use impasto::gpu::Kernels;
use impasto::reference::{self, ReferenceEngine};
use impasto::{
    Activation, Backend, Compute, Dataset, Encoding, Engine, Error, Initialization, Loss, Network,
    Optimizer, Picture, Plan, Step, Trainer, Wrappers, evaluate, psnr,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use run::{
    F32, FEW, Run, assert_near, ends, hidden_activations, nearest_kink, optimizers, samples,
    steepness, tolerance,
};

/// All engines but the reference.
fn others() -> Vec<Engine> {
    engines().into_iter().filter(|engine| engine.device().backend != Backend::Reference).collect()
}

/// 3 inputs, hidden layers of 9 and 5. Biases are not 0, as initial biases else are,
/// since a unit whose inputs are all 0 would then be on the kink of a ReLU. Weights of exponentials are
/// small, so that their sums stay near 0.
fn small(hidden: Activation, output: Activation, outputs: usize) -> Network {
    let mut builder = Network::builder(3);
    if hidden == Activation::Exponential {
        builder = builder.weights(Initialization::Uniform { low: -0.3, high: 0.3 });
    }
    builder
        .hidden(&[9, 5], hidden)
        .output(outputs, output)
        .biases(Initialization::Uniform { low: -0.3, high: 0.3 })
        .seed(5)
        .build()
        .unwrap()
}

/// Not all combinations, but each component in at least two of them.
#[test]
fn every_activation_loss_and_optimizer_learns_as_on_the_reference() {
    let engines = others();
    let (hidden, ends, optimizers) = (hidden_activations(), ends(), optimizers());
    let most = hidden.len().max(ends.len()).max(optimizers.len());
    for round in 0..2 {
        for i in 0..most {
            let hidden = hidden[i % hidden.len()];
            let (loss, output) = ends[(i + 3 * round) % ends.len()];
            let optimizer = optimizers[(i + round) % optimizers.len()];
            let outputs = loss.least_outputs().max(2);
            let network = small(hidden, output, outputs);
            let mut run = Run::new(network, samples(20, 3, outputs, 1), loss, optimizer);
            run.trainer.l2 = if (i + round) % 2 == 1 { 0.03 } else { 0.0 };
            let moved = run.compare(&engines);
            assert!(moved > 10.0, "{} moved {moved} tolerances", run.name());
        }
    }
}

#[test]
fn every_encoding_learns_as_on_the_reference() {
    let engines = others();
    for encoding in [
        Encoding::Identity,
        Encoding::Frequency { octaves: 4 },
        Encoding::Fourier { features: 11, scale: 1.0, seed: 1 },
    ] {
        let network = Network::builder(2)
            .encoding(encoding)
            .hidden(&[13, 7], Activation::Tanh)
            .output(3, Activation::Identity)
            .seed(2)
            .build()
            .unwrap();
        let mut run =
            Run::new(network, samples(27, 2, 3, 4), Loss::MeanSquaredError, Optimizer::ADAM);
        run.trainer.epochs = 5;
        let moved = run.compare(&engines);
        assert!(moved > 10.0, "{encoding:?} moved {moved} tolerances");
    }
}

#[test]
fn a_seed_repeats_to_the_bit() {
    let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let network = Network::builder(3)
        .hidden(&[33, 17], Activation::Relu)
        .output(2, Activation::Softmax)
        .build()
        .unwrap();
    let dataset = samples(150, 3, 2, 8);
    let mut run = Run::new(network, dataset, Loss::SoftmaxCrossEntropy, Optimizer::ADAM);
    (run.trainer.batch_size, run.trainer.epochs) = (64, 6);
    for engine in engines() {
        let mut results = Vec::new();
        for seed in [1, 1, 2] {
            run.trainer.seed = seed;
            let (network, summary) = run.train(&engine);
            let losses: Vec<f64> = summary.history.iter().map(|epoch| epoch.loss).collect();
            let outputs = engine.predict_f64(&network, &run.inputs()).unwrap();
            results.push((bits(network.parameters()), bits(&losses), bits(&outputs)));
        }
        assert!(results[0] == results[1], "the same seed differs on {}", engine.device());
        assert!(results[0].0 != results[2].0, "another seed is the same on {}", engine.device());
        assert!(results[0].1 != results[2].1, "another seed is the same on {}", engine.device());
    }
}

/// The largest buffer that a small device is said to have: just enough for the engine's own.
const SMALL: u64 = 256 << 10;

#[test]
fn split_batches_and_datasets_learn_as_whole_ones() {
    // 218 samples a part and 1024 a segment of inputs, so 1000 samples are 5 parts, and all
    // samples 3 segments; what is left of an epoch is 100.
    let network = Network::builder(64)
        .hidden(&[300, 5], Activation::Tanh)
        .output(3, Activation::Softmax)
        .build()
        .unwrap();
    let weights: Vec<f64> = (0..2100).map(|i| f64::from(i % 5) / 4.0).collect();
    let dataset = samples(2100, 64, 3, 6).with_weights(&weights).unwrap();
    let mut run = Run::new(network, dataset, Loss::SoftmaxCrossEntropy, Optimizer::ADAM);
    (run.trainer.batch_size, run.trainer.epochs) = (1000, 2);
    let mut engines: Vec<Engine> = Vec::new();
    for (small, whole) in gpu_engines().into_iter().zip(gpu_engines()) {
        engines.push(small.with_largest_buffer(SMALL).into());
        engines.push(whole.into());
    }
    let moved = run.compare(&engines);
    assert!(moved > 10.0, "moved {moved} tolerances");
}

#[test]
fn split_predictions_are_those_of_whole_ones() {
    let network = small(Activation::Tanh, Activation::Softmax, 2);
    let inputs: Vec<f64> =
        samples(701, 3, 2, 9).rows(0..701).0.into_iter().map(f64::from).collect();
    let expected = Engine::from(ReferenceEngine::new()).predict_f64(&network, &inputs).unwrap();
    for (mut small, whole) in gpu_engines().into_iter().zip(gpu_engines()) {
        // 113 and 28 samples a part.
        let whole = Engine::from(whole).predict_f64(&network, &inputs).unwrap();
        assert_near("whole", &whole, &expected, tolerance(&network, 1, 1));
        for bytes in [4096, 1024] {
            small = small.with_largest_buffer(bytes);
            let engine = Engine::from(&small);
            let got = engine.predict_f64(&network, &inputs).unwrap();
            assert_near("in parts", &got, &expected, tolerance(&network, 1, 1));
            assert!(engine.predict_f64(&network, &[]).unwrap().is_empty());
            assert_eq!(engine.predict_f64(&network, &inputs[..3]).unwrap(), got[..2]);
        }
    }
}

#[test]
fn what_cannot_fit_is_named() {
    let network =
        |widths: &[usize]| Network::builder(2).hidden(widths, Activation::Relu).build().unwrap();
    for engine in gpu_engines() {
        let engine = Engine::from(engine.with_largest_buffer(SMALL));
        for (network, named) in [
            (network(&[300, 300, 2]), "parameters"),
            (network(&[70_000, 1]), "one sample in the widest layer"),
        ] {
            let dataset = samples(4, 2, network.outputs(), 1);
            let mut trained = network.clone();
            let fit = Trainer::default().fit(&engine, &mut trained, &dataset).map(|_| ());
            for result in [fit, engine.predict_f64(&network, &[0.1, 0.2]).map(|_| ())] {
                let error = result.unwrap_err();
                let Error::TooLarge { what, needed, limit, .. } = &error else {
                    panic!("{error}");
                };
                assert!(what.contains(named) && what.contains(&engine.device().adapter), "{what}");
                assert!(needed > limit && *limit == SMALL, "{error}");
            }
            assert_eq!(trained, network, "a refusal changes nothing");
        }
        // The engine is as good as before.
        let network = small(Activation::Relu, Activation::Identity, 2);
        assert_eq!(engine.predict_f64(&network, &[0.1, 0.2, 0.3]).unwrap().len(), 2);
    }
}

#[test]
fn random_networks_learn_as_on_the_reference() {
    let engines = others();
    // Exponentials of sums of exponentials are soon too large for any number.
    let grows = |a: &Activation| *a == Activation::Exponential;
    let activations: Vec<_> = hidden_activations().into_iter().filter(|a| !grows(a)).collect();
    let shapes = (
        1..=5_usize,
        proptest::collection::vec(1..=40_usize, 0..=4),
        1..=4_usize,
        1..=33_usize,
        1..=40_usize,
        proptest::sample::select(activations),
        proptest::sample::select(ends()),
        proptest::sample::select(optimizers()),
        any::<u64>(),
    );
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&shapes, |(inputs, widths, outputs, batch, count, hidden, end, optimizer, seed)| {
            // The softmax of one output is always 1: nothing to learn.
            let outputs = if end.1 == Activation::Softmax { outputs.max(2) } else { outputs };
            let outputs = outputs.max(end.0.least_outputs());
            let network = Network::builder(inputs)
                .hidden(&widths, hidden)
                .output(outputs, end.1)
                .biases(Initialization::Uniform { low: -0.3, high: 0.3 })
                .seed(seed)
                .build()
                .unwrap();
            let dataset = samples(count, inputs, outputs, seed);
            let mut run = Run::new(network, dataset, end.0, optimizer);
            run.trainer.learning_rate *= 8.0 / batch.max(8) as f64;
            (run.trainer.batch_size, run.trainer.epochs) = (batch, 1);
            // Where the parameters come near on the way, since one epoch moves them little.
            let ends = [run.network.clone(), run.train(&ReferenceEngine::new().into()).0];
            // A run that diverges multiplies rounding errors with every step.
            let [before, after] = ends.each_ref().map(|network| run.loss_of(network));
            prop_assume!(after <= before + before.abs().max(1.0));
            let margin = tolerance(&run.network, batch, run.steps());
            let margin = margin * steepness(&run.network, &run.inputs());
            for network in ends {
                prop_assume!(nearest_kink(&run, &network) > margin);
            }
            run.compare(&engines);
            Ok(())
        })
        .expect("every network agrees");
}

#[test]
fn a_picture_is_painted_as_well_on_every_engine() {
    let picture = pictures::stones(32, 32);
    let dataset = picture.to_dataset(false).unwrap();
    let network = Network::builder(2)
        .encoding(Encoding::Frequency { octaves: 3 })
        .hidden(&[32; 4], Activation::Relu)
        .output(3, Activation::Sigmoid)
        .weights(Initialization::He)
        .build()
        .unwrap();
    let trainer = Trainer { epochs: 30, batch_size: 64, learning_rate: 3e-3, ..Trainer::default() };
    let inputs: Vec<f64> = dataset.rows(0..dataset.len()).0.into_iter().map(f64::from).collect();
    let quality = |engine: &Engine| {
        let mut network = network.clone();
        trainer.fit(engine, &mut network, &dataset).unwrap();
        let values = engine.predict_f64(&network, &inputs).unwrap();
        psnr(&Picture::from_unit(32, 32, 3, 255, &values).unwrap(), &picture).unwrap()
    };
    let expected = quality(&CpuEngine::new(None).unwrap().into());
    assert!(expected > 20.0, "{expected} dB");
    for engine in gpu_engines() {
        let got = quality(&Engine::from(&engine));
        assert!((got - expected).abs() < 0.5, "{got} dB, not {expected}, on {}", engine.device());
    }
}

#[test]
fn extreme_inputs_and_certainty_stay_finite() {
    let inputs = vec![1e4_f32, -1e4, -1e4, 1e4, 1e4, 1e4, 0.0, -1e4];
    let targets = vec![1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0];
    let dataset = Dataset::new(inputs, targets, 2, 2).unwrap();
    let ends = [
        (Loss::BinaryCrossEntropy, Activation::Sigmoid),
        (Loss::SoftmaxCrossEntropy, Activation::Softmax),
        (Loss::BinaryCrossEntropy, Activation::Identity),
        (Loss::MeanSquaredError, Activation::Softmax),
        (Loss::MeanSquaredError, Activation::Sigmoid),
    ];
    // The exponential of a large number is too large for any number.
    let bounded = |a: &Activation| *a != Activation::Exponential;
    let hidden: Vec<_> = hidden_activations().into_iter().filter(bounded).collect();
    for engine in engines() {
        for (i, hidden) in hidden.iter().copied().enumerate() {
            let (loss, output) = ends[i % ends.len()];
            let network =
                Network::builder(2).hidden(&[8], hidden).output(2, output).build().unwrap();
            let mut run = Run::new(network, dataset.clone(), loss, Optimizer::ADAM);
            run.trainer.epochs = 4;
            let (network, summary) = run.train(&engine);
            let what = format!("{} on {}", run.name(), engine.device());
            let outputs = engine.predict_f64(&network, &run.inputs()).unwrap();
            assert!(summary.history.iter().all(|e| e.loss.is_finite()), "{what}");
            assert!(outputs.iter().all(|y| y.is_finite()), "{what}: {outputs:?}");
            if output == Activation::Softmax {
                for row in outputs.chunks(2) {
                    assert!((row[0] + row[1] - 1.0).abs() <= 4.0 * F32, "{what}: {row:?}");
                }
            }
            let loss = evaluate(&engine, &network, loss, &dataset).unwrap();
            assert!(loss.is_finite() && loss >= 0.0, "{what}: {loss}");
        }
    }
}

/// 10 samples in batches of 4, in their order.
fn batches_of_four() -> Plan {
    Plan {
        loss: Loss::MeanSquaredError,
        optimizer: Optimizer::SGD,
        l2: 0.0,
        batch_size: 4,
        shuffle: None,
        seed: 0,
        wrappers: Wrappers::default(),
    }
}

#[test]
fn every_engine_refuses_the_same_steps() {
    let network = small(Activation::Relu, Activation::Identity, 2);
    let (dataset, plan) = (samples(10, 3, 2, 1), batches_of_four());
    let step = Step { number: 2, epoch: 1, first: 0, count: 4, learning_rate: 0.1 };
    let unfit = [
        ("there are 10", Step { first: 7, ..step }),
        ("there are 10", Step { first: 10, count: 2, ..step }),
        ("there are 10", Step { first: usize::MAX, ..step }),
        ("of 0 samples", Step { count: 0, ..step }),
        ("batch size", Step { count: 1, ..step }),
        ("batch size", Step { count: 5, ..step }),
        ("rate of 0", Step { learning_rate: 0.0, ..step }),
        ("rate of -1", Step { learning_rate: -1.0, ..step }),
        ("rate of NaN", Step { learning_rate: f64::NAN, ..step }),
        ("rate of inf", Step { learning_rate: f64::INFINITY, ..step }),
        ("from 1 on", Step { number: 0, ..step }),
    ];
    for engine in engines() {
        let mut session = pollster::block_on(engine.start(&network, &plan, &dataset)).unwrap();
        let before = pollster::block_on(session.parameters()).unwrap();
        for (named, unfit) in unfit {
            for steps in [&[unfit][..], &[Step { number: 1, ..step }, unfit]] {
                let error = session.train(steps).err().map(|e| e.to_string()).unwrap_or_default();
                assert!(error.contains(named), "{}: {unfit:?}: {error:?}", engine.device());
            }
        }
        for (number, next) in [(2, 4), (2, 2), (u64::MAX, 1), (u64::MAX - 1, 1)] {
            let gap = [Step { number, ..step }, Step { number: next, ..step }];
            assert!(session.train(&gap).is_err(), "{}: {number}, {next}", engine.device());
        }
        assert_eq!(pollster::block_on(session.parameters()).unwrap(), before);
        // What is left at the end of an epoch is a step. Its number may be large.
        let rest = Step { first: 8, count: 2, number: u64::from(u32::MAX) + 7, ..step };
        let outcome = pollster::block_on(session.train(&[rest]).unwrap()).unwrap();
        assert_eq!((outcome.losses.len(), outcome.diverged), (1, None), "{}", engine.device());
    }
}

#[test]
fn every_engine_reports_the_same_losses_of_a_run_that_diverges() {
    let network = small(Activation::Tanh, Activation::Identity, 2);
    let (inputs, targets) = samples(10, 3, 2, 1).rows(0..10);
    let far = targets.iter().map(|target| 100.0 * target).collect();
    let (dataset, plan) = (Dataset::new(inputs, far, 3, 2).unwrap(), batches_of_four());
    // In the third step the rate is too large for any engine's numbers.
    let step = |i: usize| Step {
        number: i as u64 + 1,
        epoch: 1,
        first: i % 2 * 4,
        count: 4,
        learning_rate: if i == 2 { f64::MAX } else { 1e-3 },
    };
    let steps: Vec<Step> = (0..6).map(step).collect();
    let losses = |engine: &Engine| {
        let mut session = pollster::block_on(engine.start(&network, &plan, &dataset)).unwrap();
        let mut losses = Vec::new();
        for steps in [&steps[..1], &steps[1..5], &steps[5..]] {
            let outcome = pollster::block_on(session.train(steps).unwrap()).unwrap();
            let diverged = outcome.diverged.map(|divergence| (divergence.step, divergence.in_loss));
            let expected = (steps[0].number > 1).then_some((3, false));
            assert_eq!(diverged, expected, "{}", engine.device());
            losses.push(outcome.losses);
        }
        // A step has a loss if it was taken, so none after the third has.
        let counts: Vec<usize> = losses.iter().map(Vec::len).collect();
        assert_eq!(counts, [1, 2, 0], "{}", engine.device());
        losses.concat()
    };
    let expected = losses(&ReferenceEngine::new().into());
    for engine in others() {
        let what = engine.device().to_string();
        assert_near(&what, &losses(&engine), &expected, tolerance(&network, 4, 3));
    }
}

#[test]
fn a_step_of_a_million_samples_is_as_accurate_as_one_of_a_few() {
    const SAMPLES: usize = 1_000_000;
    // Terms that are all alike, whose rounding errors add up instead of cancelling.
    let (input, target) = ([0.3_f32, -0.7], [0.1_f32, 0.9, 0.4]);
    let alike = |samples| {
        Dataset::new(input.repeat(samples), target.repeat(samples), 2, 3).expect("samples")
    };
    let network = Network::builder(2)
        .hidden(&[4, 3], Activation::Sigmoid)
        .output(3, Activation::Identity)
        .seed(5)
        .build()
        .unwrap();
    let step = |engine: &Engine, samples: usize| {
        let trainer = Trainer {
            optimizer: Optimizer::Sgd { momentum: 0.0, nesterov: false },
            batch_size: samples,
            ..Trainer::default()
        };
        let dataset = alike(samples);
        let plan = trainer.plan(&dataset);
        let mut session = pollster::block_on(engine.start(&network, &plan, &dataset)).unwrap();
        // A rate at which a gradient is large beside the parameter that it changes.
        let step = Step { number: 1, epoch: 1, first: 0, count: samples, learning_rate: 1000.0 };
        let outcome = pollster::block_on(session.train(&[step]).unwrap()).unwrap();
        (outcome.losses[0], pollster::block_on(session.parameters()).unwrap())
    };
    let (loss, expected) = step(&ReferenceEngine::new().into(), 1);
    // A sum is off by at most ε for each addition in its longest chain.
    let check = |engine: &Engine, samples: usize, chain: usize| {
        let what = format!("{samples} samples on {}", engine.device());
        let tolerance = F32 * (chain as f64 + FEW * network.layers().len() as f64);
        let (got, parameters) = step(engine, samples);
        assert!((got - loss).abs() <= tolerance * loss, "{what}: a loss of {got}, not {loss}");
        let learned = parameters.iter().zip(&expected).zip(network.parameters());
        for (i, ((got, expected), before)) in learned.enumerate() {
            let off = (got - expected).abs() / (expected - before).abs();
            assert!(off <= tolerance, "{what}: gradient {i} is off by {off:e}");
        }
    };
    // In tiles of 128 samples, of which 64 are added up, of which there are at most 123.
    for threads in [1, 2] {
        check(&CpuEngine::new(Some(threads)).unwrap().into(), SAMPLES, 128 + 64 + 123);
    }
    for adapter in common::adapters() {
        // In blocks of 1,024 samples.
        let layerwise = common::open(&adapter).with_kernels(Kernels::Layerwise);
        check(&Engine::from(&layerwise), SAMPLES, 1_024 + SAMPLES.div_ceil(1_024));
        // In slices of 4,096 samples; fewer in all, which the kernels take at a time everywhere.
        let fused = common::open(&adapter).with_kernels(Kernels::Fused);
        check(&Engine::from(&fused), SAMPLES / 10, 4_096 + (SAMPLES / 10).div_ceil(4_096));
    }
}

#[test]
fn a_network_of_many_layers_learns_as_on_the_reference() {
    // So many turns of loops that Mesa's llvmpipe would end them early in the smallest kernels.
    let network = Network::builder(2)
        .hidden(&[48; 200], Activation::Relu)
        .output(3, Activation::Identity)
        .weights(Initialization::He)
        .seed(2)
        .build()
        .unwrap();
    let dataset = Dataset::new(vec![0.3, -0.6], vec![0.1, 0.9, 0.4], 2, 3).unwrap();
    let trainer = Trainer {
        optimizer: Optimizer::Sgd { momentum: 0.0, nesterov: false },
        batch_size: 1,
        ..Trainer::default()
    };
    let plan = trainer.plan(&dataset);
    let run = |engine: &Engine| {
        let outputs = engine.predict_f64(&network, &[0.3, -0.6]).unwrap();
        let mut session = pollster::block_on(engine.start(&network, &plan, &dataset)).unwrap();
        let step = Step { number: 1, epoch: 1, first: 0, count: 1, learning_rate: 1.0 };
        pollster::block_on(session.train(&[step]).unwrap()).unwrap();
        let learned = pollster::block_on(session.parameters()).unwrap();
        let changes = learned.iter().zip(network.parameters()).map(|(now, before)| now - before);
        (outputs, changes.collect::<Vec<f64>>())
    };
    let norm = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
    let off = |got: &[f64], expected: &[f64]| {
        let differences: Vec<f64> = got.iter().zip(expected).map(|(a, b)| a - b).collect();
        norm(&differences) / norm(expected)
    };
    let expected = run(&ReferenceEngine::new().into());
    let tolerance = tolerance(&network, 1, 1);
    for engine in others() {
        let got = run(&engine);
        let (output, change) = (off(&got.0, &expected.0), off(&got.1, &expected.1));
        let what = format!("{}: off by {output:e}, {change:e}", engine.device());
        assert!(output <= tolerance && change <= tolerance, "{what}");
        // The fused kernels take it too.
        assert!(engine.notes().is_empty(), "{what}: {:?}", engine.notes());
    }
}

/// Layers with biases or without, in turn.
fn partly_biased(biases: [bool; 3], seed: u64) -> Network {
    let mut builder =
        Network::builder(3).biases(Initialization::Uniform { low: -0.3, high: 0.3 }).seed(seed);
    let activations = [Activation::Tanh, Activation::Silu, Activation::Identity];
    for ((width, activation), bias) in [9, 5, 2].into_iter().zip(activations).zip(biases) {
        builder = builder.layer(width, activation, bias);
    }
    builder.build().unwrap()
}

const SOME_BIASES: [[bool; 3]; 4] =
    [[false; 3], [false, true, true], [true, false, true], [true, true, false]];

#[test]
fn layers_without_biases_learn_as_on_the_reference() {
    let engines = others();
    for (position, biases) in SOME_BIASES.into_iter().enumerate() {
        let optimizers = [
            Optimizer::ADAM,
            Optimizer::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.1 },
            Optimizer::Sgd { momentum: 0.9, nesterov: false },
        ];
        for optimizer in optimizers {
            let network = partly_biased(biases, position as u64);
            let loss = Loss::MeanSquaredError;
            let mut run = Run::new(network, samples(20, 3, 2, 1), loss, optimizer);
            run.trainer.l2 = 0.01;
            run.compare(&engines);
        }
    }
}

#[test]
fn gradients_of_layers_without_biases_agree_with_central_differences() {
    let (inputs, targets) = samples(7, 3, 2, 5).rows(0..7);
    let [inputs, targets] =
        [inputs, targets].map(|v| v.into_iter().map(f64::from).collect::<Vec<_>>());
    let loss = Loss::MeanSquaredError;
    for biases in SOME_BIASES {
        let mut network = partly_biased(biases, 2);
        let (_, gradient) = reference::loss_and_gradient(&network, loss, &inputs, &targets);
        let missing: usize = [9, 5, 2].iter().zip(biases).filter(|(_, b)| !b).map(|(w, _)| w).sum();
        assert_eq!(gradient.len(), 3 * 9 + 9 * 5 + 5 * 2 + 9 + 5 + 2 - missing);
        let parameters = network.parameters().to_vec();
        for (i, slope) in gradient.iter().enumerate() {
            let step = 1e-5;
            let sides = [step, -step].map(|step| {
                let mut moved = parameters.clone();
                moved[i] += step;
                network.set_parameters(&moved).unwrap();
                reference::loss_and_gradient(&network, loss, &inputs, &targets).0
            });
            let difference = (sides[0] - sides[1]) / (2.0 * step);
            assert!((difference - slope).abs() < 1e-8, "{biases:?}, {i}: {slope}, {difference}");
        }
    }
}
