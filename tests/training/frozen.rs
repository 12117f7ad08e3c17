//! Frozen layers: training leaves them as they are on every engine.

use crate::run::samples;
use crate::{batches_of_four, engines, small};
use impasto::reference::ReferenceEngine;
use impasto::{
    Activation, EarlyStopping, Engine, Network, Optimizer, Plan, Step, Trainer, Wrappers,
};
use pollster::block_on;

/// Plans whose updates change parameters in every way there is.
fn plans() -> Vec<Plan> {
    let around =
        ["clip-value:limit=0.5", "clip-norm:limit=0.1", "lookahead:every=2", "ema:decay=0.5"];
    let around = Wrappers::new(around.map(|text| text.parse().unwrap())).unwrap();
    let accumulate = Wrappers::new(["accumulate:batches=2".parse().unwrap()]).unwrap();
    let of = |optimizer: &str, l2, wrappers| Plan {
        optimizer: optimizer.parse().unwrap(),
        l2,
        wrappers,
        ..batches_of_four()
    };
    vec![
        Plan { optimizer: Optimizer::Sgd { momentum: 0.9, nesterov: true }, ..batches_of_four() },
        of("adam", 0.1, Wrappers::default()),
        of("adamw", 0.0, accumulate),
        of("novograd", 0.0, Wrappers::default()),
        of("adam", 0.0, around),
    ]
}

fn step(number: u64) -> Step {
    let first = (number as usize - 1) % 2 * 4;
    Step { number, epoch: 1, first, count: 4, learning_rate: 0.02 }
}

/// The parameters that training continues with, and those learned, after six steps.
fn train(engine: &Engine, network: &Network, plan: &Plan) -> [Vec<f64>; 2] {
    let dataset = samples(10, 3, 2, 1);
    let mut session = block_on(engine.start(network, plan, &dataset)).unwrap();
    for steps in [1..4, 4..7] {
        let steps: Vec<Step> = steps.map(step).collect();
        block_on(session.train(&steps).unwrap()).unwrap();
        // A state can be restored, whatever the optimizer's vectors of frozen layers are.
        let state = block_on(session.state()).unwrap();
        block_on(session.restore(&state)).unwrap();
    }
    let state = block_on(session.state()).unwrap();
    [state.parameters, block_on(session.parameters()).unwrap()]
}

#[test]
fn frozen_layers_stay_and_the_others_learn_as_on_the_reference() {
    let reference = Engine::from(ReferenceEngine::new());
    for frozen in [vec![0], vec![1], vec![0, 2]] {
        let mut network = small(Activation::Tanh, Activation::Identity, 2);
        // Numbers that f32 holds.
        let single: Vec<f64> =
            network.parameters().iter().map(|number| f64::from(*number as f32)).collect();
        network.set_parameters(&single).unwrap();
        for layer in &frozen {
            network.freeze(*layer..*layer + 1).unwrap();
        }
        let stays = |place: usize| {
            let of_layer = |layer: &usize| {
                let names = ["weight", "bias"].map(|kind| format!("layers.{layer}.{kind}"));
                let mut segments = network.segments().iter();
                segments.any(|s| names.contains(&s.name) && s.range.contains(&place))
            };
            frozen.iter().any(of_layer)
        };
        for plan in plans() {
            let expected = train(&reference, &network, &plan);
            for engine in engines() {
                let what = format!(
                    "{frozen:?}, {} in {:?} on {}",
                    plan.optimizer,
                    plan.wrappers,
                    engine.device()
                );
                let found = train(&engine, &network, &plan);
                for (found, expected) in found.iter().zip(&expected) {
                    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
                        let off = (found - expected).abs();
                        assert!(off <= 2e-4, "{what}: {place} is {found}, not {expected}");
                    }
                }
                for (place, (now, before)) in found[0].iter().zip(&single).enumerate() {
                    assert_eq!(now == before, stays(place), "{what}: parameter {place} is {now}");
                }
            }
        }
    }
}

#[test]
fn a_run_gives_frozen_layers_back_to_the_bit() {
    let mut network = small(Activation::Tanh, Activation::Identity, 2);
    network.freeze(0..1).unwrap();
    let before = network.clone();
    let count = network.weights(0).len() + network.biases(0).len();
    // f32 does not hold them.
    assert!(before.parameters()[..count].iter().any(|number| f64::from(*number as f32) != *number));
    let samples = samples(10, 3, 2, 1);
    for early_stopping in [None, Some(EarlyStopping::default())] {
        let trainer = Trainer {
            epochs: 3,
            batch_size: 4,
            early_stopping,
            validation_fraction: early_stopping.map(|_| 0.25),
            ..Trainer::default()
        };
        for engine in engines() {
            let mut trained = network.clone();
            trainer.fit(&engine, &mut trained, &samples).unwrap();
            assert_eq!(trained.parameters()[..count], before.parameters()[..count]);
            assert_ne!(trained.parameters()[count..], before.parameters()[count..]);
        }
    }
}

#[test]
fn the_state_of_frozen_layers_is_the_same_on_every_engine() {
    let mut network = small(Activation::Tanh, Activation::Identity, 2);
    network.freeze(0..1).unwrap();
    let frozen = 3 * 9 + 9;
    let dataset = samples(10, 3, 2, 1);
    for plan in plans() {
        for engine in engines() {
            let mut session = block_on(engine.start(&network, &plan, &dataset)).unwrap();
            let initial = block_on(session.state()).unwrap();
            // With accumulation, the last is only gathered.
            block_on(session.train(&[step(1), step(2), step(3)]).unwrap()).unwrap();
            let state = block_on(session.state()).unwrap();
            let average = plan.wrappers.ema.map(|_| state.vectors.len() - 1);
            for (place, (now, before)) in state.vectors.iter().zip(&initial.vectors).enumerate() {
                if Some(place) == average {
                    continue;
                }
                let what = format!("{} on {}: {place}", plan.optimizer, engine.device());
                assert_eq!(now[..frozen], before[..frozen], "{what}");
            }
        }
    }
}

#[test]
fn the_norm_that_clips_is_that_of_the_layers_that_learn() {
    // With the first layer, whose gradient is large, the step of the last would be shorter.
    let clip = Wrappers::new(["clip-norm:limit=0.001".parse().unwrap()]).unwrap();
    let plan = Plan { wrappers: clip, optimizer: Optimizer::SGD, ..batches_of_four() };
    let mut network = small(Activation::Tanh, Activation::Identity, 2);
    network.freeze(0..2).unwrap();
    let dataset = samples(10, 3, 2, 1);
    for engine in engines() {
        let mut session = block_on(engine.start(&network, &plan, &dataset)).unwrap();
        block_on(session.train(&[step(1)]).unwrap()).unwrap();
        let now = block_on(session.parameters()).unwrap();
        let squares = now.iter().zip(network.parameters()).map(|(a, b)| (a - b) * (a - b));
        let moved = squares.sum::<f64>().sqrt();
        assert!((moved - 0.02 * 0.001).abs() < 1e-6, "{moved} on {}", engine.device());
    }
}

#[test]
fn files_contain_which_layers_are_frozen() {
    let mut network = small(Activation::Tanh, Activation::Identity, 2);
    network.freeze(0..1).unwrap();
    network.freeze(2..3).unwrap();
    let bytes = network.encode().unwrap();
    let mut back = Network::decode(&bytes).unwrap();
    assert_eq!(back.layers(), network.layers());
    back.unfreeze(0..3).unwrap();
    assert!(back.layers().iter().all(|layer| !layer.frozen));
}

#[test]
fn what_cannot_be_frozen_is_refused() {
    let mut network = small(Activation::Tanh, Activation::Identity, 2);
    let error = network.freeze(1..4).unwrap_err().to_string();
    assert!(error.contains("layers 1..4 of a network of 3"), "{error}");
    network.freeze(0..3).unwrap();
    for engine in engines() {
        let started = block_on(engine.start(&network, &batches_of_four(), &samples(10, 3, 2, 1)));
        let Err(error) = started else { panic!("{} trains nothing", engine.device()) };
        assert!(error.to_string().contains("every layer is frozen"), "{error}");
    }
}
