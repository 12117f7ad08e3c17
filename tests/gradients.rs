//! `Engine::backward` and `Session::backward` against the reference and against central differences, on every
//! engine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]
#![allow(dead_code, reason = "the shared module has more than this file needs")]

mod common;

use common::{adapters, assert_near, engines, numbers, open};
use impasto::cpu::CpuEngine;
use impasto::reference::ReferenceEngine;
use impasto::{
    Activation, Backend, Compute, Dataset, Device, Encoding, Engine, Error, Gradients,
    Initialization, Network, Optimizer, Output, Pending, Plan, Session, Step, Trainer, Wanted,
    Wrappers,
};
use pollster::block_on;

/// A generator of whole numbers, for shapes (Knuth's, with the low bits left out).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// A network of random shape, whose parameters f32 holds, and a number of samples.
fn random(seed: u64) -> (Network, usize) {
    let mut random = Random(seed);
    let trainable: Vec<Activation> =
        Activation::ALL.iter().copied().filter(|a| *a != Activation::Step).collect();
    let hidden: Vec<Activation> =
        trainable.iter().copied().filter(|a| *a != Activation::Softmax).collect();
    let waves = |encoding: &Encoding| encoding.frequencies(1).is_some();
    let mut encodings: Vec<Encoding> = Encoding::ALL.iter().copied().filter(waves).collect();
    encodings.push(Encoding::Identity);
    let mut builder = Network::builder(1 + random.below(5)).encoding(random.of(&encodings));
    for _ in 0..random.below(4) {
        let (width, activation) = (1 + random.below(70), random.of(&hidden));
        builder = builder.layer(width, activation, random.below(4) > 0);
        if random.below(3) == 0 {
            builder = builder.dropout(0.25);
        }
    }
    let output = if random.below(3) == 0 { Activation::Softmax } else { random.of(&trainable) };
    let network = builder.layer(2 + random.below(5), output, random.below(4) > 0);
    let mut network = network.seed(seed).build().unwrap();
    let single: Vec<f64> =
        network.parameters().iter().map(|number| f64::from(*number as f32)).collect();
    network.set_parameters(&single).unwrap();
    if network.layers().len() > 1 && random.below(2) == 0 {
        // A frozen layer has a gradient.
        network.freeze(0..1).unwrap();
    }
    (network, random.of(&[1, 2, 3, 17, 129, 300]))
}

fn reference() -> Engine {
    ReferenceEngine::new().into()
}

/// Asserts that gradients of parameters that were computed alone equal those that were computed together with
/// gradients of inputs. On a GPU other kernels compute them, so they are only near.
fn assert_alone(engine: &Engine, alone: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    if engine.device().backend == Backend::Gpu {
        assert_near(alone, expected, tolerance, what);
    } else {
        assert_eq!(alone, expected, "{what}");
    }
}

fn assert_gradients(found: &Gradients, expected: &Gradients, tolerance: f64, what: &str) {
    assert_near(&found.parameters, &expected.parameters, tolerance, &format!("{what}, parameters"));
    assert_near(&found.inputs, &expected.inputs, tolerance, &format!("{what}, inputs"));
}

/// The error of f32, relative to the largest gradient: some hundred roundings of half a unit of
/// 2⁻²³. An error of a weighted sum is 30 times as large after `sine` and `finer`, which turn 30 times as
/// fast, and an error of an input is as many times larger as the waves of an encoding turn faster.
fn tolerance(network: &Network) -> f64 {
    let steep = network.layers().iter().any(|l| ["sine", "finer"].contains(&l.activation.name()));
    let encoded = !network.encoding().is_identity();
    (if steep { 2e-3 } else { 2e-5 }) * if encoded { 10.0 } else { 1.0 }
}

#[test]
fn gradients_of_random_networks_are_those_of_the_reference() {
    let engines = engines();
    for seed in 0..16 {
        let (network, samples) = random(seed);
        let inputs = numbers(network.inputs() * samples, 1);
        let slopes = numbers(network.outputs() * samples, 2);
        let expected = reference().backward(&network, &inputs, &slopes).unwrap();
        assert_eq!(expected.parameters.len(), network.parameters().len());
        assert_eq!(expected.inputs.len(), inputs.len());
        for engine in &engines {
            let layers = network.layers();
            let what = format!("{seed}: {samples} samples, {layers:?} on {}", engine.device());
            let found = engine.backward(&network, &inputs, &slopes).unwrap();
            assert_gradients(&found, &expected, tolerance(&network), &what);
            // One of them alone, and a repeat: the same bits.
            let parameters = engine.parameter_gradient(&network, &inputs, &slopes).unwrap();
            assert_alone(engine, &parameters, &found.parameters, tolerance(&network), &what);
            let again = engine.parameter_gradient(&network, &inputs, &slopes).unwrap();
            assert_eq!(parameters, again, "{what}");
            let of_inputs = engine.input_gradient(&network, &inputs, &slopes).unwrap();
            assert_eq!(of_inputs, found.inputs, "{what}");
            assert_eq!(engine.backward(&network, &inputs, &slopes).unwrap(), found, "{what}");
        }
    }
}

/// The central difference of `Σ slopes·outputs` on the reference.
fn difference(
    network: &Network,
    inputs: &[f64],
    slopes: &[f32],
    set: impl Fn(&mut Network, &mut [f64], f64),
) -> f64 {
    const H: f64 = 1e-6;
    let loss = |h: f64| -> f64 {
        let (mut network, mut inputs) = (network.clone(), inputs.to_vec());
        set(&mut network, &mut inputs, h);
        let outputs: Vec<f64> = reference().predict_f64(&network, &inputs).unwrap();
        outputs.iter().zip(slopes).map(|(y, slope)| y * f64::from(*slope)).sum()
    };
    (loss(H) - loss(-H)) / (2.0 * H)
}

#[test]
fn gradients_agree_with_central_differences() {
    for (output, encoding) in [
        (Activation::Softmax, Encoding::Identity),
        (Activation::Sigmoid, Encoding::Frequency { octaves: 3 }),
        (Activation::Identity, Encoding::Fourier { features: 4, scale: 1.0, seed: 3 }),
    ] {
        let network = Network::builder(2)
            .encoding(encoding)
            .hidden(&[7], Activation::Gelu)
            .output(3, output)
            .biases(Initialization::Uniform { low: -0.3, high: 0.3 })
            .build()
            .unwrap();
        let (inputs, slopes) = (numbers(2 * 5, 1), numbers(3 * 5, 2));
        let double: Vec<f64> = inputs.iter().map(|number| f64::from(*number)).collect();
        let of_parameter = |place: usize| {
            difference(&network, &double, &slopes, |network, _, h| {
                let mut parameters = network.parameters().to_vec();
                parameters[place] += h;
                network.set_parameters(&parameters).unwrap();
            })
        };
        let of_input =
            |place: usize| difference(&network, &double, &slopes, |_, x, h| x[place] += h);
        let parameters: Vec<f64> = (0..network.parameters().len()).map(of_parameter).collect();
        let of_inputs: Vec<f32> = (0..inputs.len()).map(|place| of_input(place) as f32).collect();
        for engine in engines() {
            let found = engine.backward(&network, &inputs, &slopes).unwrap();
            let what = format!("{output}, {encoding} on {}", engine.device());
            assert_near(&found.parameters, &parameters, 1e-4, &what);
            assert_near(&found.inputs, &of_inputs, 1e-4, &what);
        }
    }
}

#[test]
fn a_kept_pass_takes_the_parameters_of_each_call() {
    let network = |seed| {
        let builder = Network::builder(3).hidden(&[20, 9], Activation::Tanh);
        builder.output(2, Activation::Identity).seed(seed).build().unwrap()
    };
    let other = Network::builder(2).output(1, Activation::Sigmoid).build().unwrap();
    let (inputs, slopes) = (numbers(3 * 40, 1), numbers(2 * 40, 2));
    for engine in engines() {
        let what = engine.device();
        for seed in 0..4 {
            let network = network(seed);
            let expected = reference().backward(&network, &inputs, &slopes).unwrap();
            let found = engine.backward(&network, &inputs, &slopes).unwrap();
            assert_gradients(&found, &expected, 2e-5, &format!("{seed} on {what}"));
            // Other networks and other numbers of samples in between.
            engine.backward(&other, &inputs[..10], &slopes[..5]).unwrap();
            let some = engine.backward(&network, &inputs[..9], &slopes[..6]).unwrap();
            assert_eq!(some.inputs.len(), 9, "{what}");
        }
    }
}

#[test]
fn threads_can_call_an_engine_at_the_same_time() {
    let (inputs, slopes) = (numbers(3 * 40, 1), numbers(2 * 40, 2));
    let (inputs, slopes) = (&inputs, &slopes);
    for engine in engines() {
        let engine = &engine;
        std::thread::scope(|scope| {
            for seed in 0..3 {
                scope.spawn(move || {
                    let builder = Network::builder(3).hidden(&[20, 9], Activation::Tanh);
                    let network = builder.output(2, Activation::Identity).seed(seed);
                    let network = network.build().unwrap();
                    let expected = reference().backward(&network, inputs, slopes).unwrap();
                    for _ in 0..20 {
                        let found = engine.backward(&network, inputs, slopes).unwrap();
                        assert_gradients(&found, &expected, 2e-5, &format!("{seed}"));
                    }
                });
            }
        });
    }
}

#[test]
fn many_samples_are_added_up_in_parts() {
    let network = Network::builder(2).hidden(&[6], Activation::Tanh);
    let network = network.output(1, Activation::Identity).build().unwrap();
    // More tiles than a thread adds up at once.
    let samples = 20_000;
    let (inputs, slopes) = (numbers(2 * samples, 1), numbers(samples, 2));
    let expected = reference().backward(&network, &inputs, &slopes).unwrap();
    let mut engines: Vec<Engine> =
        [1, 2, 5].map(|threads| CpuEngine::new(Some(threads)).unwrap().into()).to_vec();
    for adapter in adapters() {
        engines.push(open(&adapter).into());
        // Parts of 170 samples, and results that are read one by one.
        engines.push(open(&adapter).with_largest_buffer(1 << 12).into());
    }
    for engine in engines {
        let found = engine.backward(&network, &inputs, &slopes).unwrap();
        assert_gradients(&found, &expected, 2e-5, &engine.device().to_string());
        let parameters = engine.parameter_gradient(&network, &inputs, &slopes).unwrap();
        let what = engine.device().to_string();
        assert_alone(&engine, &parameters, &found.parameters, 2e-5, &what);
    }
}

#[test]
fn no_sample_has_no_gradient() {
    let network = Network::builder(2).output(1, Activation::Identity).build().unwrap();
    let samples = Dataset::from_rows([[0.0, 1.0]], [[1.0]]).unwrap();
    let plan = Trainer::default().plan(&samples);
    for engine in engines() {
        let found = engine.backward(&network, &[], &[]).unwrap();
        assert_eq!((found.parameters, found.inputs), (vec![0.0; 3], vec![]));
        assert_eq!(engine.input_gradient(&network, &[], &[]).unwrap(), [0.0; 0]);
        let mut session = block_on(engine.start(&network, &plan, &samples)).unwrap();
        let found = block_on(session.backward(&[], &[], Wanted::Both)).unwrap();
        assert_eq!((found.parameters, found.inputs), (vec![0.0; 3], vec![]));
    }
}

#[test]
fn what_has_no_gradient_is_refused_and_the_next_call_is_not() {
    let mut network = Network::builder(2).hidden(&[3], Activation::Relu);
    network = network.layer(2, Activation::Identity, true);
    let mut network =
        network.weights(Initialization::Uniform { low: 0.5, high: 1.0 }).build().unwrap();
    let step = Network::builder(2).output(2, Activation::Step).build().unwrap();
    let samples = Dataset::from_rows([[0.0, 1.0]], [[1.0, 0.0]]).unwrap();
    let plan = Trainer::default().plan(&samples);
    for engine in engines() {
        let what = engine.device();
        let mut session = block_on(engine.start(&network, &plan, &samples)).unwrap();
        let mut refused = |network: &Network, inputs: &[f32], slopes: &[f32], in_session: bool| {
            let error = engine.backward(network, inputs, slopes).unwrap_err().to_string();
            let mut others = vec![
                engine.parameter_gradient(network, inputs, slopes).unwrap_err(),
                engine.input_gradient(network, inputs, slopes).unwrap_err(),
            ];
            if in_session {
                let gradients = session.backward(inputs, slopes, Wanted::Both);
                others.push(block_on(gradients).unwrap_err());
            }
            for other in others {
                assert_eq!(other.to_string(), error, "{what}");
            }
            error
        };
        let [nan, infinite] = [f32::NAN, f32::INFINITY];
        let message = refused(&network, &[0.0, nan], &[1.0; 2], true);
        assert!(message.contains("input 1 is NaN"), "{what}: {message}");
        let message = refused(&network, &[0.0; 2], &[infinite, 0.0], true);
        assert!(message.contains("output gradient 0 is inf"), "{what}: {message}");
        let message = refused(&network, &[0.0; 3], &[0.0; 2], true);
        assert!(message.contains("no whole samples"), "{what}: {message}");
        let message = refused(&network, &[0.0; 2], &[0.0; 3], true);
        assert!(message.contains("does not fit 1 samples of 2 outputs"), "{what}: {message}");
        let message = refused(&step, &[0.0; 2], &[0.0; 2], false);
        assert!(message.contains("no gradient to train with"), "{what}: {message}");
        // 1e30 times 1e30.
        let before = network.parameters().to_vec();
        let large: Vec<f64> = before.iter().map(|number| number * 1e30).collect();
        network.set_parameters(&large).unwrap();
        let message = refused(&network, &[1.0; 2], &[1e30; 2], false);
        assert!(message.contains("leaves the range of f32"), "{what}: {message}");
        network.set_parameters(&before).unwrap();
        let expected = reference().backward(&network, &[1.0; 2], &[1.0; 2]).unwrap();
        let found = engine.backward(&network, &[1.0; 2], &[1.0; 2]).unwrap();
        assert_gradients(&found, &expected, 2e-5, &what.to_string());
        let found = block_on(session.backward(&[1.0; 2], &[1.0; 2], Wanted::Both)).unwrap();
        assert_gradients(&found, &expected, 2e-5, &what.to_string());
    }
}

#[test]
fn a_lost_device_is_an_error() {
    let network = Network::builder(2).output(1, Activation::Identity).build().unwrap();
    for adapter in adapters() {
        for known in [false, true] {
            let gpu = open(&adapter);
            let engine = Engine::from(&gpu);
            if known {
                engine.backward(&network, &[0.0; 2], &[1.0]).unwrap();
            }
            gpu.destroy();
            let error = engine.backward(&network, &[0.0; 2], &[1.0]).unwrap_err();
            assert!(matches!(error, Error::DeviceLost { .. }), "{error}");
        }
    }
}

/// A network with dropout and a frozen layer, samples, and plans with and without a moving average.
fn run() -> (Network, Dataset, Vec<Plan>) {
    let mut network = Network::builder(3)
        .hidden(&[17], Activation::Relu)
        .dropout(0.25)
        .hidden(&[9], Activation::Silu)
        .output(2, Activation::Sigmoid)
        .build()
        .unwrap();
    network.freeze(1..2).unwrap();
    let dataset = Dataset::new(numbers(3 * 40, 1), numbers(2 * 40, 2), 3, 2).unwrap();
    let ema = Wrappers::new(["ema:decay=0.5".parse().unwrap()]).unwrap();
    let plan = Trainer { batch_size: 20, optimizer: Optimizer::ADAM, ..Trainer::default() };
    let plan = plan.plan(&dataset);
    (network, dataset, vec![plan, Plan { wrappers: ema, ..plan }])
}

#[test]
fn a_session_has_the_gradients_of_its_present_parameters() {
    let (network, dataset, plans) = run();
    let (inputs, slopes) = (numbers(3 * 23, 3), numbers(2 * 23, 4));
    for plan in plans {
        for engine in engines() {
            let what = format!("{:?} on {}", plan.wrappers, engine.device());
            let mut session = block_on(engine.start(&network, &plan, &dataset)).unwrap();
            let mut now = network.clone();
            for number in 1..=4 {
                let state = block_on(session.state()).unwrap();
                now.set_parameters(&state.parameters).unwrap();
                let expected = reference().backward(&now, &inputs, &slopes).unwrap();
                let both = block_on(session.backward(&inputs, &slopes, Wanted::Both)).unwrap();
                assert_gradients(&both, &expected, 2e-5, &what);
                let wanted = if number % 2 == 0 { Wanted::Parameters } else { Wanted::Inputs };
                let one = block_on(session.backward(&inputs, &slopes, wanted)).unwrap();
                let of = |all: &[f64], wanted| if wanted { all.to_vec() } else { Vec::new() };
                let of_both = of(&both.parameters, wanted.parameters());
                assert_alone(&engine, &one.parameters, &of_both, 2e-5, &what);
                assert_eq!(one.inputs.is_empty(), !wanted.inputs(), "{what}");
                assert!(one.inputs.is_empty() || one.inputs == both.inputs, "{what}");
                // Nothing has changed.
                assert_eq!(block_on(session.state()).unwrap(), state, "{what}");
                let first = (number as usize - 1) % 2 * 20;
                let step = Step { number, epoch: 1, first, count: 20, learning_rate: 0.02 };
                block_on(session.train(&[step]).unwrap()).unwrap();
            }
        }
    }
}

#[test]
fn a_backward_pass_between_steps_changes_no_step() {
    let (network, dataset, plans) = run();
    let (inputs, slopes) = (numbers(3 * 23, 3), numbers(2 * 23, 4));
    for engine in engines() {
        let train = |with: bool| {
            let mut session = block_on(engine.start(&network, &plans[0], &dataset)).unwrap();
            for number in 1..=4 {
                let first = (number as usize - 1) % 2 * 20;
                let step = Step { number, epoch: 1, first, count: 20, learning_rate: 0.02 };
                block_on(session.train(&[step]).unwrap()).unwrap();
                if with {
                    block_on(session.backward(&inputs, &slopes, Wanted::Both)).unwrap();
                }
            }
            block_on(session.state()).unwrap()
        };
        assert_eq!(train(true), train(false), "{}", engine.device());
    }
}

#[test]
fn after_a_broken_update_a_session_has_no_gradients() {
    let (network, dataset, plans) = run();
    let (inputs, slopes) = (numbers(3 * 23, 3), numbers(2 * 23, 4));
    for engine in engines() {
        let mut session = block_on(engine.start(&network, &plans[0], &dataset)).unwrap();
        let before = block_on(session.state()).unwrap();
        let ones = vec![1.0; network.parameters().len()];
        block_on(session.apply(&ones, f64::MAX)).unwrap_err();
        let error = block_on(session.backward(&inputs, &slopes, Wanted::Both)).unwrap_err();
        assert!(error.to_string().contains("not finite"), "{}: {error}", engine.device());
        block_on(session.restore(&before)).unwrap();
        let found = block_on(session.backward(&inputs, &slopes, Wanted::Both)).unwrap();
        let expected = reference().backward(&network, &inputs, &slopes).unwrap();
        assert_gradients(&found, &expected, 2e-5, &engine.device().to_string());
    }
}

#[test]
fn steps_of_the_callers_loss_train_as_the_loss_that_is_built_in() {
    let (mut network, dataset, plans) = run();
    network.unfreeze(1..2).unwrap();
    let plain = Network::builder(3).hidden(&[17], Activation::Relu);
    let plain = plain.hidden(&[9], Activation::Silu).output(2, Activation::Sigmoid);
    let network = plain.build().unwrap();
    let (inputs, targets) = dataset.rows(0..40);
    let double: Vec<f64> = inputs.iter().map(|number| f64::from(*number)).collect();
    let plan = Plan { batch_size: 40, shuffle: None, ..plans[0] };
    for engine in engines() {
        let [mut own, mut trained] =
            [0; 2].map(|_| block_on(engine.start(&network, &plan, &dataset)).unwrap());
        for number in 1..=5 {
            let outputs = block_on(own.predict(&double, Output::Activated)).unwrap();
            let slope = |(y, t): (&f64, &f32)| (2.0 * (y - f64::from(*t)) / 80.0) as f32;
            let slopes: Vec<f32> = outputs.iter().zip(&targets).map(slope).collect();
            let gradients = block_on(own.backward(&inputs, &slopes, Wanted::Parameters)).unwrap();
            block_on(own.apply(&gradients.parameters, 0.01)).unwrap();
            let step = Step { number, epoch: 1, first: 0, count: 40, learning_rate: 0.01 };
            block_on(trained.train(&[step]).unwrap()).unwrap();
        }
        let [own, trained] =
            [&mut own, &mut trained].map(|session| block_on(session.parameters()).unwrap());
        // Adam divides by the gradient's size, so that small errors of small gradients count.
        assert_near(&own, &trained, 2e-4, &engine.device().to_string());
    }
}

/// An engine of another crate, without a backward pass.
struct Foreign(ReferenceEngine);

impl Compute for Foreign {
    fn device(&self) -> &Device {
        self.0.device()
    }

    fn start<'a>(
        &'a self,
        network: &'a Network,
        plan: &'a Plan,
        dataset: &'a Dataset,
    ) -> Pending<'a, Box<dyn Session>> {
        self.0.start(network, plan, dataset)
    }

    fn forward<'a>(
        &'a self,
        network: &'a Network,
        inputs: &'a [f64],
        output: Output,
    ) -> Pending<'a, Vec<f64>> {
        self.0.forward(network, inputs, output)
    }
}

#[test]
fn the_reference_computes_for_an_engine_that_cannot() {
    let (network, _, _) = run();
    let (inputs, slopes) = (numbers(3 * 23, 3), numbers(2 * 23, 4));
    let engine = Engine::new(Foreign(ReferenceEngine::new()));
    let expected = reference().backward(&network, &inputs, &slopes).unwrap();
    assert_eq!(engine.backward(&network, &inputs, &slopes).unwrap(), expected);
    assert_eq!(engine.input_gradient(&network, &inputs, &slopes).unwrap(), expected.inputs);
    assert!(engine.backward(&network, &inputs, &[f32::NAN]).is_err());
    assert!(Gradients::new(vec![1e39], Vec::new()).is_err());
    assert!(Gradients::new(Vec::new(), vec![f32::NAN]).is_err());
}
