//! Validation samples, metrics, and the rules that end a run.

use super::common::engines;
use super::{fit, hill, network, trainer};
use impasto::{
    Activation, Backend, Dataset, EarlyStopping, Ending, Engine, Loss, Metric, Network, Optimizer,
    Schedule, Trainer, Training, TrainingState, evaluate,
};
use std::ops::ControlFlow;

/// The hill in two: to train on, and to validate with.
fn sides() -> (Dataset, Dataset) {
    hill().split(0.3, 2).unwrap()
}

fn near(a: f64, b: f64, engine: &Engine) {
    assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{a} {b} on {}", engine.device());
}

/// Mean absolute error, R² and PSNR of outputs, each of the same weight.
fn by_hand(outputs: &[f32], targets: &[f32]) -> [f64; 3] {
    let pairs = || outputs.iter().zip(targets).map(|(y, t)| (f64::from(*y), f64::from(*t)));
    let count = targets.len() as f64;
    let squares: f64 = pairs().map(|(y, t)| (y - t) * (y - t)).sum();
    let mean = pairs().map(|(_, t)| t).sum::<f64>() / count;
    let variance: f64 = pairs().map(|(_, t)| (t - mean) * (t - mean)).sum();
    let absolute = pairs().map(|(y, t)| (y - t).abs()).sum::<f64>() / count;
    [absolute, 1.0 - squares / variance, -10.0 * (squares / count).log10()]
}

const REGRESSION: [Metric; 3] = [Metric::MeanAbsoluteError, Metric::R2, Metric::Psnr];

#[test]
fn every_epoch_has_the_validation_loss_and_metrics_of_its_network() {
    let (training, validation) = sides();
    let (inputs, targets) = validation.rows(0..validation.len());
    for engine in engines() {
        let trainer = Trainer { metrics: REGRESSION.to_vec(), ..trainer(5) };
        let mut run = trainer.begin(&engine, &network(), (&training, &validation)).unwrap();
        run.run_epochs(|run, epoch| {
            near(epoch.validation_loss.unwrap(), run.evaluate(&validation)?, &engine);
            let learned = run.network()?;
            let loss = evaluate(&engine, &learned, Loss::MeanSquaredError, &validation)?;
            near(epoch.validation_loss.unwrap(), loss, &engine);
            let expected = by_hand(&run.predict(&inputs)?, &targets);
            for (metric, expected) in REGRESSION.into_iter().zip(expected) {
                near(epoch.metrics.get(metric).unwrap(), expected, &engine);
            }
            assert_eq!(run.metrics(&validation, &REGRESSION)?, epoch.metrics);
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
        assert_eq!(run.summary().history.len(), 5);
        // To look changes nothing.
        let (mut other, plain) = (network(), Trainer { metrics: Vec::new(), ..trainer.clone() });
        plain.fit(&engine, &mut other, &training).unwrap();
        assert_eq!(run.parameters().unwrap(), other.parameters(), "{}", engine.device());
        // Without validation samples, the metrics are those of the samples trained on.
        let mut run = trainer.begin(&engine, &network(), &training).unwrap();
        let epoch = run.epoch().unwrap().unwrap();
        assert_eq!(epoch.validation_loss, None);
        assert_eq!(run.metrics(&training, &REGRESSION).unwrap(), epoch.metrics);
    }
}

#[test]
fn accuracy_is_the_share_of_classes_found_by_weight() {
    let inputs: Vec<f32> = (0..60).map(|i| i as f32 / 30.0 - 1.0).collect();
    let class = |x: f32| usize::from(x > -0.3) + usize::from(x > 0.4);
    let weights: Vec<f64> = (0..60).map(|i| f64::from(i % 3)).collect();
    // Three classes by softmax, and whether it is the last of them by one logit or probability.
    let ends = [
        (Loss::SoftmaxCrossEntropy, Activation::Softmax, 3, 0.5),
        (Loss::SoftmaxCrossEntropy, Activation::Identity, 3, 0.0),
        (Loss::BinaryCrossEntropy, Activation::Sigmoid, 1, 0.5),
        (Loss::BinaryCrossEntropy, Activation::Identity, 1, 0.0),
    ];
    for (loss, output, outputs, threshold) in ends {
        let target = |x: f32, j: usize| f32::from(class(x) == if outputs == 1 { 2 } else { j });
        let targets = inputs.iter().flat_map(|x| (0..outputs).map(move |j| target(*x, j)));
        let samples = Dataset::new(inputs.clone(), targets.collect(), 1, outputs).unwrap();
        let samples = samples.with_weights(&weights).unwrap();
        let network = Network::builder(1).hidden(&[8], Activation::Tanh).output(outputs, output);
        let network = network.seed(3).build().unwrap();
        for engine in engines() {
            let metrics = vec![Metric::Accuracy];
            let trainer = Trainer { loss, metrics, learning_rate: 0.02, ..trainer(20) };
            let mut run = trainer.begin(&engine, &network, &samples).unwrap();
            let mut last = 0.0;
            run.run_epochs(|run, epoch| {
                let found = run.predict(&inputs)?;
                let is_right = |(x, row): (&f32, &[f32])| match row {
                    [number] => (f64::from(*number) > threshold) == (class(*x) == 2),
                    _ => row[class(*x)] == row.iter().copied().fold(f32::MIN, f32::max),
                };
                let right: f64 = (inputs.iter().zip(found.chunks(outputs)).zip(&weights))
                    .filter(|(pair, _)| is_right(*pair))
                    .map(|(_, weight)| weight)
                    .sum();
                last = epoch.metrics.get(Metric::Accuracy).unwrap();
                near(last, right / weights.iter().sum::<f64>(), &engine);
                Ok(ControlFlow::Continue(()))
            })
            .unwrap();
            assert!(last > 0.6, "{last} with {loss} on {}", engine.device());
        }
    }
}

#[test]
fn validation_samples_that_make_no_sense_are_refused() {
    let (training, validation) = sides();
    let wide = Dataset::from_rows([[0.0; 3]], [[0.0]]).unwrap();
    for engine in engines() {
        let refused = |trainer: &Trainer, data: (&Dataset, &Dataset)| {
            trainer
                .begin(&engine, &network(), data)
                .err()
                .map(|e| e.to_string())
                .unwrap_or_default()
        };
        let error = refused(&trainer(1), (&training, &wide));
        assert!(error.contains("samples of 3 inputs"), "{error}");
        let both = Trainer { validation_fraction: Some(0.2), ..trainer(1) };
        let error = refused(&both, (&training, &validation));
        assert!(error.contains("a fraction of 0.2 is to be split off"), "{error}");
        let weightless = validation.with_weights(&vec![0.0; validation.len()]).unwrap();
        let error = refused(&trainer(1), (&training, &weightless));
        assert!(error.contains("all have weight 0"), "{error}");
        let positive = Trainer { loss: Loss::Poisson { log_input: true }, ..trainer(1) };
        let negative = Dataset::from_rows([[0.0; 2]], [[-1.0]]).unwrap();
        let fine = Dataset::from_rows([[0.0; 2]], [[1.0]]).unwrap();
        let error = refused(&positive, (&fine, &negative));
        assert!(error.contains("target 0 of sample 0 is -1"), "{error}");
    }
}

#[test]
fn a_target_loss_ends_the_run_after_the_first_epoch_that_reaches_it() {
    let (training, validation) = sides();
    for engine in engines() {
        let plain = Trainer { optimizer: Optimizer::ADAM, ..trainer(30) };
        let losses = |trainer: &Trainer| {
            let mut run = trainer.begin(&engine, &network(), (&training, &validation)).unwrap();
            let ending = run.run().unwrap();
            let history = &run.summary().history;
            let losses: Vec<f64> = history.iter().filter_map(|e| e.validation_loss).collect();
            (ending, losses)
        };
        let (ending, all) = losses(&plain);
        assert_eq!((ending, all.len()), (Ending::Finished, 30));
        let target = all[..12].iter().copied().fold(f64::INFINITY, f64::min);
        let first = all.iter().position(|loss| *loss <= target).unwrap();
        let (ending, some) = losses(&Trainer { target_loss: Some(target), ..plain });
        assert_eq!((ending, &some[..]), (Ending::TargetLoss, &all[..=first]));
    }
}

#[test]
fn a_time_limit_ends_the_run_where_it_can_be_continued() {
    for engine in engines() {
        let endless = Trainer { epochs: 1_000_000_000, time_limit: Some(0.05), ..trainer(1) };
        let (learned, summary) = fit(&endless, &engine);
        assert_eq!(summary.ending, Ending::TimeLimit, "{}", engine.device());
        assert!(summary.seconds >= 0.05 && summary.seconds < 20.0, "{}", summary.seconds);
        // It is exactly after the steps that the summary counts.
        let mut run = trainer(1_000_000_000).begin(&engine, &network(), hill()).unwrap();
        run.step(summary.steps).unwrap();
        assert_eq!(run.parameters().unwrap(), learned.parameters(), "{}", engine.device());
        let mut run = endless.begin(&engine, &network(), hill()).unwrap();
        run.run().unwrap();
        assert_eq!(run.step(5).unwrap(), None);
        assert_eq!(run.summary().ending, Ending::TimeLimit);
    }
}

#[test]
fn a_budget_of_steps_ends_the_run_within_an_epoch_at_the_end_of_its_schedule() {
    for engine in engines() {
        let each = hill().len().div_ceil(trainer(1).batch_size) as u64;
        let steps = 2 * each + each / 2;
        assert!(!steps.is_multiple_of(each), "within an epoch");
        let schedule = Schedule::Cosine;
        let limited = Trainer { steps: Some(steps), schedule, ..trainer(1_000_000_000) };
        let (learned, summary) = fit(&limited, &engine);
        assert_eq!((summary.ending, summary.steps), (Ending::Finished, steps));
        assert_eq!(summary.history.len(), 2, "whole epochs");
        // The schedule is that of so many steps, whatever the epochs are.
        let (fewer, _) = fit(&Trainer { epochs: 3, ..limited.clone() }, &engine);
        assert_eq!(fewer.parameters(), learned.parameters(), "{}", engine.device());
        let (other, _) = fit(&Trainer { steps: Some(steps + 1), ..limited.clone() }, &engine);
        assert_ne!(other.parameters(), learned.parameters(), "{}", engine.device());
        // Paused within the epoch and resumed, with the same bits.
        let mut run = limited.begin(&engine, &network(), hill()).unwrap();
        run.step(each + 1).unwrap();
        let state = run.state().unwrap();
        let mut run = Training::resume(&engine, hill(), &state).unwrap();
        assert_eq!(run.run().unwrap(), Ending::Finished);
        assert_eq!(run.parameters().unwrap(), learned.parameters(), "{}", engine.device());
        // More steps than the epochs have change nothing.
        let (whole, _) = fit(&trainer(2), &engine);
        let (all, summary) = fit(&Trainer { steps: Some(1_000_000), ..trainer(2) }, &engine);
        assert_eq!((all.parameters(), summary.steps), (whole.parameters(), 2 * each));
    }
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    for (named, changed) in [
        ("0 steps", Trainer { steps: Some(0), ..trainer(1) }),
        ("target loss of NaN", Trainer { target_loss: Some(f64::NAN), ..trainer(1) }),
        ("target loss of inf", Trainer { target_loss: Some(f64::INFINITY), ..trainer(1) }),
        ("time limit of inf", Trainer { time_limit: Some(f64::INFINITY), ..trainer(1) }),
        ("time limit of 0", Trainer { time_limit: Some(0.0), ..trainer(1) }),
        ("time limit of NaN", Trainer { time_limit: Some(f64::NAN), ..trainer(1) }),
        ("validation fraction of 0", Trainer { validation_fraction: Some(0.0), ..trainer(1) }),
    ] {
        let error = changed.check(&network()).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn a_run_with_given_validation_samples_can_be_resumed() {
    let data = sides();
    let data = (&data.0, &data.1);
    for engine in engines() {
        let early_stopping = Some(EarlyStopping { tolerance: 0.0, patience: 50 });
        let metrics = vec![Metric::R2];
        let trainer = Trainer { metrics, early_stopping, learning_rate: 0.1, ..trainer(12) };
        let mut whole = trainer.begin(&engine, &network(), data).unwrap();
        whole.run().unwrap();
        let mut first = trainer.begin(&engine, &network(), data).unwrap();
        first.step(7).unwrap();
        let bytes = first.state().unwrap().encode().unwrap();
        drop(first);
        let state = TrainingState::decode(&bytes).unwrap();
        let mut second = Training::resume(&engine, data, &state).unwrap();
        second.run().unwrap();
        let history = |run: &Training| {
            let epochs = run.summary().history.iter();
            epochs.map(|e| (e.loss, e.validation_loss, e.metrics)).collect::<Vec<_>>()
        };
        assert_eq!(history(&whole), history(&second), "{}", engine.device());
        let [whole, second] = [&mut whole, &mut second].map(|run| run.network().unwrap());
        assert_eq!(whole, second, "{}", engine.device());
        assert_eq!((whole.epochs_trained(), second.epochs_trained()), (12, 12));
        let error = Training::resume(&engine, data.0, &state).unwrap_err().to_string();
        assert!(error.contains("begun with 40 samples cannot go on with 28"), "{error}");
    }
}

#[test]
fn a_run_goes_on_without_the_rule_that_it_was_begun_with() {
    let data = sides();
    let data = (&data.0, &data.1);
    for engine in engines() {
        let early_stopping = Some(EarlyStopping { tolerance: 0.0, patience: 50 });
        let trainer = Trainer { early_stopping, ..trainer(12) };
        let mut first = trainer.begin(&engine, &network(), data).unwrap();
        first.step(6).unwrap();
        let mut state = first.state().unwrap();
        assert!(state.summary().best_epoch.is_some());
        state.trainer.early_stopping = None;
        let mut second = Training::resume(&engine, data, &state).unwrap();
        second.run().unwrap();
        assert_eq!(second.summary().best_epoch, None);
        let plain = Trainer { early_stopping: None, ..trainer };
        let mut whole = plain.begin(&engine, &network(), data).unwrap();
        whole.run().unwrap();
        assert_eq!(second.network().unwrap(), whole.network().unwrap(), "{}", engine.device());
    }
}

#[test]
fn another_fit_takes_the_samples_in_other_orders() {
    // Without a state, what was learned depends on the order alone.
    let trainer = Trainer { optimizer: Optimizer::SGD, ..trainer(3) };
    for engine in engines() {
        let train = |network: &mut Network| {
            trainer.fit(&engine, network, hill()).unwrap();
        };
        let (once, _) = fit(&trainer, &engine);
        assert_eq!(once.epochs_trained(), 3);
        let mut fresh = network();
        fresh.set_parameters(once.parameters()).unwrap();
        let mut twice = once.clone();
        train(&mut fresh);
        train(&mut twice);
        assert_ne!(fresh.parameters(), twice.parameters(), "{}", engine.device());
        assert_eq!(twice.epochs_trained(), 6);
        // A saved network goes on as the network itself, but for the rounding of the reference.
        if engine.device().backend != Backend::Reference {
            let bytes = once.encode();
            let mut loaded = Network::decode(&bytes.unwrap()).unwrap();
            train(&mut loaded);
            assert_eq!(loaded, twice, "{}", engine.device());
        }
    }
}
