//! The reference, and through it every engine, against PyTorch: forward values, losses, gradients
//! and parameters after 1, 10 and 100 steps, made once by `fixtures/make`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]
#![allow(dead_code, reason = "the shared module has more than this file needs")]

mod common;
#[path = "fixtures/optimizers.rs"]
mod optimizers;

use impasto::reference::{ReferenceEngine, forward, loss_and_gradient};
use impasto::{Activation, Control, Dataset, Engine, Loss, Network, Optimizer, Trainer};
use serde::Deserialize;
use std::collections::{BTreeMap, HashSet};

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    inputs: usize,
    layers: Vec<LayerCase>,
    loss: String,
    optimizer: OptimizerCase,
    l2: f64,
    learning_rate: f64,
    x: Vec<Vec<f64>>,
    t: Vec<Vec<f64>>,
    parameters: Vec<f64>,
    predictions: Vec<Vec<f64>>,
    loss_value: f64,
    gradient: Vec<f64>,
    trajectory: BTreeMap<usize, Vec<f64>>,
}

#[derive(Deserialize)]
struct LayerCase {
    fan_out: usize,
    activation: String,
    slope: Option<f64>,
}

#[derive(Deserialize)]
struct OptimizerCase {
    kind: String,
    momentum: Option<f64>,
    nesterov: Option<bool>,
    beta1: Option<f64>,
    beta2: Option<f64>,
    epsilon: Option<f64>,
    weight_decay: Option<f64>,
}

fn cases() -> Vec<Case> {
    let fixture: Fixture =
        serde_json::from_str(include_str!("fixtures/pytorch.json")).expect("the fixture");
    assert!(fixture.cases.len() >= 12);
    fixture.cases
}

impl Case {
    fn network(&self) -> Network {
        let mut builder = Network::builder(self.inputs);
        for layer in &self.layers {
            let activation = match layer.slope {
                Some(slope) => Activation::LeakyRelu { slope },
                None => layer.activation.parse().expect("a known activation"),
            };
            builder = builder.hidden(&[layer.fan_out], activation);
        }
        let mut network = builder.build().expect("a network");
        network.set_parameters(&self.parameters).expect("as many parameters");
        network
    }

    fn loss(&self) -> Loss {
        match self.loss.as_str() {
            "mse" => Loss::MeanSquaredError,
            "sse" => Loss::SquaredErrorSum,
            "bce" => Loss::BinaryCrossEntropy,
            "ce" => Loss::SoftmaxCrossEntropy,
            other => panic!("an unknown loss {other}"),
        }
    }

    fn optimizer(&self) -> Optimizer {
        let o = &self.optimizer;
        let adam = || (o.beta1.unwrap(), o.beta2.unwrap(), o.epsilon.unwrap());
        match o.kind.as_str() {
            "sgd" => Optimizer::Sgd {
                momentum: o.momentum.unwrap_or(0.0),
                nesterov: o.nesterov.unwrap_or(false),
            },
            "adam" => {
                let (beta1, beta2, epsilon) = adam();
                Optimizer::Adam { beta1, beta2, epsilon }
            }
            "adamw" => {
                let (beta1, beta2, epsilon) = adam();
                let weight_decay = o.weight_decay.unwrap();
                Optimizer::AdamW { beta1, beta2, epsilon, weight_decay }
            }
            other => panic!("an unknown optimizer {other}"),
        }
    }

    fn dataset(&self) -> Dataset {
        let flat = |rows: &[Vec<f64>]| rows.concat().into_iter().map(|v| v as f32).collect();
        Dataset::new(flat(&self.x), flat(&self.t), self.inputs, self.t[0].len()).expect("samples")
    }

    /// The network after so many full-batch steps on `engine`.
    fn trained(&self, engine: &dyn Engine, steps: usize) -> Network {
        let trainer = Trainer {
            epochs: steps,
            batch_size: self.x.len(),
            learning_rate: self.learning_rate,
            loss: self.loss(),
            optimizer: self.optimizer(),
            l2: self.l2,
            shuffle: false,
            ..Trainer::default()
        };
        let mut network = self.network();
        trainer.fit(engine, &mut network, &self.dataset(), |_| Control::Continue).expect("trains");
        network
    }
}

/// Asserts that all differ by less than `tolerance` of the largest number expected.
fn assert_near(what: &str, got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let size = expected.iter().fold(1.0_f64, |m, e| m.max(e.abs()));
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!((got - expected).abs() <= tolerance * size, "{what}, {i}: {got}, not {expected}");
    }
}

/// f64 rounding over a few hundred operations.
const REFERENCE: f64 = 1e-12;

#[test]
fn reference_agrees_with_pytorch() {
    for case in cases() {
        let (name, network) = (&case.name, case.network());
        let trace = forward(&network, &case.x.concat());
        let predictions = case.predictions.concat();
        assert_near(name, &trace.values[trace.values.len() - 1], &predictions, REFERENCE);
        let (loss, gradient) =
            loss_and_gradient(&network, case.loss(), &case.x.concat(), &case.t.concat());
        assert_near(name, &[loss], &[case.loss_value], REFERENCE);
        assert_near(name, &gradient, &case.gradient, REFERENCE);
        for (steps, expected) in &case.trajectory {
            let trained = case.trained(&ReferenceEngine::new(), *steps);
            assert_near(&format!("{name} after {steps}"), trained.parameters(), expected, 1e-10);
        }
    }
}

#[test]
fn the_fixtures_cover_every_activation_and_loss() {
    let cases = cases();
    let activations: HashSet<&str> =
        cases.iter().flat_map(|c| c.layers.iter().map(|l| l.activation.as_str())).collect();
    for activation in Activation::ALL.iter().filter(|a| **a != Activation::Step) {
        assert!(activations.contains(activation.name()), "{activation}");
    }
    for loss in Loss::ALL {
        assert!(cases.iter().any(|c| c.loss() == *loss), "{loss:?}");
    }
}

#[test]
fn gradients_agree_with_central_differences() {
    let h = 1e-6;
    for case in cases() {
        let smooth = case.layers.iter().all(|l| !l.activation.contains("relu"));
        if !smooth {
            continue; // a kink within h would spoil the difference
        }
        let (x, t) = (case.x.concat(), case.t.concat());
        let mut network = case.network();
        let (_, gradient) = loss_and_gradient(&network, case.loss(), &x, &t);
        let size = gradient.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
        for (i, expected) in gradient.iter().enumerate() {
            let mut loss_at = |offset: f64| {
                let mut moved = case.parameters.clone();
                moved[i] += offset;
                network.set_parameters(&moved).expect("as many");
                loss_and_gradient(&network, case.loss(), &x, &t).0
            };
            let difference = (loss_at(h) - loss_at(-h)) / (2.0 * h);
            // Relative to the gradient, or to the largest where it is next to nothing.
            let relative = (difference - expected).abs() / expected.abs().max(1e-2 * size);
            assert!(relative < 1e-6, "{}, {i}: {difference}, not {expected}", case.name);
        }
    }
}

#[test]
fn other_engines_agree_with_pytorch() {
    for engine in common::engines() {
        for case in cases() {
            let what = format!("{} on {}", case.name, engine.device());
            let predictions = engine.predict(&case.network(), &case.x.concat()).expect("predicts");
            // Three layers of at most eight terms each.
            assert_near(&what, &predictions, &case.predictions.concat(), 3.0 * 8.0 * F32);
            let trained = case.trained(&*engine, 10);
            // The errors of ten gradients add up, and Adam divides them by their size.
            assert_near(&what, trained.parameters(), &case.trajectory[&10], 10.0 * 24.0 * F32);
        }
    }
}

/// The unit of f32.
const F32: f64 = f32::EPSILON as f64;
