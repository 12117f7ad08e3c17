//! The trainer: stopping rules, schedules, events, refusals, and runs that fail.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]
#![allow(dead_code, reason = "the shared module has more than this file needs")]

mod common;
#[path = "trainer/pace.rs"]
mod pace;
#[path = "trainer/pauses.rs"]
mod pauses;
#[path = "trainer/pixels.rs"]
mod pixels;
#[path = "trainer/restarts.rs"]
mod restarts;
#[path = "trainer/resuming.rs"]
mod resuming;
#[path = "trainer/schedules.rs"]
mod schedules;
#[path = "trainer/stops.rs"]
mod stops;
#[path = "trainer/targets.rs"]
mod targets;
#[path = "trainer/threads.rs"]
mod threads;
#[path = "trainer/validation.rs"]
mod validation;
#[path = "trainer/waiting.rs"]
mod waiting;
#[path = "trainer/without_keeping.rs"]
mod without_keeping;

use common::{adapters, engines, gpu_engines};
use impasto::cpu::CpuEngine;
use impasto::gpu::GpuEngine;
use impasto::{
    Activation, Backend, Compute, Dataset, EarlyStopping, Ending, Engine, Epoch, Error, Event,
    Loss, Network, Optimizer, Schedule, Summary, Trainer, evaluate,
};
use rayon::prelude::*;
use std::ops::ControlFlow;
use std::sync::mpsc;
use std::time::Duration;

fn cpu() -> CpuEngine {
    CpuEngine::new(None).unwrap()
}

/// 2 inputs, a hidden layer of 12, 1 output.
fn network() -> Network {
    Network::builder(2)
        .hidden(&[12], Activation::Tanh)
        .output(1, Activation::Identity)
        .seed(4)
        .build()
        .unwrap()
}

#[test]
fn trainings_on_the_threads_of_a_pool_do_not_wait_for_each_other() {
    let numbers = |n: usize| (0..n).map(|i| (i * 37 % 101) as f32 / 101.0).collect();
    let dataset = Dataset::new(numbers(1_200), numbers(600), 2, 1).unwrap();
    let engine = CpuEngine::new(Some(2)).unwrap();
    let train = |seed: u64| {
        let mut network = Network::builder(2)
            .hidden(&[100, 100], Activation::Relu)
            .output(1, Activation::Identity)
            .seed(seed)
            .build()
            .unwrap();
        let trainer = Trainer { epochs: 3, ..Trainer::default() };
        trainer.fit(&engine, &mut network, &dataset).unwrap();
        network.parameters().to_vec()
    };
    let together: Vec<Vec<f64>> = (0..8).into_par_iter().map(train).collect();
    let alone: Vec<Vec<f64>> = (0..8).map(train).collect();
    assert_eq!(together, alone);
}

/// 40 points of a smooth hill, with some noise.
fn hill() -> Dataset {
    let place = |i: u32| {
        let (x, y) = (f64::from(i % 8) / 3.5 - 1.0, f64::from(i / 8) / 2.0 - 1.0);
        let noise = f64::from(i * 7919 % 13) / 13.0 - 0.5;
        ([x, y], [(-x * x - y * y).exp() + 0.1 * noise])
    };
    let (inputs, targets): (Vec<[f64; 2]>, Vec<[f64; 1]>) = (0..40).map(place).unzip();
    Dataset::from_rows(&inputs, &targets).unwrap()
}

fn trainer(epochs: usize) -> Trainer {
    Trainer { epochs, batch_size: 16, learning_rate: 0.02, ..Trainer::default() }
}

fn fit(trainer: &Trainer, engine: &Engine) -> (Network, Summary) {
    let mut network = network();
    let summary = trainer.fit(engine, &mut network, hill()).unwrap();
    (network, summary)
}

fn rates(history: &[Epoch]) -> Vec<f64> {
    history.iter().map(|epoch| epoch.learning_rate).collect()
}

#[test]
fn a_whole_run_is_reported_and_summed_up() {
    for engine in engines() {
        let mut events = Vec::new();
        let mut network = network();
        let watch = |event: &Event| {
            events.push(event.clone());
            ControlFlow::Continue(())
        };
        let summary = trainer(7).fit_with(&engine, &mut network, hill(), watch).unwrap();
        assert_eq!((summary.ending, summary.steps, summary.samples), (Ending::Finished, 21, 280));
        assert_eq!(events[0], Event::Started { steps_per_epoch: 3, steps: 21 });
        let (mut reported, mut done) = (Vec::new(), 0);
        for event in &events[1..] {
            match event {
                Event::Started { .. } => panic!("started twice"),
                Event::Epoch(epoch) => reported.push(*epoch),
                Event::Progress { steps, loss, samples_per_second } => {
                    assert!(*steps > done && loss.is_finite() && *samples_per_second > 0.0);
                    done = *steps;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(done, 21);
        assert_eq!(reported, summary.history);
        assert!(summary.history.iter().map(|epoch| epoch.number).eq(1..=7));
        assert!(summary.history[6].loss < summary.history[0].loss);
        assert!(summary.history.iter().all(|epoch| epoch.validation_loss.is_none()));
        let seconds: f64 = summary.history.iter().map(|e| e.seconds).sum();
        assert!((seconds - summary.seconds).abs() <= 1e-9 * summary.seconds);
    }
}

/// The loss of an epoch without updates is that of all samples, though its batches differ in size.
#[test]
fn an_epoch_s_loss_is_that_of_its_samples() {
    for engine in engines() {
        for loss in [Loss::MeanSquaredError, Loss::SquaredErrorSum] {
            let still =
                Trainer { learning_rate: 1e-12, optimizer: Optimizer::SGD, loss, ..trainer(1) };
            let (network, summary) = fit(&still, &engine);
            let expected = evaluate(&engine, &network, loss, &hill()).unwrap();
            let off = (summary.history[0].loss / expected - 1.0).abs();
            assert!(off <= 40.0 * f64::from(f32::EPSILON), "{off} on {}", engine.device());
        }
    }
}

#[test]
fn the_parameters_of_the_best_epoch_are_kept() {
    for engine in engines() {
        let stopping = EarlyStopping { tolerance: 0.0, patience: 5 };
        // A rate so high that the loss jumps: the last epoch is not the best.
        let jumpy = Trainer {
            early_stopping: Some(stopping),
            validation_fraction: Some(0.25),
            learning_rate: 0.1,
            seed: 9,
            ..trainer(60)
        };
        let (network, summary) = fit(&jumpy, &engine);
        let losses: Vec<f64> =
            summary.history.iter().map(|epoch| epoch.validation_loss.unwrap()).collect();
        let lowest = losses.iter().copied().fold(f64::INFINITY, f64::min);
        assert_eq!(summary.ending, Ending::Converged, "{losses:?}");
        let best = losses.iter().position(|loss| *loss == lowest).unwrap() as u64 + 1;
        assert_eq!(summary.best_epoch, Some(best));
        assert!(losses[losses.len() - 1] > lowest, "{losses:?}");
        // 30 samples are trained on, in steps of 16 and 14.
        assert_eq!(summary.steps, 2 * losses.len() as u64);
        assert_eq!(summary.samples, 30 * losses.len() as u64);
        let (_, held_out) = hill().split(0.25, 9).unwrap();
        let loss = evaluate(&engine, &network, Loss::MeanSquaredError, &held_out).unwrap();
        // The session judges in f32, `evaluate` adds the losses up in f64.
        assert!((loss - lowest).abs() <= 1e-5 * lowest, "{loss} {lowest} on {}", engine.device());
    }
}

/// A network and samples, full-batch, on which a run diverges.
fn diverging(learning_rate: f64, optimizer: Optimizer) -> Trainer {
    Trainer { epochs: 50, batch_size: 40, learning_rate, optimizer, ..Trainer::default() }
}

#[test]
fn a_run_that_diverges_keeps_what_it_had_before() {
    for engine in engines() {
        // f64 takes Adam's steps, each as large as its rate, without harm.
        let reference = engine.device().backend == Backend::Reference;
        let adam_rate = if reference { 1e160 } else { 1e30 };
        for (rate, optimizer) in [
            (1e30, Optimizer::SGD),
            (adam_rate, Optimizer::ADAM),
            (1e5, Optimizer::Sgd { momentum: 0.9, nesterov: true }),
        ] {
            let trainer = diverging(rate, optimizer);
            let mut broken = network();
            let result = trainer.fit(&engine, &mut broken, hill());
            let what = format!("{rate}, {optimizer:?} on {}", engine.device());
            let Err(error) = result else { panic!("{what} does not diverge") };
            let Error::Diverged { step, epoch, suggestion, .. } = error else {
                panic!("{what}: {error}");
            };
            assert!((1..=50).contains(&step) && epoch == step, "{what}: step {step}");
            // A tenth of the rate would diverge as well.
            assert_eq!(suggestion, 1e-3, "{what}");
            assert!(broken.parameters().iter().all(|p| p.is_finite()), "{what}");
            if step > 1 {
                let before = Trainer { epochs: step as usize - 1, ..trainer };
                let expected = fit(&before, &engine).0;
                assert!(broken == expected, "{what}: other parameters than before step {step}");
            }
        }
    }
}

/// One step in which the loss is finite, the update of the first weight is not, and that of the
/// bias is: the network before and after it.
fn half_an_update(engine: &Engine) -> (Network, Network) {
    let dataset = Dataset::from_rows([[1e6, 1e-6]], [[1e4]]).unwrap();
    let start = Network::builder(2).output(1, Activation::Identity).build().unwrap();
    let learning_rate = if engine.device().backend == Backend::Reference { 1e300 } else { 1e30 };
    let trainer = Trainer { learning_rate, optimizer: Optimizer::SGD, ..trainer(5) };
    let mut network = start.clone();
    let fitted = trainer.fit(engine, &mut network, &dataset);
    let error = fitted.unwrap_err();
    let Error::Diverged { step, what, .. } = &error else { panic!("{error}") };
    assert_eq!((*step, *what), (1, "a parameter's update"), "on {}", engine.device());
    (start, network)
}

#[test]
fn an_update_that_is_not_finite_is_left_out() {
    for engine in engines() {
        let (start, network) = half_an_update(&engine);
        assert!(network.parameters().iter().all(|p| p.is_finite()), "on {}", engine.device());
        assert_eq!(network.weights(0)[0] as f32, start.weights(0)[0] as f32);
    }
}

#[test]
fn a_step_whose_update_is_not_finite_changes_nothing() {
    for engine in engines() {
        let (start, network) = half_an_update(&engine);
        for (got, expected) in network.parameters().iter().zip(start.parameters()) {
            assert_eq!(*got as f32, *expected as f32, "on {}", engine.device());
        }
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let step = Network::builder(2).output(1, Activation::Step).build().unwrap();
    let relu = Network::builder(2).output(1, Activation::Relu).build().unwrap();
    let wide = Network::builder(3).output(1, Activation::Identity).build().unwrap();
    let long = Network::builder(2).output(2, Activation::Identity).build().unwrap();
    let fine = || (trainer(1), network());
    let set = |change: &dyn Fn(&mut Trainer)| {
        let (mut trainer, network) = fine();
        change(&mut trainer);
        (trainer, network)
    };
    let with = |network: &Network| (trainer(1), network.clone());
    let cases = [
        ("0 epochs", set(&|t| t.epochs = 0)),
        ("0 samples", set(&|t| t.batch_size = 0)),
        ("rate of NaN", set(&|t| t.learning_rate = f64::NAN)),
        ("rate of 0", set(&|t| t.learning_rate = 0.0)),
        ("rate of -1", set(&|t| t.learning_rate = -1.0)),
        ("rate of inf", set(&|t| t.learning_rate = f64::INFINITY)),
        ("L2 penalty is NaN", set(&|t| t.l2 = f64::NAN)),
        ("L2 penalty is -1", set(&|t| t.l2 = -1.0)),
        ("momentum", set(&|t| t.optimizer = Optimizer::Sgd { momentum: 1.0, nesterov: false })),
        ("factor", set(&|t| t.schedule = Schedule::Step { every: 1, factor: 0.0 })),
        (
            "tolerance",
            set(&|t| t.early_stopping = Some(EarlyStopping { tolerance: f64::NAN, patience: 1 })),
        ),
        ("fraction of 1", set(&|t| t.validation_fraction = Some(1.0))),
        ("fraction of NaN", set(&|t| t.validation_fraction = Some(f64::NAN))),
        ("fraction of 0.001", set(&|t| t.validation_fraction = Some(0.001))),
        ("step activation", with(&step)),
        ("3 inputs", with(&wide)),
        ("2 outputs", with(&long)),
    ];
    for engine in engines() {
        for (named, (trainer, network)) in &cases {
            let mut trained = network.clone();
            let result =
                trainer.fit_with(&engine, &mut trained, hill(), |_| panic!("{named} starts"));
            let message = match result {
                Err(Error::Setting(message) | Error::Shape(message)) => message,
                other => panic!("{named} on {}: {other:?}", engine.device()),
            };
            assert!(message.contains(named), "{named}: {message}");
            assert_eq!(&trained, network, "{named}: a refusal changes nothing");
        }
        for (loss, needed) in [
            (Loss::BinaryCrossEntropy, "sigmoid or identity, not relu"),
            (Loss::SoftmaxCrossEntropy, "softmax or identity, not relu"),
        ] {
            let trainer = Trainer { loss, ..trainer(1) };
            let fitted = trainer.fit(&engine, &mut relu.clone(), hill());
            let judged = evaluate(&engine, &relu, loss, &hill());
            for message in [fitted.unwrap_err().to_string(), judged.unwrap_err().to_string()] {
                assert!(message.contains(needed), "{message}");
            }
        }
        let message = engine.predict_f64(&network(), &[1.0; 3]).unwrap_err().to_string();
        assert!(message.contains("whole samples"), "{message}");
        // One that is wider than the samples, one that two samples would fill, two outputs.
        let narrow = Network::builder(1).output(1, Activation::Identity).build().unwrap();
        for unfit in [&wide, &narrow, &long] {
            let judged = evaluate(&engine, unfit, Loss::MeanSquaredError, &hill());
            let message = judged.map_err(|error| error.to_string()).unwrap_err();
            assert!(message.contains("do not fit"), "{message}");
        }
    }
}

/// Batches larger than the dataset are the dataset.
#[test]
fn a_large_batch_is_the_whole_dataset() {
    for engine in engines() {
        let (network, summary) = fit(&Trainer { batch_size: 1_000_000, ..trainer(3) }, &engine);
        assert_eq!((summary.steps, summary.samples), (3, 120));
        let exact = fit(&Trainer { batch_size: 40, ..trainer(3) }, &engine).0;
        assert!(network == exact, "on {}", engine.device());
    }
}

/// Runs on a thread of its own, and fails if that hangs.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::spawn(move || sender.send(work()));
    match receiver.recv_timeout(Duration::from_secs(60)) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("no answer in a minute"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
            Err(cause) => std::panic::resume_unwind(cause),
            Ok(_) => unreachable!("it ended without an answer"),
        },
    }
}

fn assert_lost<T>(what: &str, engine: &GpuEngine, result: impasto::Result<T>) {
    let Err(error) = result else { panic!("{what} works without a device") };
    let Error::DeviceLost { adapter, .. } = &error else { panic!("{what}: {error}") };
    assert_eq!(*adapter, engine.device().adapter, "{what}");
    let message = error.to_string();
    assert!(message.contains("run again") && message.contains("CPU engine"), "{message}");
}

#[test]
fn a_lost_device_is_an_error_with_advice() {
    for engine in gpu_engines() {
        in_time(move || {
            let trainer = trainer(3);
            let fit = |engine: &GpuEngine| trainer.fit(engine, &mut network(), hill());
            fit(&engine).unwrap();
            engine.destroy();
            assert_lost("fit", &engine, fit(&engine));
            assert_lost("predict", &engine, Engine::from(&engine).predict(&network(), &[0.1, 0.2]));
            let loss = evaluate(&engine, &network(), Loss::MeanSquaredError, &hill());
            assert_lost("evaluate", &engine, loss);
            // A second time is no different.
            engine.destroy();
            assert_lost("fit", &engine, fit(&engine));
        });
    }
}

/// Whether to lose the device at an event.
type IsMoment = fn(&Event) -> bool;

#[test]
fn a_device_lost_on_the_way_ends_the_run() {
    let started = |event: &Event| matches!(event, Event::Started { .. });
    let epoch = |event: &Event| matches!(event, Event::Epoch(epoch) if epoch.number == 5);
    let progress = |event: &Event| matches!(event, Event::Progress { steps, .. } if *steps > 20);
    let moments: [(&str, IsMoment); 3] =
        [("at the start", started), ("after an epoch", epoch), ("on the way", progress)];
    for adapter in adapters() {
        for (when, is_moment) in moments {
            for validation_fraction in [None, Some(0.2)] {
                let engine = common::open(&adapter);
                in_time(move || {
                    let early_stopping = validation_fraction
                        .map(|_| EarlyStopping { patience: 10_000, tolerance: 0.0 });
                    let trainer =
                        Trainer { early_stopping, validation_fraction, ..trainer(10_000) };
                    let mut trained = network();
                    let watch = |event: &Event| {
                        if is_moment(event) {
                            engine.destroy();
                        }
                        ControlFlow::Continue(())
                    };
                    let result = trainer.fit_with(&engine, &mut trained, hill(), watch);
                    assert_lost(when, &engine, result);
                    assert!(trained.parameters().iter().all(|p| p.is_finite()));
                });
            }
        }
    }
}

#[test]
fn other_engines_work_on_when_one_device_is_lost() {
    for adapter in adapters() {
        let (lost, fine) = (common::open(&adapter), common::open(&adapter));
        lost.destroy();
        fit(&trainer(2), &Engine::from(&fine));
        assert!(Engine::from(&lost).predict(&network(), &[0.1, 0.2]).is_err());
        assert_eq!(Engine::from(&fine).predict(&network(), &[0.1, 0.2]).unwrap().len(), 1);
    }
}

#[test]
fn an_unknown_adapter_is_refused_with_those_there_are() {
    let found = adapters();
    let error = GpuEngine::open(Some("no such adapter")).map(|_| ());
    let error = error.unwrap_err();
    assert!(matches!(error, Error::NoAdapter { .. }), "{error}");
    let message = error.to_string();
    if !found.is_empty() {
        assert!(message.contains("'no such adapter'"), "{message}");
    }
    for adapter in found {
        assert!(message.contains(&adapter.description()), "{message}");
    }
}
