//! Runs that continue from a file, as if they had not stopped.

use super::common::engines;
use super::{fit, hill, network, trainer};
use impasto::{
    Dataset, EarlyStopping, Ema, Engine, Error, Event, Network, Optimizer, Schedule, Summary,
    Trainer, Training, TrainingState, Wrappers,
};
use pollster::block_on;
use std::ops::ControlFlow;

/// The part that does not depend on the clock.
fn reported(summary: &Summary) -> impl PartialEq + std::fmt::Debug {
    let epochs = summary.history.iter();
    let history: Vec<_> =
        epochs.map(|e| (e.number, e.loss, e.validation_loss, e.learning_rate)).collect();
    (summary.ending, summary.steps, summary.samples, history)
}

fn begin(trainer: &Trainer, engine: &Engine) -> Training {
    block_on(trainer.begin_async(engine, &network(), &hill())).unwrap()
}

/// Runs with a schedule, a warm-up, a stopping rule, held-out samples, an average.
fn trainers() -> Vec<Trainer> {
    let early_stopping = Some(EarlyStopping { tolerance: 0.0, patience: 6 });
    let plateau = Schedule::ReduceOnPlateau { factor: 0.5, patience: 0, threshold: 0.1 };
    let ema = Some(Ema { decay: 0.9, bias_correction: true });
    vec![
        Trainer { schedule: Schedule::Cosine, warm_up: 9, ..trainer(8) },
        Trainer { schedule: plateau, early_stopping, ..trainer(8) },
        Trainer { early_stopping, validation_fraction: Some(0.25), l2: 0.01, ..trainer(8) },
        Trainer { wrappers: Wrappers { ema, ..Wrappers::default() }, ..trainer(8) },
    ]
}

#[test]
fn a_saved_run_goes_on_as_if_it_had_never_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    for engine in engines() {
        for trainer in trainers() {
            let trainer = Trainer { optimizer: Optimizer::ADAM, ..trainer };
            let what = format!("{trainer:?} on {}", engine.device());
            let (whole, expected) = fit(&trainer, &engine);
            // After an epoch, and wherever a submission ends.
            for stops in [
                |event: &Event| matches!(event, Event::Epoch(epoch) if epoch.number == 3),
                |event: &Event| matches!(event, Event::Progress { steps, .. } if *steps > 2),
            ] {
                let mut training = begin(&trainer, &engine);
                let stop = |event: &Event| {
                    if stops(event) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                };
                block_on(training.run_with_async(stop)).unwrap();
                let state = block_on(training.state_async()).unwrap();
                state.save(&path).unwrap();
                drop(training);
                let read = TrainingState::load(&path).unwrap();
                assert_eq!(read, state, "{what}");
                let mut resumed =
                    block_on(Training::resume_async(&engine, &hill(), &read)).unwrap();
                let learned = block_on(resumed.parameters_async()).unwrap();
                assert_eq!(learned, state.network().parameters(), "{what}");
                block_on(resumed.run_async()).unwrap();
                assert_eq!(reported(resumed.summary()), reported(&expected), "{what}");
                let learned = block_on(resumed.parameters_async()).unwrap();
                assert_eq!(learned, whole.parameters(), "{what}");
            }
        }
    }
}

/// The loss of the last step after which a run reports.
fn last_loss(training: &mut Training) -> f64 {
    let mut last = f64::NAN;
    let mut watch = |event: &Event| {
        if let Event::Progress { loss, .. } = event {
            last = *loss;
        }
        ControlFlow::Continue(())
    };
    block_on(training.run_with_async(&mut watch)).unwrap();
    last
}

#[test]
fn the_loss_does_not_leap_where_a_run_goes_on() {
    for engine in engines() {
        let trainer = Trainer { optimizer: Optimizer::ADAM, learning_rate: 0.05, ..trainer(200) };
        let mut training = begin(&trainer, &engine);
        block_on(training.run_async()).unwrap();
        let mut state = block_on(training.state_async()).unwrap();
        let before = state.summary().history.last().unwrap().loss;
        state.trainer.epochs += 1;
        let mut resumed = block_on(Training::resume_async(&engine, &hill(), &state)).unwrap();
        let after = last_loss(&mut resumed);
        // Without the state, the optimizer starts afresh at the full rate.
        let again = Trainer { epochs: 1, ..trainer.clone() };
        let (network, dataset) = (state.network().clone(), hill());
        let begun = again.begin_async(&engine, &network, &dataset);
        let afresh = last_loss(&mut block_on(begun).unwrap());
        assert!(afresh > 5.0 * before, "{before} {afresh} on {}", engine.device());
        assert!(after < 1.5 * before, "{before} {after} on {}", engine.device());
    }
}

#[test]
fn a_saved_run_is_a_saved_network_too() {
    let engine = impasto::reference::ReferenceEngine::new();
    let mut training = begin(&trainer(2), &Engine::from(&engine));
    block_on(training.run_async()).unwrap();
    let state = block_on(training.state_async()).unwrap();
    let network = Network::decode(&state.encode().unwrap()).unwrap();
    let rounded: Vec<f64> =
        state.network().parameters().iter().map(|p| f64::from(*p as f32)).collect();
    assert_eq!(network.parameters(), rounded);
    // But a saved network is no run.
    let error = TrainingState::decode(&network.encode().unwrap()).unwrap_err();
    assert!(error.to_string().contains("no run that could go on"), "{error}");
}

#[test]
fn validation_samples_stay_what_they_are_from_the_first_step_on() {
    let (training, validation) = hill().split(0.25, 3).unwrap();
    let engine = impasto::reference::ReferenceEngine::new();
    let both = (&training, &validation);
    let mut run = trainer(2).begin(&engine, &network(), both).unwrap();
    let state = TrainingState::decode(&run.state().unwrap().encode().unwrap()).unwrap();
    assert!(Training::resume(&engine, both, &state).is_ok());
    let all = hill();
    let error = Training::resume(&engine, &all, &state).unwrap_err().to_string();
    assert!(error.contains("10 samples to validate with cannot go on with 0"), "{error}");
    let (training, validation) = all.split(0.5, 3).unwrap();
    let error = Training::resume(&engine, (&training, &validation), &state).unwrap_err();
    assert!(error.to_string().contains("cannot go on with 20"), "{error}");
}

#[test]
fn what_does_not_fit_a_run_is_refused() {
    let engine = impasto::reference::ReferenceEngine::new();
    let mut training = begin(&trainer(2), &Engine::from(&engine));
    block_on(training.run_async()).unwrap();
    let state = block_on(training.state_async()).unwrap();
    let refused = |dataset: &Dataset, state: &TrainingState| {
        block_on(Training::resume_async(&engine, dataset, state)).err().unwrap().to_string()
    };
    let one = Dataset::from_rows([[0.0]], [[0.0]]).unwrap();
    assert!(refused(&one, &state).contains("cannot go on with 1"));
    let mut other = state.clone();
    other.trainer.optimizer = Optimizer::SGD;
    assert!(refused(&hill(), &other).contains("does not fit sgd"));
    // What decides the samples of a step stays.
    let stopping = Some(EarlyStopping::default());
    let changes: [fn(&mut Trainer); 3] =
        [|t| t.batch_size = 15, |t| t.seed = 9, |t| t.shuffle = false];
    for change in changes {
        let mut other = state.clone();
        change(&mut other.trainer);
        assert!(refused(&hill(), &other).contains("another batch size, seed"));
        let error = block_on(training.restart_async(&engine, &other)).unwrap_err().to_string();
        assert!(error.contains("another batch size, seed"), "{error}");
    }
    let mut other = state.clone();
    other.trainer.early_stopping = stopping;
    other.trainer.validation_fraction = Some(0.25);
    assert!(refused(&hill(), &other).contains("validation fraction"));
    // Settings and numbers that make no sense, in the state or in its file.
    let mut other = state.clone();
    other.trainer.learning_rate = f64::NAN;
    assert!(refused(&hill(), &other).contains("learning rate"));
    assert!(block_on(training.restart_async(&engine, &other)).is_err());
    let bytes = state.encode().unwrap();
    for (number, absurd) in [
        ("\\\"samples\\\":80", "\\\"samples\\\":81"),
        ("\\\"steps\\\":6", "\\\"steps\\\":7"),
        ("\\\"batches\\\":6", "\\\"batches\\\":5"),
        ("\\\"best\\\":null", "\\\"best\\\":9999"),
    ] {
        let found = bytes.windows(number.len()).position(|part| part == number.as_bytes());
        let place = found.unwrap_or_else(|| panic!("no {number} in the file"));
        let mut damaged = bytes.clone();
        damaged[place..place + absurd.len()].copy_from_slice(absurd.as_bytes());
        assert!(TrainingState::decode(&damaged).unwrap_err().to_string().contains("it is damaged"));
        // As in a file that has no checksum.
        let key = bytes.windows(16).position(|key| key == b"impasto-checksum").unwrap();
        damaged[key] = b'I';
        let read = TrainingState::decode(&damaged).unwrap();
        assert!(refused(&hill(), &read).contains("contradict"), "{absurd}");
    }
    // Damaged files: cut anywhere, or with a bit changed in the header, none is a panic.
    for length in (0..bytes.len()).step_by(37) {
        assert!(matches!(TrainingState::decode(&bytes[..length]), Err(Error::Format(_))));
    }
    for place in 8..bytes.len().min(3_000) {
        let mut damaged = bytes.clone();
        damaged[place] ^= 1 << (place % 7);
        if let Ok(read) = TrainingState::decode(&damaged) {
            // Then it is another run, which may be refused here.
            let _ = block_on(Training::resume_async(&engine, &hill(), &read));
        }
    }
}

/// Drops the future of a run after so many polls.
fn abandon(training: &mut Training, polls: usize) {
    use std::task::{Context, Waker};
    let mut run = Box::pin(training.run_async());
    for _ in 0..polls {
        if run.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            break;
        }
    }
}

#[test]
fn a_run_whose_future_was_dropped_can_be_saved_and_continued() {
    for engine in engines() {
        for trainer in trainers() {
            let what = format!("{:?} on {}", trainer.validation_fraction, engine.device());
            let (whole, _) = fit(&trainer, &engine);
            let mut training = begin(&trainer, &engine);
            for polls in [1, 2, 3, 1] {
                abandon(&mut training, polls);
                let state = block_on(training.state_async()).unwrap();
                let mut resumed =
                    block_on(Training::resume_async(&engine, &hill(), &state)).unwrap();
                block_on(resumed.run_async()).unwrap();
                let learned = block_on(resumed.parameters_async()).unwrap();
                assert_eq!(learned, whole.parameters(), "{what}");
            }
            // Without saving in between, it goes on with what was under way.
            for polls in [1, 2, 1] {
                abandon(&mut training, polls);
            }
            block_on(training.run_async()).unwrap();
            let learned = block_on(training.parameters_async()).unwrap();
            assert_eq!(learned, whole.parameters(), "{what}");
        }
    }
}

#[test]
fn parameters_beyond_single_precision_are_not_saved() {
    let mut network = network();
    let mut parameters = network.parameters().to_vec();
    parameters[1] = 1e39;
    network.set_parameters(&parameters).unwrap();
    let error = network.encode().unwrap_err().to_string();
    assert!(error.contains("parameter 1 is 1e39, outside the range of f32"), "{error}");
}

/// The rules remember the losses of epochs that the history no longer has.
#[test]
fn a_run_of_more_epochs_than_its_history_has_goes_on_with_the_same_rules() {
    let engine = Engine::from(impasto::reference::ReferenceEngine::new());
    let samples = Dataset::from_rows([[0.0], [1.0]], [[1.0], [0.5]]).unwrap();
    let network = Network::builder(1).output(1, impasto::Activation::Identity).build().unwrap();
    let schedule = Schedule::ReduceOnPlateau { factor: 0.9, patience: 150, threshold: 0.3 };
    let trainer = Trainer {
        epochs: 13_000,
        schedule,
        learning_rate: 1e-4,
        early_stopping: Some(EarlyStopping { tolerance: 1e-7, patience: 12_900 }),
        ..Trainer::default()
    };
    let mut whole = trainer.begin(&engine, &network, &samples).unwrap();
    whole.step(12_345).unwrap();
    let state = TrainingState::decode(&whole.state().unwrap().encode().unwrap()).unwrap();
    assert_eq!(state, whole.state().unwrap());
    assert_eq!((state.summary().epochs, state.summary().history.len()), (12_345, 6_174));
    let mut resumed = Training::resume(&engine, &samples, &state).unwrap();
    whole.run().unwrap();
    resumed.run().unwrap();
    assert_eq!(resumed.summary().epochs, 13_000);
    assert_eq!(reported(resumed.summary()), reported(whole.summary()));
    assert!(whole.summary().history.last().unwrap().learning_rate < 0.9 * 1e-4);
    assert_eq!(resumed.parameters().unwrap(), whole.parameters().unwrap());
}
