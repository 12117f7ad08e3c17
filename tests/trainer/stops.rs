//! Stops in the middle of a step: what was abandoned has had no effect.

use super::without_keeping::Forgetful;
use crate::common;
use impasto::cpu::CpuEngine;
use impasto::reference::ReferenceEngine;
use impasto::{
    Activation, Dataset, EarlyStopping, Ema, Encoding, Ending, Engine, Metric, Network, Trainer,
    Training, Wrappers,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// An engine, and samples whose batch takes it some hundredths of a second.
type Slow = (Engine, usize);

fn slow_engines() -> Vec<Slow> {
    let cpu = |threads| CpuEngine::new(Some(threads)).unwrap();
    vec![
        (ReferenceEngine::new().into(), 400),
        (cpu(1).into(), 5_000),
        (cpu(2).into(), 5_000),
        // Threads that share each group.
        (cpu(3).into(), 5_000),
        (Engine::new(Forgetful(cpu(2))), 5_000),
    ]
}

fn begin(trainer: &Trainer, (engine, count): &Slow) -> Training {
    let network = Network::builder(2)
        .encoding(Encoding::from_name("grid:levels=2,log2_size=6").unwrap())
        .hidden(&[100, 100], Activation::Tanh)
        .dropout(0.1)
        .output(1, Activation::Identity)
        .seed(3)
        .build()
        .unwrap();
    let samples = Dataset::new(common::numbers(2 * count, 1), common::numbers(*count, 2), 2, 1);
    let trainer = Trainer { batch_size: *count, ..trainer.clone() };
    trainer.begin(engine, &network, samples.unwrap()).unwrap()
}

#[test]
fn a_step_that_is_stopped_is_abandoned() {
    for slow in slow_engines() {
        let what = slow.0.device().to_string();
        let trainer = Trainer { epochs: 3, ..Trainer::default() };
        let mut training = begin(&trainer, &slow);
        let clock = Instant::now();
        training.step(1).unwrap();
        let step = clock.elapsed();
        // The first step, and one after others.
        for (done, mut training) in [(0, begin(&trainer, &slow)), (1, training)] {
            let (before, parameters) = (training.state().unwrap(), training.parameters().unwrap());
            let mut abandoned = false;
            // Where other programs have the processor, a stop may come after the step.
            for tries in 1..=10 {
                let handle = training.stop_handle();
                thread::scope(|scope| {
                    scope.spawn(move || {
                        thread::sleep(step / (2 + tries));
                        handle.stop();
                    });
                    training.step(1).unwrap();
                });
                abandoned = training.summary().steps == done;
                if abandoned {
                    break;
                }
                training.restart(&slow.0, &before).unwrap();
            }
            assert!(abandoned, "{what}");
            assert!(training.parameters().unwrap() == parameters, "{what}");
            while training.run().unwrap() == Ending::Stopped {}
            assert_eq!(training.summary().steps, 3, "{what}");
        }
    }
}

#[test]
fn a_run_has_the_same_bits_however_often_it_is_stopped() {
    let early_stopping = Some(EarlyStopping { tolerance: 0.0, patience: 100 });
    let wrappers =
        Wrappers { ema: Some(Ema { decay: 0.9, bias_correction: false }), ..Wrappers::default() };
    let plain = Trainer { epochs: 3, ..Trainer::default() };
    let trainers = [
        plain.clone(),
        // Most of the time goes into the loss of the samples to validate with.
        Trainer { validation_fraction: Some(0.9), early_stopping, wrappers, ..plain.clone() },
        Trainer { metrics: vec![Metric::R2], ..plain },
    ];
    for slow in slow_engines() {
        for trainer in &trainers {
            let what = format!("{trainer:?} on {}", slow.0.device());
            let mut whole = begin(trainer, &slow);
            let clock = Instant::now();
            whole.run().unwrap();
            let took = clock.elapsed();
            let mut stopped = begin(trainer, &slow);
            let (handle, done) = (stopped.stop_handle(), AtomicBool::new(false));
            let (mut stops, mut handled) = (0, 0);
            thread::scope(|scope| {
                scope.spawn(|| {
                    // Fewer and fewer, so that every step gets its time.
                    let mut wait = Duration::from_micros(200);
                    while !done.load(Ordering::Relaxed) {
                        thread::sleep(wait);
                        handle.stop();
                        wait = (wait * 3 / 2).min(2 * took);
                    }
                });
                while stopped.run().unwrap() == Ending::Stopped {
                    stops += 1;
                    if stops % 3 == 0 {
                        stopped
                            .evaluate(&Dataset::new(vec![0.5; 2], vec![0.5], 2, 1).unwrap())
                            .unwrap();
                        handled += stopped.parameters().unwrap().len();
                    }
                }
                done.store(true, Ordering::Relaxed);
            });
            assert!(stops > 3 && handled > 0, "{stops}: {what}");
            let losses = |training: &Training| {
                let epochs = training.summary().history.iter();
                epochs.map(|epoch| (epoch.loss, epoch.validation_loss)).collect::<Vec<_>>()
            };
            assert_eq!(losses(&stopped), losses(&whole), "{what}");
            assert!(stopped.parameters().unwrap() == whole.parameters().unwrap(), "{what}");
        }
    }
}
