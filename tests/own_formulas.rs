//! Losses and schedules of the caller's, and updates with gradients as values.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]
#![allow(dead_code, reason = "the shared module has more than this file needs")]

mod common;

use common::{assert_near, double, engines, numbers};
use impasto::reference::{self, ReferenceEngine};
use impasto::{
    Activation, Backend, Dataset, Encoding, Engine, Initialization, Loss, LossFn, Network,
    Optimizer, Plan, Schedule, Step, Trainer, Wrappers,
};
use pollster::block_on;

const SAMPLES: usize = 23;

fn network(hidden: Activation, output: Activation, encoding: Encoding) -> Network {
    Network::builder(3)
        .encoding(encoding)
        .hidden(&[9, 5], hidden)
        .output(4, output)
        .weights(Initialization::Uniform { low: -0.4, high: 0.4 })
        .biases(Initialization::Uniform { low: -0.3, high: 0.3 })
        .seed(5)
        .build()
        .unwrap()
}

/// Networks with every activation, encoding and kind of output.
fn networks() -> Vec<Network> {
    let trainable = Activation::ALL.iter().copied().filter(|a| *a != Activation::Step);
    let hidden = trainable.clone().filter(|a| *a != Activation::Softmax);
    let plain = Encoding::Identity;
    let mut all: Vec<_> =
        hidden.map(|hidden| network(hidden, Activation::Identity, plain)).collect();
    all.extend(trainable.map(|output| network(Activation::Tanh, output, plain)));
    // Central differences need a smooth function at their scale; tests/encodings.rs has the others.
    let rough = |e: &Encoding| ["grid", "triangle-wave"].contains(&e.name());
    let encodings = Encoding::ALL.iter().copied().filter(|e| !rough(e));
    all.extend(encodings.map(|e| network(Activation::Tanh, Activation::Sigmoid, e)));
    all
}

#[test]
fn the_gradient_of_parameters_is_that_of_the_reference_on_every_engine() {
    let inputs = numbers(3 * SAMPLES, 1);
    let gradient = numbers(4 * SAMPLES, 2);
    for network in networks() {
        // The linear loss, whose gradient with respect to the outputs is given.
        let (_, expected) = reference::loss_and_gradient(
            &network,
            Loss::Linear,
            &double(&inputs),
            &double(&gradient),
        );
        for engine in engines() {
            let found = engine.parameter_gradient(&network, &inputs, &gradient).unwrap();
            let layers: Vec<_> = network.layers().iter().map(|layer| layer.activation).collect();
            let what = format!("{layers:?}, {} on {}", network.encoding(), engine.device());
            // f32 rounds a weighted sum, and these waves turn thirty times as fast.
            let steep = layers.iter().any(|a| ["sine", "finer"].contains(&a.name()));
            assert_near(&found, &expected, if steep { 2e-3 } else { 2e-5 }, &what);
        }
    }
}

#[test]
fn a_large_gradient_needs_no_loss_that_is_finite() {
    let mut network = Network::builder(1).output(1, Activation::Identity).build().unwrap();
    network.set_parameters(&[1e10, 0.0]).unwrap();
    for engine in engines() {
        let found = engine.parameter_gradient(&network, &[1e15], &[1e15]).unwrap();
        for (found, expected) in found.iter().zip([1e30, 1e15]) {
            assert!((found / expected - 1.0).abs() < 1e-6, "{found} on {}", engine.device());
        }
    }
}

#[test]
fn dropout_does_not_take_part_in_a_gradient() {
    let (inputs, gradient) = (numbers(3 * SAMPLES, 1), numbers(4 * SAMPLES, 2));
    let builder = |rate| {
        let builder = Network::builder(3).hidden(&[20], Activation::Tanh).dropout(rate);
        builder.output(4, Activation::Identity).seed(1).build().unwrap()
    };
    for engine in engines() {
        let [with, without] = [0.5, 0.0]
            .map(|rate| engine.parameter_gradient(&builder(rate), &inputs, &gradient).unwrap());
        assert_eq!(with, without, "{}", engine.device());
    }
}

#[test]
fn the_gradient_of_inputs_agrees_with_central_differences() {
    let inputs = numbers(3 * SAMPLES, 1);
    let gradient = numbers(4 * SAMPLES, 2);
    let engine = Engine::from(ReferenceEngine::new());
    for network in networks() {
        let found = engine.input_gradient(&network, &inputs, &gradient).unwrap();
        let loss = |inputs: &[f64]| -> f64 {
            let outputs = engine.predict_f64(&network, inputs).unwrap();
            outputs.iter().zip(&gradient).map(|(y, g)| y * f64::from(*g)).sum()
        };
        let h = 1e-6;
        for place in 0..inputs.len() {
            let [mut above, mut below] = [double(&inputs), double(&inputs)];
            above[place] += h;
            below[place] -= h;
            let expected = (loss(&above) - loss(&below)) / (2.0 * h);
            let off = (f64::from(found[place]) - expected).abs();
            assert!(
                off <= 1e-4 * expected.abs().max(1.0),
                "{:?}, {}: {} {expected}",
                network.layers(),
                network.encoding(),
                found[place]
            );
        }
    }
}

/// Plans whose updates need everything that an update may need.
fn plans() -> Vec<Plan> {
    let samples = Dataset::new(numbers(3 * SAMPLES, 1), numbers(4 * SAMPLES, 2), 3, 4).unwrap();
    let plan = |optimizer, l2, wrappers: &[&str]| {
        let wrappers = Wrappers::new(wrappers.iter().map(|text| text.parse().unwrap())).unwrap();
        Trainer { optimizer, l2, wrappers, shuffle: false, ..Trainer::default() }.plan(&samples)
    };
    let around = ["clip-norm:limit=0.05", "clip-value:limit=0.02", "lookahead", "ema:decay=0.5"];
    let novograd = "novograd".parse().unwrap();
    vec![
        plan(Optimizer::SGD, 0.0, &[]),
        plan(Optimizer::ADAM, 0.01, &[]),
        plan(novograd, 0.0, &[]),
        plan(Optimizer::ADAM, 0.0, &around),
        plan(novograd, 0.01, &["accumulate:batches=2", "clip-norm:limit=0.05"]),
    ]
}

#[test]
fn updates_with_gradients_of_a_loss_are_its_training_steps() {
    let (inputs, targets) = (numbers(3 * SAMPLES, 1), numbers(4 * SAMPLES, 2));
    let dataset = Dataset::new(inputs.clone(), targets.clone(), 3, 4).unwrap();
    let network = network(Activation::Tanh, Activation::Identity, Encoding::Identity);
    for plan in plans() {
        for engine in engines() {
            let what = format!("{} and {:?} on {}", plan.optimizer, plan.wrappers, engine.device());
            let mut own = block_on(engine.start(&network, &plan, &dataset)).unwrap();
            let mut trained = block_on(engine.start(&network, &plan, &dataset)).unwrap();
            let mut now = network.clone();
            for number in 1..=6 {
                // The mean squared error by hand.
                let outputs = engine.predict_f64(&now, &double(&inputs)).unwrap();
                let slope = |(y, t): (&f64, &f32)| {
                    (2.0 * (y - f64::from(*t)) / (4 * SAMPLES) as f64) as f32
                };
                let slopes: Vec<f32> = outputs.iter().zip(&targets).map(slope).collect();
                let gradient = engine.parameter_gradient(&now, &inputs, &slopes).unwrap();
                block_on(own.apply(&gradient, 0.01)).unwrap();
                let step =
                    Step { number, epoch: number, first: 0, count: SAMPLES, learning_rate: 0.01 };
                block_on(trained.train(&[step]).unwrap()).unwrap();
                now.set_parameters(&block_on(own.state()).unwrap().parameters).unwrap();
            }
            let [a, b] = [&mut own, &mut trained].map(|s| block_on(s.state()).unwrap());
            assert_eq!(a.batches, b.batches, "{what}");
            assert_near(&a.parameters, &b.parameters, 2e-5, &what);
            let learned = [&mut own, &mut trained].map(|s| block_on(s.parameters()).unwrap());
            assert_near(&learned[0], &learned[1], 2e-5, &what);
            // Steps and updates may alternate.
            let step = Step { number: 7, epoch: 7, first: 0, count: SAMPLES, learning_rate: 0.01 };
            block_on(own.train(&[step]).unwrap()).unwrap();
            assert_eq!(block_on(own.state()).unwrap().batches, 7, "{what}");
        }
    }
}

/// The mean squared error, with its WGSL or without.
struct Squared {
    has_wgsl: bool,
}

impl LossFn for Squared {
    fn row(&self, outputs: &[f64], targets: &[f64], gradient: &mut [f64]) -> f64 {
        let count = outputs.len() as f64;
        let mut loss = 0.0;
        for ((y, t), gradient) in outputs.iter().zip(targets).zip(gradient) {
            loss += (y - t) * (y - t) / count;
            *gradient = 2.0 * (y - t) / count;
        }
        loss
    }

    fn wgsl(&self) -> Option<String> {
        let text = "fn row_loss(row: u32, outputs: u32, scale: f32) -> f32 {
            var loss = 0.0;
            for (var j = 0u; j < outputs; j++) {
                let error = output_of(row, j) - target_of(row, j);
                loss += scale * error * error / f32(outputs);
                set_delta(row, j, scale * 2.0 * error / f32(outputs));
            }
            return loss;
        }";
        self.has_wgsl.then(|| text.to_string())
    }
}

#[test]
fn a_loss_of_the_caller_trains_as_its_twin_that_is_built_in() {
    let dataset = Dataset::new(numbers(3 * SAMPLES, 1), numbers(4 * SAMPLES, 2), 3, 4).unwrap();
    let weights: Vec<f64> = (0..SAMPLES).map(|i| f64::from(i as u32 % 4) / 2.0).collect();
    let dataset = dataset.with_weights(&weights).unwrap();
    let own = Loss::custom(Squared { has_wgsl: true });
    for output in [Activation::Identity, Activation::Sigmoid, Activation::Softmax] {
        let network = network(Activation::Tanh, output, Encoding::Identity);
        for engine in engines() {
            let what = format!("{output} on {}", engine.device());
            let train = |loss| {
                let trainer = Trainer { loss, batch_size: 5, epochs: 4, ..Trainer::default() };
                trainer.begin(&engine, &network, (&dataset, &dataset)).map(|mut run| {
                    run.run().unwrap();
                    let losses: Vec<f64> = run
                        .summary()
                        .history
                        .iter()
                        .flat_map(|epoch| [epoch.loss, epoch.validation_loss.unwrap()])
                        .collect();
                    (run.parameters().unwrap(), losses)
                })
            };
            let built_in = train(Loss::MeanSquaredError).unwrap();
            let (parameters, losses) = match train(own) {
                Ok(found) => found,
                Err(error) => panic!("{what}: {error}"),
            };
            assert_near(&parameters, &built_in.0, 2e-5, &what);
            assert_near(&losses, &built_in.1, 2e-5, &what);
        }
    }
}

#[test]
fn a_loss_of_the_caller_is_refused_where_it_cannot_be() {
    let dataset = Dataset::new(numbers(3 * SAMPLES, 1), numbers(4 * SAMPLES, 2), 3, 4).unwrap();
    let network = network(Activation::Tanh, Activation::Identity, Encoding::Identity);
    let loss = Loss::custom(Squared { has_wgsl: false });
    let trainer = Trainer { loss, epochs: 1, ..Trainer::default() };
    for engine in engines() {
        let result = trainer.begin(&engine, &network, &dataset);
        if engine.device().backend == Backend::Gpu {
            let error = result.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains("the loss has no WGSL"), "{error}");
        } else {
            let mut run = result.unwrap();
            run.run().unwrap();
            let error = run.state().unwrap().encode().unwrap_err().to_string();
            assert!(error.contains("a loss of the caller's cannot be written"), "{error}");
        }
    }
    assert_eq!(loss.to_string(), "custom");
    assert!(loss == loss && loss != Loss::custom(Squared { has_wgsl: false }));
    let error = "custom".parse::<Loss>().unwrap_err().to_string();
    assert!(error.contains("there is no loss 'custom'"), "{error}");
}

#[test]
fn a_schedule_of_the_caller_trains_as_its_twin_that_is_built_in() {
    let dataset = Dataset::new(numbers(3 * SAMPLES, 1), numbers(4 * SAMPLES, 2), 3, 4).unwrap();
    let network = network(Activation::Tanh, Activation::Identity, Encoding::Identity);
    let own = Schedule::custom(|step, steps| Schedule::Cosine.multiplier(step, steps, 1));
    for engine in engines() {
        let train = |schedule| {
            let trainer =
                Trainer { schedule, warm_up: 3, batch_size: 5, epochs: 4, ..Trainer::default() };
            let mut trained = network.clone();
            trainer.fit(&engine, &mut trained, &dataset).unwrap();
            trained
        };
        assert_eq!(train(own), train(Schedule::Cosine), "{}", engine.device());
    }
}

#[test]
fn a_schedule_of_the_caller_is_refused_where_it_cannot_be() {
    let dataset = Dataset::new(numbers(3 * SAMPLES, 1), numbers(4 * SAMPLES, 2), 3, 4).unwrap();
    let network = network(Activation::Tanh, Activation::Identity, Encoding::Identity);
    let begin = |engine: &Engine, schedule| {
        let trainer = Trainer { schedule, batch_size: 5, epochs: 2, ..Trainer::default() };
        trainer.begin(engine, &network, &dataset).unwrap()
    };
    for engine in engines() {
        for factor in [f64::NAN, f64::INFINITY, -0.5] {
            let schedule = Schedule::custom(move |step, _| if step < 4 { 1.0 } else { factor });
            let mut run = begin(&engine, schedule);
            let error = run.run().unwrap_err().to_string();
            assert!(error.contains("step 4 has a learning rate of"), "{error}");
        }
        // A factor of 0 is a step that changes almost nothing.
        let mut run = begin(&engine, Schedule::custom(|_, _| 0.0));
        run.run().unwrap();
        let error = run.state().unwrap().encode().unwrap_err().to_string();
        assert!(error.contains("a schedule of the caller's cannot be written"), "{error}");
    }
    let schedule = Schedule::custom(|_, _| 1.0);
    assert_eq!(schedule.to_string(), "custom");
    assert!(schedule == schedule && schedule != Schedule::custom(|_, _| 1.0));
    let error = "custom".parse::<Schedule>().unwrap_err().to_string();
    assert!(error.contains("there is no schedule 'custom'"), "{error}");
    let read = serde_json::from_str::<Schedule>(r#"{"custom":{"function":0}}"#);
    let error = read.unwrap_err().to_string();
    assert!(error.contains("a schedule of the caller's cannot be written or read"), "{error}");
}

#[test]
fn a_kept_moment_is_before_an_update() {
    let dataset = Dataset::new(numbers(3 * SAMPLES, 1), numbers(4 * SAMPLES, 2), 3, 4).unwrap();
    let network = network(Activation::Tanh, Activation::Identity, Encoding::Identity);
    let plan = plans().swap_remove(1);
    let gradient = double(&numbers(network.parameters().len(), 3));
    for engine in engines() {
        let mut session = block_on(engine.start(&network, &plan, &dataset)).unwrap();
        block_on(session.apply(&gradient, 0.01)).unwrap();
        let before = block_on(session.state()).unwrap();
        block_on(session.keep(0)).unwrap();
        block_on(session.apply(&gradient, 0.01)).unwrap();
        assert_ne!(block_on(session.state()).unwrap(), before, "{}", engine.device());
        block_on(session.go_back(0)).unwrap();
        assert_eq!(block_on(session.state()).unwrap(), before, "{}", engine.device());
    }
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let dataset = Dataset::new(numbers(3 * SAMPLES, 1), numbers(4 * SAMPLES, 2), 3, 4).unwrap();
    let network = network(Activation::Tanh, Activation::Identity, Encoding::Identity);
    let plan = plans().swap_remove(0);
    let fine = vec![0.1; network.parameters().len()];
    let with = |number: f64| {
        let mut gradient = fine.clone();
        gradient[3] = number;
        gradient
    };
    for engine in engines() {
        let mut session = block_on(engine.start(&network, &plan, &dataset)).unwrap();
        let before = block_on(session.state()).unwrap();
        for (named, gradient, rate) in [
            ("a gradient of 2 numbers", vec![0.0; 2], 0.1),
            ("parameter 3 is NaN", with(f64::NAN), 0.1),
            ("parameter 3 is inf", with(f64::INFINITY), 0.1),
            ("parameter 3 is 1e39", with(1e39), 0.1),
            ("learning rate of 0", fine.clone(), 0.0),
            ("learning rate of NaN", fine.clone(), f64::NAN),
        ] {
            let error = block_on(session.apply(&gradient, rate)).unwrap_err().to_string();
            assert!(error.contains(named), "{}: {error}", engine.device());
        }
        assert_eq!(block_on(session.state()).unwrap(), before);
        let refused = |inputs: &[f32], gradient: &[f32]| {
            let by_engine = engine.parameter_gradient(&network, inputs, gradient).unwrap_err();
            by_engine.to_string()
        };
        assert!(refused(&[0.0; 4], &[0.0; 4]).contains("no whole samples"));
        assert!(refused(&[0.0; 3], &[0.0; 3]).contains("does not fit 1 samples of 4 outputs"));
        assert!(
            refused(&[0.0; 3], &[0.0, 0.0, f32::NAN, 0.0]).contains("output gradient 2 is NaN")
        );
        for (inputs, gradient) in [([0.0; 3], &[0.0; 3][..]), ([f32::NAN; 3], &[0.0; 4])] {
            assert!(engine.input_gradient(&network, &inputs, gradient).is_err());
        }
        if engine.device().backend == Backend::Reference {
            continue;
        }
        // An update beyond f32 is undone, and the session takes no other until a state is restored.
        for gradient in [with(3e38), fine.clone()] {
            let error = block_on(session.apply(&gradient, 1e30)).unwrap_err().to_string();
            assert!(error.contains("not finite"), "{}: {error}", engine.device());
        }
        assert_eq!(block_on(session.parameters()).unwrap(), before.parameters);
        // Nor a step, whatever its number is.
        for number in [1, 2, 9] {
            let step = Step { number, epoch: 1, first: 0, count: SAMPLES, learning_rate: 0.01 };
            let outcome = block_on(session.train(&[step]).unwrap()).unwrap();
            assert!(outcome.losses.is_empty(), "{}: {outcome:?}", engine.device());
            assert!(outcome.diverged.is_some_and(|diverged| !diverged.in_loss));
        }
        assert_eq!(block_on(session.parameters()).unwrap(), before.parameters);
        assert!(block_on(session.state()).is_err());
        block_on(session.restore(&before)).unwrap();
        block_on(session.apply(&fine, 0.1)).unwrap();
        assert_ne!(block_on(session.parameters()).unwrap(), before.parameters);
    }
}
