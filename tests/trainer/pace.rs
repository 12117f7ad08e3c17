//! Runs at the caller's pace: exact steps, epochs, and stops from another thread.

use super::common::engines;
use super::{fit, hill, network, trainer};
use impasto::{
    EarlyStopping, Ending, Engine, Error, Event, Optimizer, Schedule, Trainer, Training,
};
use std::ops::ControlFlow;

fn begin(trainer: &Trainer, engine: &Engine) -> Training {
    trainer.begin(engine, &network(), hill()).unwrap()
}

/// Runs without and with rules that depend on an epoch's loss.
fn trainers() -> [Trainer; 3] {
    let early_stopping = Some(EarlyStopping { tolerance: 0.0, patience: 100 });
    let plain = Trainer { optimizer: Optimizer::ADAM, schedule: Schedule::Cosine, ..trainer(9) };
    [
        plain.clone(),
        Trainer { early_stopping, ..plain.clone() },
        Trainer { early_stopping, validation_fraction: Some(0.25), ..plain },
    ]
}

#[test]
fn steps_and_epochs_make_the_same_run() {
    for engine in engines() {
        for trainer in trainers() {
            let what = format!("{:?} on {}", trainer.early_stopping, engine.device());
            let (whole, expected) = fit(&trainer, &engine);
            let all = expected.steps;
            let mut training = begin(&trainer, &engine);
            let mut steps = 0;
            for count in [1, 2, 5, 1, 0, 3] {
                let count = count.min(all - steps);
                let loss = training.step(count).unwrap();
                assert_eq!(loss.is_some(), count > 0, "{what}");
                steps += count;
                assert_eq!(training.summary().steps, steps, "{what}");
                // To look at it changes nothing.
                training.network().unwrap();
                let epoch = training.epoch().unwrap();
                steps = training.summary().steps;
                let last = training.summary().history.last().copied();
                assert!(epoch == last || epoch.is_none() && steps == all, "{what}");
                assert!(steps.is_multiple_of(all / 9), "{what}: {steps}");
            }
            while let Some(epoch) = training.epoch().unwrap() {
                assert_eq!(training.summary().history.last(), Some(&epoch));
            }
            assert_eq!(training.summary().steps, all, "{what}");
            assert_eq!(training.summary().ending, Ending::Finished, "{what}");
            assert!(training.step(10).unwrap().is_none() && training.epoch().unwrap().is_none());
            assert_eq!(training.parameters().unwrap(), whole.parameters(), "{what}");
        }
    }
}

#[test]
fn a_run_that_pauses_at_some_steps_is_the_same_run_with_the_same_events() {
    for engine in engines() {
        for trainer in trainers() {
            let what = format!("{:?} on {}", trainer.early_stopping, engine.device());
            let (whole, expected) = fit(&trainer, &engine);
            let mut training = begin(&trainer, &engine);
            let mut epochs = Vec::new();
            let mut watch = |event: &Event| {
                if let Event::Epoch(epoch) = event {
                    epochs.push(epoch.number);
                }
                ControlFlow::Continue(())
            };
            for step in [1, 2, 7, 8, expected.steps - 1] {
                let ending = training.run_to(step, &mut watch).unwrap();
                assert_eq!((ending, training.summary().steps), (Ending::Stopped, step), "{what}");
                // A step that was passed trains nothing.
                let ending = training.run_to(step - 1, &mut watch).unwrap();
                assert_eq!((ending, training.summary().steps), (Ending::Stopped, step), "{what}");
            }
            assert_eq!(training.run_to(u64::MAX, &mut watch).unwrap(), Ending::Finished, "{what}");
            assert_eq!(training.run_to(1, &mut watch).unwrap(), Ending::Finished, "{what}");
            assert_eq!(epochs, (1..=expected.epochs).collect::<Vec<_>>(), "{what}");
            assert_eq!(training.parameters().unwrap(), whole.parameters(), "{what}");
        }
    }
}

#[test]
fn exact_steps_follow_a_pause_with_more_under_way() {
    for engine in engines() {
        let trainer = Trainer { optimizer: Optimizer::ADAM, ..trainer(200) };
        let mut training = begin(&trainer, &engine);
        // Paused while later steps are under way.
        let pause = |event: &Event| match event {
            Event::Epoch(epoch) if epoch.number == 50 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        training.run_with(pause).unwrap();
        for _ in 0..7 {
            training.step(4).unwrap();
        }
        assert_eq!(training.summary().steps, 150 + 28);
        let mut other = begin(&trainer, &engine);
        other.step(178).unwrap();
        assert_eq!(training.parameters().unwrap(), other.parameters().unwrap());
    }
}

#[test]
fn a_handle_stops_a_run_from_another_thread_once() {
    for engine in engines() {
        let forever = Trainer { epochs: 100_000_000, ..trainer(1) };
        let mut training = begin(&forever, &engine);
        let handle = training.stop_handle();
        let run = std::thread::spawn(move || {
            let ending = training.run().unwrap();
            (ending, training)
        });
        std::thread::sleep(std::time::Duration::from_millis(20));
        handle.stop();
        let (ending, mut training) = run.join().unwrap();
        assert_eq!(ending, Ending::Stopped, "{}", engine.device());
        let steps = training.summary().steps;
        // It can continue.
        training.step(5).unwrap();
        assert_eq!(training.summary().steps, steps + 5);
        // A stop during a pause ends the next run at once.
        handle.stop();
        assert!(training.step(5).unwrap().is_none());
        assert_eq!(training.summary().steps, steps + 5);
    }
}

#[test]
fn a_run_that_diverged_continues_at_a_lower_rate() {
    let early_stopping = Some(EarlyStopping { tolerance: 0.0, patience: 100 });
    for engine in engines() {
        for (early_stopping, validation_fraction) in
            [(None, None), (early_stopping, None), (early_stopping, Some(0.25)), (None, Some(0.25))]
        {
            let trainer = Trainer {
                optimizer: Optimizer::SGD,
                early_stopping,
                validation_fraction,
                ..trainer(9)
            };
            let mut training = begin(&trainer, &engine);
            training.step(2).unwrap();
            let before = training.state().unwrap();
            training.set_learning_rate(1e25).unwrap();
            let error = training.run().unwrap_err();
            assert!(matches!(error, Error::Diverged { .. }), "{error}");
            // What was learned before it is there.
            training.state().unwrap();
            assert!(training.parameters().unwrap().iter().all(|parameter| parameter.is_finite()));
            training.restart(&engine, &before).unwrap();
            assert_eq!(training.run().unwrap(), Ending::Finished);
            let (whole, _) = fit(&trainer, &engine);
            let what = format!("{early_stopping:?} on {}", engine.device());
            assert_eq!(training.parameters().unwrap(), whole.parameters(), "{what}");
        }
    }
}

#[test]
fn a_stop_from_another_thread_ends_a_loop_of_epochs() {
    let numbers = |count: usize| (0..count).map(|i| (i % 97) as f32 / 97.0).collect();
    let dataset = impasto::Dataset::new(numbers(4_000), numbers(2_000), 2, 1).unwrap();
    for engine in engines() {
        // One submission an epoch, so that a request comes while an epoch ends.
        let trainer = Trainer { epochs: 2_000_000, batch_size: 2_000, ..Trainer::default() };
        let mut training = trainer.begin(&engine, &network(), &dataset).unwrap();
        let handle = training.stop_handle();
        let stopper = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(30));
            handle.stop();
        });
        let ending = training.run_epochs(|_, _| Ok(ControlFlow::Continue(()))).unwrap();
        stopper.join().unwrap();
        assert_eq!(ending, Ending::Stopped, "{}", engine.device());
        assert!(training.summary().history.len() < 2_000_000);
    }
}
