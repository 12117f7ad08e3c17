//! Every engine against PyTorch and published formulas.
//!
//! The fixtures contain single formulas, forward values, losses, gradients, and parameters after 1,
//! 10 and 100 updates. `tests/fixtures/make` computed them.
//!
//! Nothing here names a component, so that a new one with cases in the files is tested as it is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]
#![allow(dead_code, reason = "the shared module has more than this file needs")]

#[path = "fixtures/case.rs"]
mod case;
mod common;

use case::{Case, Fixtures};
use common::accuracy::{EPSILON as F32, FEW};
use impasto::activation::Backward;
use impasto::cpu::CpuEngine;
use impasto::gpu::Kernels;
use impasto::reference::{self, ReferenceEngine, forward};
use impasto::{Activation, Engine, Loss, Network, Optimizer};
use std::collections::BTreeSet;

/// The losses whose gradients take a denominator as constant that depends on the output, so that
/// central differences disagree with them.
const CONSTANT_DENOMINATOR: &[&str] =
    &["relative-l1", "relative-l2", "relative-l2-luminance", "smape"];

/// f64 rounding over a few hundred operations.
const REFERENCE: f64 = 1e-12;

/// The CPU engine, and the GPU engine on every adapter with its fused and its layerwise kernels.
fn other_engines() -> Vec<(String, Engine)> {
    let cpu = Engine::from(CpuEngine::new(None).expect("threads"));
    let mut engines: Vec<(String, Engine)> = vec![(cpu.device().to_string(), cpu)];
    for adapter in common::adapters() {
        for kernels in [Kernels::Fused, Kernels::Layerwise] {
            let engine = Engine::from(common::open(&adapter).with_kernels(kernels));
            engines.push((format!("{}, {kernels:?}", engine.device()), engine));
        }
    }
    engines
}

/// Asserts that all differ by less than `tolerance` of the largest number expected.
fn assert_near(what: &str, got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let size = expected.iter().fold(1.0_f64, |m, e| m.max(e.abs()));
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!((got - expected).abs() <= tolerance * size, "{what}, {i}: {got}, not {expected}");
    }
}

/// Asserts that each number differs by less than `tolerance` of itself, or of 1 where it is smaller.
fn assert_each_near(what: &str, got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let size = expected.abs().max(1.0);
        assert!((got - expected).abs() <= tolerance * size, "{what}, {i}: {got}, not {expected}");
    }
}

#[test]
fn the_fixtures_cover_every_activation_loss_and_optimizer() {
    let fixtures = Fixtures::read();
    let tested: BTreeSet<&str> = fixtures.cases.iter().flat_map(Case::names).collect();
    for activation in Activation::ALL.iter().filter(|a| a.backward() != Backward::None) {
        assert!(tested.contains(activation.name()), "{activation}");
        let in_a_table = |a: &Activation| {
            fixtures.activations.iter().any(|table| table.activation.name == a.name())
        };
        assert!(activation.backward() == Backward::Row || in_a_table(activation), "{activation}");
    }
    for loss in Loss::ALL {
        assert!(tested.contains(loss.name()), "{loss}");
    }
    for optimizer in Optimizer::ALL {
        assert!(tested.contains(optimizer.name()), "{optimizer}");
        let in_a_table =
            fixtures.optimizers.iter().any(|table| table.optimizer.name == optimizer.name());
        assert!(in_a_table, "{optimizer}");
    }
}

#[test]
fn activations_agree_with_their_tables() {
    let engines = other_engines();
    for table in Fixtures::read().activations {
        let (f, name) = (table.activation.activation(), table.activation.to_string());
        let each = |function: fn(Activation, f64) -> f64| -> Vec<f64> {
            table.z.iter().map(|z| function(f, *z)).collect()
        };
        assert_each_near(&name, &each(Activation::value), &table.value, REFERENCE);
        assert_each_near(
            &format!("slope of {name}"),
            &each(Activation::slope),
            &table.slope,
            REFERENCE,
        );
        // A layer that computes f(1·z + 0).
        let mut network = Network::builder(1).output(1, f).build().expect("one neuron");
        network.set_parameters(&[1.0, 0.0]).expect("a weight and a bias");
        for (device, engine) in &engines {
            let got = engine.predict_f64(&network, &table.z).expect("predicts");
            for (i, got) in got.iter().enumerate() {
                let (z, value, slope) = (table.z[i], table.value[i], table.slope[i]);
                // The rounding of z or of a multiple of it, that of the value, and that of a formula
                // whose terms are about 1 and cancel.
                let tolerance = FEW * F32 * (1.0 + value.abs() + (z * slope).abs());
                let near = (got - value).abs() <= tolerance;
                assert!(near, "{name} at {z} on {device}: {got}, not {value}");
            }
        }
    }
}

#[test]
fn losses_agree_with_their_tables() {
    for table in Fixtures::read().losses {
        let (name, outputs) = (table.loss.to_string(), table.y[0].len());
        let (y, t) = (table.y.concat(), table.t.concat());
        let (mut losses, mut gradient) = (vec![f64::NAN; table.y.len()], vec![f64::NAN; y.len()]);
        let scales = vec![1.0; table.y.len()];
        reference::loss(table.loss.loss(), &y, &t, outputs, &scales, &mut losses, &mut gradient);
        assert_each_near(&name, &losses, &table.value, REFERENCE);
        let expected = table.gradient.concat();
        assert_each_near(&format!("gradient of {name}"), &gradient, &expected, REFERENCE);
    }
}

#[test]
fn optimizers_agree_with_their_tables() {
    for table in Fixtures::read().optimizers {
        let optimizer = table.optimizer.optimizer();
        let mut parameters = table.parameters.clone();
        let mut states = reference::initial_states(optimizer, parameters.len());
        // One tensor, so one segment.
        let segment = (0..parameters.len(), impasto::SegmentKind::Dense);
        for (t, (gradient, after)) in (1..).zip(table.gradients.iter().zip(&table.after)) {
            let constants = optimizer.constants(table.learning_rate, t);
            reference::update(
                optimizer,
                constants,
                table.l2,
                std::slice::from_ref(&segment),
                &mut parameters,
                gradient,
                &mut states,
            );
            let what = format!("{optimizer} with an L2 penalty of {}, update {t}", table.l2);
            assert_each_near(&what, &parameters, after, REFERENCE);
        }
    }
}

#[test]
fn reference_agrees_with_pytorch() {
    for case in Fixtures::read().cases {
        let (name, network) = (&case.name, case.network());
        let trace = forward(&network, &case.x.concat());
        let predictions = case.predictions.concat();
        assert_near(name, &trace.values[trace.values.len() - 1], &predictions, REFERENCE);
        let (loss, gradient) = case.loss_and_gradient(&network);
        assert_near(name, &[loss], &[case.loss_value], REFERENCE);
        assert_near(name, &gradient, &case.gradient, REFERENCE);
        for (updates, expected) in &case.trajectory {
            let trained = case.trained(&ReferenceEngine::new().into(), *updates, false);
            assert_near(&format!("{name} after {updates}"), &trained, expected, 1e-10);
        }
        for (updates, expected) in &case.average {
            let average = case.trained(&ReferenceEngine::new().into(), *updates, true);
            assert_near(&format!("average of {name} after {updates}"), &average, expected, 1e-10);
        }
    }
}

#[test]
fn gradients_agree_with_central_differences() {
    // No weighted sum and no error of these cases is so near a kink that h would pass over it.
    let h = 1e-6;
    for case in Fixtures::read().cases {
        if CONSTANT_DENOMINATOR.contains(&case.loss.name.as_str()) {
            continue;
        }
        let mut network = case.network();
        let (_, gradient) = case.loss_and_gradient(&network);
        let size = gradient.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
        for (i, expected) in gradient.iter().enumerate() {
            let mut loss_at = |offset: f64| {
                let mut moved = case.parameters.clone();
                moved[i] += offset;
                network.set_parameters(&moved).expect("as many");
                case.loss_and_gradient(&network).0
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
    let cases = Fixtures::read().cases;
    for (device, engine) in other_engines() {
        for case in &cases {
            let (what, steepness) = (format!("{} on {device}", case.name), case.steepness());
            let predictions =
                engine.predict_f64(&case.network(), &case.x.concat()).expect("predicts");
            // Three layers of at most eight terms each, and an activation.
            let tolerance = 3.0 * (8.0 + FEW) * F32 * steepness;
            assert_near(&what, &predictions, &case.predictions.concat(), tolerance);
            let trained = case.trained(&engine, 10, false);
            // The errors of ten gradients add up, and Adam divides them by their size.
            assert_near(&what, &trained, &case.trajectory[&10], 10.0 * tolerance);
            if let Some(average) = case.average.get(&10) {
                let what = format!("average of {what}");
                let trained = case.trained(&engine, 10, true);
                assert_near(&what, &trained, average, 10.0 * tolerance);
            }
        }
    }
}
