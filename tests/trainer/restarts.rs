//! Runs that continue after their engine was lost.

use super::common::engines;
use super::{fit, hill, network, rates, trainer};
use impasto::{
    EarlyStopping, Ending, Engine, Event, Optimizer, Schedule, Summary, Trainer, Training,
};
use pollster::block_on;
use std::ops::ControlFlow;

#[test]
fn a_run_whose_engine_was_lost_goes_on_where_it_was() {
    for engine in engines() {
        // A rule that ends submissions with their epochs.
        let trainer = Trainer {
            optimizer: Optimizer::ADAM,
            schedule: Schedule::Cosine,
            early_stopping: Some(EarlyStopping { tolerance: 0.0, patience: 100 }),
            ..trainer(9)
        };
        let (whole, expected) = fit(&trainer, &engine);
        let (start, dataset) = (network(), hill());
        let begun = trainer.begin_async(&engine, &start, &dataset);
        let mut training = block_on(begun).unwrap();
        run_to(&mut training, &engine, 4);
        let state = block_on(training.state_async()).unwrap();
        // What came after this state is forgotten.
        run_to(&mut training, &engine, 6);
        block_on(training.restart_async(&engine, &state)).unwrap();
        assert_eq!(training.summary().history.len(), 4);
        let ending = block_on(training.run_async()).unwrap();
        let learned = block_on(training.parameters_async()).unwrap();
        assert_eq!(learned, whole.parameters(), "{}", engine.device());
        let summary = training.summary();
        assert_eq!(rates(&summary.history), rates(&expected.history), "{}", engine.device());
        assert_eq!((ending, summary.steps), (Ending::Finished, expected.steps));
    }
}

/// Trains until so many epochs are done.
fn run_to(training: &mut Training, engine: &Engine, epochs: u64) {
    let stop = |event: &Event| match event {
        Event::Epoch(epoch) if epoch.number >= epochs => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    block_on(training.run_with_async(stop)).unwrap();
    assert_eq!(training.summary().history.len() as u64, epochs, "{}", engine.device());
}

/// The part of a summary that does not depend on the clock.
fn reproducible(summary: &Summary) -> impl PartialEq + std::fmt::Debug {
    let epochs = summary.history.iter();
    let history: Vec<_> =
        epochs.map(|e| (e.number, e.loss, e.validation_loss, e.learning_rate)).collect();
    (summary.ending, summary.steps, summary.samples, history)
}

#[test]
fn a_restart_forgets_all_that_came_later() {
    // The loss must halve within two epochs, or the rate falls.
    let plateau = Schedule::ReduceOnPlateau { factor: 0.9, patience: 1, threshold: 0.5 };
    let early_stopping = Some(EarlyStopping { tolerance: 1e-4, patience: 14 });
    for engine in engines() {
        for validation_fraction in [None, Some(0.25)] {
            let trainer = Trainer {
                optimizer: Optimizer::Sgd { momentum: 0.5, nesterov: false },
                learning_rate: 0.3,
                schedule: plateau,
                early_stopping,
                validation_fraction,
                ..trainer(40)
            };
            let (whole, expected) = fit(&trainer, &engine);
            let (start, dataset) = (network(), hill());
            let mut training = block_on(trainer.begin_async(&engine, &start, &dataset)).unwrap();
            run_to(&mut training, &engine, 8);
            let learned = block_on(training.parameters_async()).unwrap();
            let state = block_on(training.state_async()).unwrap();
            run_to(&mut training, &engine, 20);
            block_on(training.restart_async(&engine, &state)).unwrap();
            assert_eq!(
                block_on(training.parameters_async()).unwrap(),
                learned,
                "{}",
                engine.device()
            );
            block_on(training.run_async()).unwrap();
            assert_eq!(
                reproducible(training.summary()),
                reproducible(&expected),
                "{}",
                engine.device()
            );
            let learned = block_on(training.parameters_async()).unwrap();
            assert_eq!(learned, whole.parameters(), "{}", engine.device());
        }
    }
}
