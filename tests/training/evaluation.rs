//! Losses and predictions of a session between its steps.

use crate::run::{ends, samples};
use crate::{SMALL, batches_of_four, engines, gpu_engines, small};
use impasto::reference::ReferenceEngine;
use impasto::{
    Activation, Backend, Dataset, Engine, Loss, Network, Optimizer, Output, Plan, Session, Step,
    Wrappers, evaluate,
};
use pollster::block_on;

fn step(number: u64, learning_rate: f64) -> Step {
    let first = (number as usize - 1) % 2 * 4;
    Step { number, epoch: (number - 1) / 3 + 1, first, count: 4, learning_rate }
}

fn learned(session: &mut dyn Session, network: &Network) -> Network {
    let mut network = network.clone();
    network.set_parameters(&block_on(session.parameters()).unwrap()).unwrap();
    network
}

/// Compares the loss on each dataset, and outputs and logits, with those of the network that was learned.
fn compare(
    session: &mut dyn Session,
    network: &Network,
    loss: Loss,
    datasets: &[&Dataset],
    what: &str,
) {
    let network = learned(session, network);
    for dataset in datasets {
        // The loss that is trained, and others, in turns.
        for loss in [loss, Loss::L1, Loss::ZeroOne { threshold: 0.2 }, loss, Loss::L1] {
            let expected = evaluate(ReferenceEngine::new(), &network, loss, dataset).unwrap();
            let got = block_on(session.evaluate(dataset, loss)).unwrap();
            let off = (got - expected).abs();
            assert!(off <= 1e-5 * expected.abs().max(1.0), "{what}: {loss} {got}, not {expected}");
        }
    }
    let reference = Engine::from(ReferenceEngine::new());
    let rows = datasets[0].len().min(7);
    let inputs: Vec<f64> = datasets[0].rows(0..rows).0.into_iter().map(f64::from).collect();
    for output in [Output::Activated, Output::Logits] {
        let expected = block_on(reference.forward(&network, &inputs, output)).unwrap();
        let got = block_on(session.predict(&inputs, output)).unwrap();
        let off = got.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off < 1e-5, "{what}: {off}");
        assert!(block_on(session.predict(&[], output)).unwrap().is_empty());
    }
    let error = block_on(session.predict(&inputs[1..], Output::Logits)).unwrap_err().to_string();
    assert!(error.contains("no whole samples"), "{error}");
}

#[test]
fn sessions_evaluate_and_predict_with_what_they_learned() {
    for engine in engines() {
        for (i, (loss, output)) in ends().into_iter().enumerate() {
            let outputs = loss.least_outputs().max(2);
            let all = samples(14, 3, outputs, 1);
            let weights: Vec<f64> = (0..14).map(|i| f64::from(i % 4) / 2.0).collect();
            let all = if i % 2 == 0 { all } else { all.with_weights(&weights).unwrap() };
            let (dataset, held_out) = all.split(0.3, 3).unwrap();
            let network = small(Activation::Tanh, output, outputs);
            let plan = Plan { loss, shuffle: Some(5), ..batches_of_four() };
            let mut session = block_on(engine.start(&network, &plan, &dataset)).unwrap();
            let steps = [step(1, 0.01), step(2, 0.01)];
            block_on(session.train(&steps).unwrap()).unwrap();
            let foreign = samples(9, 3, outputs, 2);
            let what = format!("{loss} of {output} on {}", engine.device());
            compare(&mut *session, &network, loss, &[&held_out, &dataset, &foreign, &all], &what);
            // Evaluations do not change the steps after them.
            let mut other = block_on(engine.start(&network, &plan, &dataset)).unwrap();
            block_on(other.train(&steps).unwrap()).unwrap();
            let more = [step(3, 0.01), step(4, 0.01)];
            for session in [&mut session, &mut other] {
                block_on(session.train(&more).unwrap()).unwrap();
            }
            let states =
                [&mut session, &mut other].map(|session| block_on(session.state()).unwrap());
            assert_eq!(states[0], states[1], "{what}");
        }
    }
}

#[test]
fn many_samples_are_evaluated_in_parts() {
    let many = samples(5_003, 3, 2, 1);
    let pixels = Dataset::from_pixels(83, 61, (0..83 * 61_u32).map(|i| (i % 251) as u8), 1, true);
    let pixels = pixels.unwrap();
    let places = Network::builder(2).hidden(&[7], Activation::Gelu).output(1, Activation::Identity);
    let places = places.build().unwrap();
    let of_three = small(Activation::Tanh, Activation::Identity, 2);
    let loss = Loss::MeanSquaredError;
    // And devices whose buffers do not hold what as many samples as usual need at once.
    let limited = gpu_engines().into_iter().map(|gpu| gpu.with_largest_buffer(SMALL).into());
    for engine in engines().into_iter().chain(limited) {
        for (network, dataset) in [(&of_three, &many), (&places, &pixels)] {
            let (rest, held_out) = dataset.split(0.9, 4).unwrap();
            let plan = Plan { optimizer: Optimizer::ADAM, ..batches_of_four() };
            let mut session = block_on(engine.start(network, &plan, &rest)).unwrap();
            let what = engine.device().to_string();
            compare(&mut *session, network, loss, &[&held_out, &rest], &what);
        }
    }
}

#[test]
fn an_average_and_an_update_that_was_undone_are_what_was_learned() {
    let (dataset, loss) = (samples(10, 3, 2, 1), Loss::MeanSquaredError);
    let network = small(Activation::Tanh, Activation::Identity, 2);
    let ema = Wrappers::new(["ema:decay=0.5".parse().unwrap()]).unwrap();
    // In f64 such an update is still finite.
    let single =
        engines().into_iter().filter(|engine| engine.device().backend != Backend::Reference);
    for engine in single {
        for wrappers in [Wrappers::default(), ema] {
            let plan = Plan { wrappers, ..batches_of_four() };
            let mut session = block_on(engine.start(&network, &plan, &dataset)).unwrap();
            for steps in [[step(1, 0.1), step(2, 0.1)], [step(3, 1e300), step(4, 0.1)]] {
                block_on(session.train(&steps).unwrap()).unwrap();
                let what = format!("{wrappers:?} after {} on {}", steps[1].number, engine.device());
                compare(&mut *session, &network, loss, &[&dataset], &what);
            }
        }
    }
}

#[test]
fn the_zero_one_loss_is_the_share_of_samples_of_a_wrong_class() {
    let class = |row: &[f32], threshold: f32| match row {
        [number] => usize::from(*number > threshold),
        _ => (1..row.len()).fold(0, |best, j| if row[j] > row[best] { j } else { best }),
    };
    for outputs in [1, 4] {
        // Some samples, with two classes that are equally likely in the targets of some.
        let (inputs, _) = samples(301, 3, outputs, 1).rows(0..301);
        let target = |i: usize| match outputs {
            1 => f32::from(i.is_multiple_of(3)),
            _ => f32::from(i / 4 % 4 == i % 4 || i % 16 == 3),
        };
        let targets: Vec<f32> = (0..301 * outputs).map(target).collect();
        let dataset = Dataset::new(inputs.clone(), targets.clone(), 3, outputs).unwrap();
        let network = small(Activation::Tanh, Activation::Identity, outputs);
        for engine in engines() {
            let found = engine.predict(&network, &inputs).unwrap();
            let wrong = found
                .chunks(outputs)
                .zip(targets.chunks(outputs))
                .filter(|(y, t)| class(y, 0.1) != class(t, 0.5))
                .count();
            assert!((50..250).contains(&wrong), "{wrong} of 301");
            let loss = Loss::ZeroOne { threshold: f64::from(0.1_f32) };
            let plan = batches_of_four();
            let mut session = block_on(engine.start(&network, &plan, &dataset)).unwrap();
            let share = block_on(session.evaluate(&dataset, loss)).unwrap();
            let off = (share - wrong as f64 / 301.0).abs();
            assert!(off < 1e-5, "{}: {share}, {wrong} of 301", engine.device());
            let Err(error) = block_on(engine.start(&network, &Plan { loss, ..plan }, &dataset))
            else {
                panic!("{} trains without a gradient", engine.device())
            };
            assert!(error.to_string().contains("has no gradient to train with"), "{error}");
        }
    }
}

#[test]
fn samples_that_do_not_fit_are_refused() {
    let dataset = samples(10, 3, 2, 1);
    let network = small(Activation::Tanh, Activation::Identity, 2);
    for engine in engines() {
        let plan = batches_of_four();
        let mut session = block_on(engine.start(&network, &plan, &dataset)).unwrap();
        let error =
            block_on(session.evaluate(&samples(10, 2, 2, 1), plan.loss)).unwrap_err().to_string();
        assert!(error.contains("do not fit a network of 3 inputs"), "{error}");
    }
}
