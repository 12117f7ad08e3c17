//! Runs that a watcher stops and that continue afterwards.

use super::common::{engines, gpu_engines};
use super::{fit, hill, network, rates, trainer};
use impasto::{
    Activation, Compute, Ending, Engine, Error, Event, Network, Optimizer, Schedule, Step, Summary,
    Trainer, Training,
};
use pollster::block_on;
use std::ops::ControlFlow;

/// Stops at the end of an epoch.
fn at_epoch(number: u64) -> impl FnMut(&Event) -> ControlFlow<()> {
    move |event| match event {
        Event::Epoch(epoch) if epoch.number == number => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    }
}

/// Stops at the first progress from so many steps on.
fn at_progress(least: u64) -> impl FnMut(&Event) -> ControlFlow<()> {
    move |event| match event {
        Event::Progress { steps, .. } if *steps >= least => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    }
}

fn begin(trainer: &Trainer, engine: &Engine) -> Training {
    block_on(trainer.begin_async(engine, &network(), &hill())).unwrap()
}

fn learned(training: &mut Training) -> Vec<f64> {
    block_on(training.parameters_async()).unwrap()
}

/// The parameters after the first steps of a run at these rates, from the session itself.
fn stepped(trainer: &Trainer, engine: &Engine, rates: &[f64]) -> Vec<f64> {
    let dataset = hill();
    let (samples, batch) = (dataset.len(), trainer.batch_size.min(dataset.len()));
    let per_epoch = samples.div_ceil(batch);
    let step = |(i, rate): (usize, &f64)| Step {
        number: i as u64 + 1,
        epoch: (i / per_epoch) as u64 + 1,
        first: i % per_epoch * batch,
        count: batch.min(samples - i % per_epoch * batch),
        learning_rate: *rate,
    };
    let steps: Vec<Step> = rates.iter().enumerate().map(step).collect();
    let plan = trainer.plan(&dataset);
    let mut session = block_on(engine.start(&network(), &plan, &dataset)).unwrap();
    block_on(session.train(&steps).unwrap()).unwrap();
    block_on(session.parameters()).unwrap()
}

/// Numbers, losses and rates of the epochs.
fn history(summary: &Summary) -> Vec<(u64, f64, f64)> {
    summary.history.iter().map(|e| (e.number, e.loss, e.learning_rate)).collect()
}

#[test]
fn a_stop_at_an_epoch_leaves_the_parameters_of_that_moment() {
    for engine in engines() {
        // Many epochs to a submission, three steps to an epoch.
        let trainer = Trainer { schedule: Schedule::Cosine, ..trainer(2_000) };
        for number in [1, 2, 17, 300] {
            let mut stopped = network();
            let summary =
                trainer.fit_with(&engine, &mut stopped, hill(), at_epoch(number)).unwrap();
            let what = format!("epoch {number} on {}", engine.device());
            let (steps, samples) = (3 * number, 40 * number);
            assert_eq!(summary.ending, Ending::Stopped, "{what}");
            assert_eq!((summary.steps, summary.samples), (steps, samples), "{what}");
            assert_eq!(summary.history.len() as u64, number, "{what}");
            let rate = |i| 0.02 * Schedule::Cosine.multiplier(i, 6_000, 1);
            let rates: Vec<f64> = (1..=steps).map(rate).collect();
            assert_eq!(stopped.parameters(), stepped(&trainer, &engine, &rates), "{what}");
        }
    }
}

#[test]
fn a_stop_on_the_way_leaves_the_parameters_of_that_moment() {
    for engine in engines() {
        let trainer = trainer(100_000);
        for least in [1, 50, 500] {
            let mut stopped = network();
            let summary =
                trainer.fit_with(&engine, &mut stopped, hill(), at_progress(least)).unwrap();
            let what = format!("{} steps on {}", summary.steps, engine.device());
            assert!(summary.steps >= least && summary.history.len() as u64 == summary.steps / 3);
            let rates = vec![0.02; summary.steps as usize];
            assert_eq!(stopped.parameters(), stepped(&trainer, &engine, &rates), "{what}");
        }
    }
}

#[test]
fn a_stop_at_the_start_leaves_everything_as_it_was() {
    for engine in engines() {
        let mut untouched = network();
        let summary = trainer(9)
            .fit_with(&engine, &mut untouched, hill(), |_| ControlFlow::Break(()))
            .unwrap();
        assert_eq!((summary.ending, summary.steps), (Ending::Stopped, 0));
        for (got, expected) in untouched.parameters().iter().zip(network().parameters()) {
            assert_eq!(*got as f32, *expected as f32);
        }
    }
}

#[test]
fn a_run_that_is_paused_and_gone_on_with_learns_the_same() {
    for engine in engines() {
        let trainer = trainer(40);
        let (whole, summary) = fit(&trainer, &engine);
        // Every event ends the call; the parameters are read at every third pause, or never.
        for reads in [3, usize::MAX] {
            let mut training = begin(&trainer, &engine);
            let stop = |event: &Event| match event {
                Event::Started { .. } => ControlFlow::Continue(()),
                _ => ControlFlow::Break(()),
            };
            let mut pauses = 0;
            while block_on(training.run_with_async(stop)).unwrap() == Ending::Stopped {
                pauses += 1;
                if pauses % reads == 0 {
                    let steps = training.summary().steps as usize;
                    let expected = stepped(&trainer, &engine, &vec![0.02; steps]);
                    assert_eq!(learned(&mut training), expected, "{}", engine.device());
                }
            }
            assert!(pauses > 10, "{}", engine.device());
            assert_eq!(learned(&mut training), whole.parameters(), "{}", engine.device());
            assert_eq!(history(training.summary()), history(&summary), "{}", engine.device());
            assert_eq!(training.summary().samples, summary.samples);
        }
    }
}

#[test]
fn a_learning_rate_that_is_set_holds_from_the_next_step_on() {
    for engine in engines() {
        let trainer = trainer(1_000);
        let mut training = begin(&trainer, &engine);
        block_on(training.run_with_async(at_epoch(20))).unwrap();
        assert!(training.set_learning_rate(0.0).is_err());
        assert!(training.set_learning_rate(-1.0).is_err());
        training.set_learning_rate(0.005).unwrap();
        block_on(training.run_with_async(at_epoch(30))).unwrap();
        let rates_of_steps = [vec![0.02; 60], vec![0.005; 30]].concat();
        let expected = stepped(&trainer, &engine, &rates_of_steps);
        assert_eq!(learned(&mut training), expected, "{}", engine.device());
        let expected = [vec![0.02; 20], vec![0.005; 10]].concat();
        assert_eq!(rates(&training.summary().history), expected, "{}", engine.device());
    }
}

#[test]
fn what_diverges_after_a_stop_does_not_count() {
    for engine in engines() {
        // The loss grows from step to step until it is no number any more.
        let trainer = Trainer { batch_size: 40, optimizer: Optimizer::SGD, ..trainer(10_000) };
        let trainer = Trainer { learning_rate: 3.0, ..trainer };
        let diverged = |result: Result<Ending, Error>| match result {
            Err(Error::Diverged { step, .. }) => step,
            other => panic!("{other:?} on {}", engine.device()),
        };
        let mut whole = begin(&trainer, &engine);
        let last = diverged(block_on(whole.run_async()));
        assert!(last > 10, "{last} on {}", engine.device());
        let mut training = begin(&trainer, &engine);
        let before = last - 3;
        block_on(training.run_with_async(at_epoch(before))).unwrap();
        assert_eq!(training.summary().steps, before, "{}", engine.device());
        let expected = stepped(&trainer, &engine, &vec![3.0; before as usize]);
        assert_eq!(learned(&mut training), expected, "{}", engine.device());
        // Gone on with, it diverges where it did, and stays so.
        for _ in 0..2 {
            let result = block_on(training.run_async());
            assert_eq!(diverged(result), last, "{}", engine.device());
            assert_eq!(learned(&mut training), learned(&mut whole), "{}", engine.device());
        }
    }
}

#[test]
fn a_stop_is_exact_where_nothing_can_be_kept() {
    // Parameters and Adam's state twice: more than the largest buffer.
    let largest = 256 << 10;
    let network = Network::builder(2)
        .hidden(&[200, 100], Activation::Relu)
        .output(1, Activation::Identity)
        .build()
        .unwrap();
    for engine in gpu_engines() {
        let engine = engine.with_largest_buffer(largest);
        let long = Trainer { learning_rate: 1e-3, ..trainer(10_000) };
        let mut stopped = network.clone();
        let summary = long.fit_with(&engine, &mut stopped, hill(), at_epoch(9)).unwrap();
        assert_eq!((summary.ending, summary.steps), (Ending::Stopped, 27), "{}", engine.device());
        let mut whole = network.clone();
        let short = Trainer { epochs: 9, ..long };
        short.fit(&engine, &mut whole, hill()).unwrap();
        assert_eq!(stopped, whole, "{}", engine.device());
    }
}
