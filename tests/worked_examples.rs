//! The worked examples give the numbers of the tutorials they come from, on every engine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]
#![allow(dead_code, clippy::duplicate_mod, reason = "each example comes with its own main")]

#[path = "../examples/backpropagation.rs"]
mod backpropagation;
mod common;
#[path = "../examples/feedforward.rs"]
mod feedforward;
#[path = "../examples/gradient.rs"]
mod gradient;
#[path = "../examples/guess_gender.rs"]
mod guess_gender;
#[path = "../examples/layer.rs"]
mod layer;
#[path = "../examples/leaky_neuron.rs"]
mod leaky_neuron;
#[path = "../examples/neuron.rs"]
mod neuron;
#[path = "../examples/perceptron.rs"]
mod perceptron;
#[path = "../examples/spam.rs"]
mod spam;
#[path = "../examples/squared_error.rs"]
mod squared_error;
#[path = "../examples/ten_layers.rs"]
mod ten_layers;
#[path = "../examples/xor.rs"]
mod xor;

use common::engines;
use impasto::{Backend, Dataset, Engine, Loss, Trainer, reference};
use std::ops::Range;
use std::process::Command;

/// How far a number may be off, in units of the engine's machine epsilon ε.
///
/// A weighted sum: rounding two operands, the product and the sum of n terms whose sizes add up
/// to S costs at most (n + 2)·½·S; for the leaky neuron, the worst here, 6·½·2.5 = 7.5.
/// A sigmoid hands on a quarter of its sum's error; its exponential may be off by 3 + 2·|z| on a
/// GPU (Vulkan's limit), of which σ(z)·(1 − σ(z)) arrives, at most 1; adding and dividing cost 3.
/// A gradient taken as the difference of parameters near 1 costs ½, and its own relative error,
/// some ten roundings, counts only for its size, less than ¼.
const UNITS: f64 = 8.0;

fn assert_close(engine: &Engine, actual: f64, expected: f64) {
    let device = engine.device();
    let epsilon =
        if device.backend == Backend::Reference { f64::EPSILON } else { f64::from(f32::EPSILON) };
    let off = (actual - expected).abs() / epsilon;
    assert!(off <= UNITS, "{actual} is off {expected} by {off} epsilons on {device}");
}

/// A training run of thousands of tiny steps takes seconds on a GPU's software driver, so there it
/// is one seed, and eight elsewhere.
fn seeds(engine: &Engine) -> Range<u64> {
    if engine.device().backend == Backend::Gpu { 0..1 } else { 0..8 }
}

fn assert_within(engine: &Engine, seed: u64, actual: f64, expected: &Range<f64>) {
    assert!(
        expected.contains(&actual),
        "{actual} is not in {expected:?}, from seed {seed} on {}",
        engine.device()
    );
}

#[test]
fn one_neuron() {
    for engine in engines() {
        let (sum, output) = neuron::feed(&engine, &neuron::neuron().unwrap()).unwrap();
        assert_close(&engine, sum, 7.0);
        assert_close(&engine, output, 0.999_088_948_805_599_4);
    }
}

#[test]
fn a_layer_of_three_neurons() {
    for engine in engines() {
        let layer = layer::layer().unwrap();
        let (sums, outputs) = layer::by_hand(&layer);
        assert_eq!((sums, &outputs), (vec![3.5, 1.5, -1.0], &vec![3.5, 1.5, 0.0]));
        assert_eq!(engine.predict_f64(&layer, &layer::INPUT).unwrap(), outputs);
    }
}

#[test]
fn feedforward_through_three_neurons() {
    for engine in engines() {
        let network = feedforward::network().unwrap();
        let hidden = feedforward::hidden(&engine, &network).unwrap();
        let output = engine.predict_f64(&network, &feedforward::INPUT).unwrap();
        assert_eq!((hidden.len(), output.len()), (2, 1));
        assert_close(&engine, hidden[0], 0.952_574_126_822_433_4);
        assert_close(&engine, hidden[1], 0.952_574_126_822_433_4);
        assert_close(&engine, output[0], 0.721_632_560_951_842_1);
    }
}

#[test]
fn mean_squared_error_of_four_predictions() {
    for engine in engines() {
        assert_close(&engine, squared_error::mean_squared_error(&engine).unwrap(), 0.5);
    }
}

#[test]
fn backpropagation_by_hand() {
    let network = backpropagation::network().unwrap();
    let outputs = backpropagation::forward(&network);
    let by_hand = backpropagation::backward(&network, &outputs);
    let (input, target) = (backpropagation::INPUT, [backpropagation::TARGET]);
    let (loss, expected) =
        reference::loss_and_gradient(&network, Loss::SquaredErrorSum, &input, &target);
    assert!((loss - (outputs[3][0] - target[0]).powi(2)).abs() < 1e-12);
    assert_eq!(by_hand.len(), expected.len());
    for (by_hand, expected) in by_hand.iter().zip(&expected) {
        assert!((by_hand - expected).abs() < 1e-12, "{by_hand} {expected}");
    }
    for engine in engines() {
        let by_engine = backpropagation::by_engine(&engine, &network).unwrap();
        for (by_engine, expected) in by_engine.iter().zip(&expected) {
            assert!((by_engine - expected).abs() < 1e-5, "{by_engine} {expected}");
        }
    }
}

#[test]
fn ten_layers_learn_a_ring() {
    for engine in engines() {
        let (network, history) = ten_layers::train(&engine).unwrap();
        assert_eq!(network.parameters().len(), 91_301);
        let [.., last] = &history[..] else { panic!("30 epochs") };
        assert!(last.loss < 0.005, "{} on {}", last.loss, engine.device());
    }
}

/// The same loss where the engine itself computes it: in a training step, before its update.
#[test]
fn mean_squared_error_of_a_training_step() {
    for engine in engines() {
        let mut network = squared_error::echo().unwrap();
        let loss = Loss::MeanSquaredError;
        let trainer = Trainer { epochs: 1, loss, ..Trainer::default() };
        let samples = squared_error::samples().unwrap();
        let summary = trainer.fit(&engine, &mut network, &samples).unwrap();
        assert_close(&engine, summary.history[0].loss, 0.5);
    }
}

#[test]
fn gradient_of_three_neurons() {
    let (truth, input) = ([gradient::TRUTH], gradient::INPUT);
    let start = gradient::network().unwrap();
    let (_, expected) = reference::loss_and_gradient(&start, Loss::SquaredErrorSum, &input, &truth);
    for engine in engines() {
        let mut network = start.clone();
        let output = engine.predict_f64(&network, &input).unwrap()[0];
        let (loss, gradient) = gradient::step(&engine, &mut network).unwrap();
        assert_close(&engine, gradient::hidden(&engine).unwrap(), 0.047_425_873_177_566_78);
        assert_close(&engine, output, 0.523_695_174_083_999_7);
        assert_close(&engine, loss, (1.0 - 0.523_695_174_083_999_7_f64).powi(2));
        assert_eq!(gradient::PARAMETERS[0], ("w1", 0));
        assert_close(&engine, gradient[0], 0.021_469_535_265_811_11);
        for (actual, expected) in gradient.iter().zip(&expected) {
            assert_close(&engine, *actual, *expected);
        }
    }
}

#[test]
fn guess_the_gender() {
    for engine in engines() {
        for seed in seeds(&engine) {
            let (network, history) = guess_gender::train(&engine, seed).unwrap();
            let output = |person| engine.predict_f64(&network, person).unwrap()[0];
            // 0.946…0.972 and 0.037…0.040, which are rounded.
            assert_within(&engine, seed, output(&guess_gender::EMILY), &(0.9455..0.9725));
            assert_within(&engine, seed, output(&guess_gender::FRANK), &(0.0365..0.0405));
            assert_eq!(history.len(), 1000);
        }
    }
}

#[test]
fn exclusive_or() {
    let expected = [0.04, 0.95, 0.95, 0.05];
    for engine in engines() {
        let seeds = seeds(&engine);
        let mut means = [0.0; 4];
        for seed in seeds.clone() {
            let (network, _) = xor::train(&engine, seed).unwrap();
            let outputs = engine.predict_f64(&network, xor::INPUTS.as_flattened()).unwrap();
            assert_eq!(outputs.len(), 4);
            for ((output, expected), mean) in outputs.iter().zip(expected).zip(&mut means) {
                assert_within(&engine, seed, *output, &(expected - 0.04..expected + 0.04));
                *mean += output / seeds.end as f64;
            }
        }
        // Over seeds, the four agree better than each for itself.
        for (mean, expected) in means.iter().zip(expected) {
            assert!((mean - expected).abs() < 0.015, "{means:?} on {}", engine.device());
        }
    }
}

#[test]
fn one_leaky_neuron() {
    for engine in engines() {
        let neuron = leaky_neuron::neuron().unwrap();
        let (sum, output) = leaky_neuron::feed(&engine, &neuron).unwrap();
        assert_close(&engine, sum, -0.5);
        assert_close(&engine, output, -0.05);
    }
}

#[test]
fn perceptron_separates_what_can_be_separated() {
    for engine in engines() {
        let mut neuron = perceptron::perceptron().unwrap();
        let changes = perceptron::learn(&engine, &mut neuron, &perceptron::AND).unwrap();
        // All sums are exact, so every engine takes the same way.
        assert_eq!(changes, [2, 3, 3, 2, 1, 0], "{}", engine.device());
        for (input, truth) in perceptron::AND {
            let output = engine.predict_f64(&neuron, &input.map(f64::from)).unwrap();
            assert_eq!(output, [f64::from(truth)], "{input:?} on {}", engine.device());
        }
    }
}

#[test]
fn perceptron_says_what_cannot_be_separated() {
    for engine in engines() {
        let mut neuron = perceptron::perceptron().unwrap();
        let changes = perceptron::learn(&engine, &mut neuron, &perceptron::XOR).unwrap();
        assert!(!changes.ends_with(&[0]), "{changes:?} on {}", engine.device());
    }
}

#[test]
fn spam_and_ham_are_classified() {
    let (inputs, truths) = spam::parse(spam::TABLE).unwrap();
    let emails = Dataset::from_rows(&inputs, &truths).unwrap();
    for engine in engines() {
        for seed in seeds(&engine) {
            let (neuron, history) = spam::train(&engine, &emails, seed).unwrap();
            // A coin's loss is ln 2 = 0.69.
            assert_within(&engine, seed, history[history.len() - 1].loss, &(0.0..0.1));
            let probabilities = engine.predict_f64(&neuron, inputs.as_flattened()).unwrap();
            for (probability, [truth]) in probabilities.into_iter().zip(&truths) {
                assert_within(&engine, seed, (probability - truth).abs(), &(0.0..0.5));
            }
        }
    }
}

#[test]
fn a_wrong_line_of_the_table_is_named() {
    let header = spam::TABLE.lines().next().unwrap();
    let message = |line: &str| spam::parse(&format!("{header}\n1,2,3,0,1\n{line}\n"));
    assert_eq!(message("4,0,0,1,0").unwrap().0, [[1.0, 2.0, 3.0, 0.0], [4.0, 0.0, 0.0, 1.0]]);
    for wrong in ["", "1,2,3,0", "1,2,3,0,1,1", "1,2,3,2,1", "1,2,3,0,2", "1,-2,3,0,1", "a,2,3,0,1"]
    {
        let message = message(wrong).unwrap_err().to_string();
        assert!(message.contains("line 3") && message.contains(wrong), "{message}");
    }
    assert!(spam::parse("a,b\n").unwrap_err().to_string().contains("line 1"));
}

/// One of the programs represents all of them, which share their `main`.
#[test]
fn drivers_do_not_complain_of_a_missing_runtime_folder() {
    let output = Command::new(common::example("neuron"))
        .args(["--backend", "auto"])
        .env_remove("XDG_RUNTIME_DIR")
        .output()
        .expect("started");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success() && !output.stdout.is_empty());
}
