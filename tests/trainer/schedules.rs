//! Learning-rate schedules and stopping rules against PyTorch and scikit-learn.

use super::common::engines;
use super::{cpu, fit, rates, trainer};
use impasto::reference::ReferenceEngine;
use impasto::{
    Activation, Dataset, EarlyStopping, Ending, Network, Optimizer, Plateau, Schedule, Trainer,
};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Fixture {
    cosine: Cosine,
    step: StepCase,
    inverse: Vec<Inverse>,
    plateau: Vec<PlateauCase>,
    exponential: Vec<Parameters>,
    exponential_steps: Vec<Parameters>,
    one_cycle: Vec<Parameters>,
    warm_up: Vec<WarmUp>,
    training: Training,
}

/// A schedule's parameters by name, and its learning rates.
#[derive(Deserialize)]
struct Parameters {
    #[serde(flatten)]
    parameters: BTreeMap<String, Value>,
    multipliers: Vec<f64>,
}

impl Parameters {
    fn schedule(&self, name: &str) -> Schedule {
        let settings = self.parameters.iter().map(|(key, value)| format!("{key}={value}"));
        let text = format!("{name}:{}", settings.collect::<Vec<_>>().join(","));
        text.parse().expect("a schedule")
    }
}

/// Some steps before half a cosine.
#[derive(Deserialize)]
struct WarmUp {
    warm_up: u64,
    multipliers: Vec<f64>,
}

#[derive(Deserialize)]
struct Cosine {
    steps: u64,
    multipliers: Vec<f64>,
}

#[derive(Deserialize)]
struct StepCase {
    every: usize,
    factor: f64,
    multipliers: Vec<f64>,
}

#[derive(Deserialize)]
struct Inverse {
    power: f64,
    multipliers: Vec<f64>,
}

#[derive(Deserialize)]
struct PlateauCase {
    factor: f64,
    patience: usize,
    threshold: f64,
    losses: Vec<f64>,
    multipliers: Vec<f64>,
}

#[derive(Deserialize)]
struct Training {
    hidden: usize,
    batch_size: usize,
    learning_rate: f64,
    tolerance: f64,
    patience: usize,
    x: Vec<[f64; 2]>,
    t: Vec<[f64; 2]>,
    parameters: Vec<f64>,
    losses: Vec<f64>,
    learned: Vec<f64>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../fixtures/schedules.json")).expect("the fixture")
}

/// Asserts that all are the same but for some roundings.
fn assert_same(what: &str, got: impl IntoIterator<Item = f64>, expected: &[f64], tolerance: f64) {
    let got: Vec<f64> = got.into_iter().collect();
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let off = (got - expected).abs();
        assert!(off <= tolerance * expected.abs(), "{what}, {i}: {got}, not {expected}");
    }
}

/// The same, but relative to 1.
fn assert_near(what: &str, got: impl IntoIterator<Item = f64>, expected: &[f64], tolerance: f64) {
    let got: Vec<f64> = got.into_iter().collect();
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!((got - expected).abs() <= tolerance, "{what}, {i}: {got}, not {expected}");
    }
}

/// A few roundings of a number of 53 bits.
const ROUNDED: f64 = 1e-14;

#[test]
fn schedules_are_those_of_pytorch_and_scikit_learn() {
    let Fixture { cosine, step, inverse, plateau, exponential, one_cycle, .. } = fixture();
    let steps = cosine.steps;
    let got = (1..=steps).map(|number| Schedule::Cosine.multiplier(number, steps, 1));
    assert_same("cosine", got, &cosine.multipliers, ROUNDED);
    let StepCase { every, factor, multipliers } = step;
    let schedule = Schedule::Step { every, factor };
    let got = (1..).take(multipliers.len()).map(|epoch| schedule.multiplier(epoch, 1000, epoch));
    assert_same("step", got, &multipliers, ROUNDED);
    for Inverse { power, multipliers } in inverse {
        let schedule = Schedule::InverseScaling { power };
        let got = (1..).take(multipliers.len()).map(|number| schedule.multiplier(number, 1000, 1));
        assert_same("inverse scaling", got, &multipliers, ROUNDED);
    }
    for case in exponential {
        let schedule = case.schedule("exponential");
        let got =
            (1..).take(case.multipliers.len()).map(|epoch| schedule.multiplier(7, 1000, epoch));
        assert_same("exponential", got, &case.multipliers, ROUNDED);
    }
    for case in one_cycle {
        let (schedule, steps) = (case.schedule("one-cycle"), case.multipliers.len() as u64);
        let got = (1..=steps).map(|number| schedule.multiplier(number, steps, 1));
        // Near the last step two numbers of about 1 cancel.
        assert_near("one cycle", got, &case.multipliers, ROUNDED);
    }
    for PlateauCase { factor, patience, threshold, losses, multipliers } in plateau {
        let schedule = Schedule::ReduceOnPlateau { factor, patience, threshold };
        let mut memory = Plateau::default();
        let got = losses.iter().map(|loss| memory.observe(schedule, *loss));
        assert_same("plateau", got, &multipliers, ROUNDED);
    }
}

#[test]
fn exponential_decay_by_steps_is_that_of_tiny_cuda_nn() {
    for case in fixture().exponential_steps {
        let schedule = case.schedule("exponential-steps");
        let got = (1..).take(case.multipliers.len()).map(|step| schedule.multiplier(step, 1000, 1));
        assert_same(&schedule.to_string(), got, &case.multipliers, ROUNDED);
    }
}

#[test]
fn a_run_warms_up_before_its_schedule() {
    for engine in engines() {
        for WarmUp { warm_up, multipliers } in fixture().warm_up {
            let schedule = Schedule::Cosine;
            // One step in an epoch.
            let whole = Trainer { batch_size: 40, ..trainer(multipliers.len()) };
            let (_, summary) = fit(&Trainer { schedule, warm_up, ..whole }, &engine);
            let got = rates(&summary.history).into_iter().map(|rate| rate / 0.02);
            assert_same(&engine.device().to_string(), got, &multipliers, ROUNDED);
        }
    }
    // Longer than the run, and before a schedule that starts low.
    let (_, summary) = fit(&Trainer { warm_up: 60, ..trainer(10) }, &cpu().into());
    assert_same("half", [summary.history[9].learning_rate], &[0.01], ROUNDED);
    let cycle = Schedule::OneCycle { pct_start: 0.5, div_factor: 4.0, final_div_factor: 10.0 };
    let rates = [1, 2, 3].map(|step| cycle.after_warm_up(2, step, 12, 1));
    assert_same("one cycle", rates, &[0.125, 0.25, 0.25], ROUNDED);
}

#[test]
fn a_run_follows_its_schedule() {
    let Fixture { step: StepCase { every, factor, multipliers }, cosine, .. } = fixture();
    for engine in engines() {
        let what = engine.device().to_string();
        // Three steps in an epoch; an epoch's rate is that of its last step.
        let schedule = Schedule::Step { every, factor };
        let (_, summary) = fit(&Trainer { schedule, ..trainer(multipliers.len()) }, &engine);
        let got = rates(&summary.history).into_iter().map(|rate| rate / 0.02);
        assert_same(&what, got, &multipliers, ROUNDED);
        // One step in an epoch.
        let whole = Trainer { batch_size: 40, ..trainer(cosine.multipliers.len()) };
        let (_, summary) = fit(&Trainer { schedule: Schedule::Cosine, ..whole }, &engine);
        let got = rates(&summary.history).into_iter().map(|rate| rate / 0.02);
        assert_same(&what, got, &cosine.multipliers, ROUNDED);
    }
    // And the steps are taken with it.
    let trained = |schedule| fit(&Trainer { schedule, ..trainer(8) }, &cpu().into()).0;
    assert_ne!(trained(Schedule::Constant), trained(Schedule::Cosine));
}

#[test]
fn a_rate_that_falls_to_nothing_does_not_end_a_run() {
    let schedule = Schedule::Step { every: 1, factor: 1e-30 };
    for engine in engines() {
        let (_, summary) = fit(&Trainer { schedule, ..trainer(20) }, &engine);
        assert_eq!(summary.ending, Ending::Finished, "{}", engine.device());
    }
}

#[test]
fn a_run_ends_and_learns_as_scikit_learn_s() {
    let case = fixture().training;
    let mut network = Network::builder(2)
        .hidden(&[case.hidden], Activation::Tanh)
        .output(2, Activation::Identity)
        .build()
        .unwrap();
    network.set_parameters(&case.parameters).unwrap();
    // With two outputs the gradients are the same; the loss is twice scikit-learn's.
    let trainer = Trainer {
        epochs: 1000,
        batch_size: case.batch_size,
        learning_rate: case.learning_rate,
        optimizer: Optimizer::SGD,
        shuffle: false,
        early_stopping: Some(EarlyStopping {
            tolerance: 2.0 * case.tolerance,
            patience: case.patience,
        }),
        ..Trainer::default()
    };
    let dataset = Dataset::from_rows(&case.x, &case.t).unwrap();
    let engine = ReferenceEngine::new();
    let summary = trainer.fit(&engine, &mut network, &dataset).unwrap();
    assert_eq!(summary.ending, Ending::Converged);
    let losses = summary.history.iter().map(|epoch| epoch.loss / 2.0);
    // Roundings grow over the steps.
    assert_same("losses", losses, &case.losses, 1e-11);
    assert_same("parameters", network.parameters().iter().copied(), &case.learned, 1e-10);
}

#[test]
fn training_stops_when_the_loss_no_longer_falls() {
    let stopping = EarlyStopping { tolerance: 1e-3, patience: 3 };
    let (_, summary) =
        fit(&Trainer { early_stopping: Some(stopping), ..trainer(2000) }, &cpu().into());
    let losses: Vec<f64> = summary.history.iter().map(|epoch| epoch.loss).collect();
    assert_eq!(summary.ending, Ending::Converged);
    assert!(losses.len() > 4 && losses.len() < 2000, "{} epochs", losses.len());
    // Watching changes nothing: the parameters are those of so many epochs.
    let (stopped, _) =
        fit(&Trainer { early_stopping: Some(stopping), ..trainer(2000) }, &cpu().into());
    assert_eq!(stopped, fit(&trainer(losses.len()), &cpu().into()).0);
}

#[test]
fn the_rate_falls_on_a_plateau() {
    // Every epoch counts as one without improvement that does not halve the loss.
    let schedule = Schedule::ReduceOnPlateau { factor: 0.5, patience: 1, threshold: 0.5 };
    let trainer = Trainer { schedule, ..trainer(20) };
    let (_, summary) = fit(&trainer, &cpu().into());
    let mut plateau = Plateau::default();
    let mut expected = vec![0.02];
    for epoch in &summary.history {
        expected.push(0.02 * plateau.observe(schedule, epoch.loss));
    }
    assert_eq!(summary.history.len(), 20);
    assert_eq!(rates(&summary.history), expected[..20]);
    assert!(summary.history[19].learning_rate < 0.01, "{:?}", rates(&summary.history));
}
