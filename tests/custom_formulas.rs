//! Activations and losses of the caller's on every engine: against the reference, and where they are refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]
#![allow(dead_code, reason = "the shared module has more than this file needs")]

mod common;

use common::{adapters, assert_near, double, engines, numbers, open};
use impasto::gpu::Kernels;
use impasto::reference::{self, ReferenceEngine};
use impasto::{
    Activation, ActivationFn, Backend, Dataset, Engine, Error, Initialization, Loss, LossFn,
    Metric, Network, Optimizer, Trainer,
};
use pollster::block_on;

const SAMPLES: usize = 23;

/// `scale·z/(1 + |z|)`. Its WGSL declares names that the kernels and other activations have too.
struct Softsign {
    scale: f64,
}

impl ActivationFn for Softsign {
    fn value(&self, z: f64) -> f64 {
        self.scale * z / (1.0 + z.abs())
    }

    fn slope(&self, z: f64) -> f64 {
        self.scale / (1.0 + z.abs()).powi(2)
    }

    fn wgsl(&self) -> Option<String> {
        Some(format!(
            "const values = {:?};
            struct Shape {{ main: f32 }}
            fn slope (z: f32) -> Shape {{ return Shape(1.0 + abs(z)); }}
            fn activation(z: f32) -> f32 {{ return values * z / slope(z).main; }}
            fn activation_slope(z: f32) -> f32 {{
                let shape = slope(z);
                return values / (shape.main * shape.main);
            }}",
            self.scale as f32
        ))
    }
}

/// `z + (√(z² + 1) − 1)/2`, in functions with the names of those of `Softsign`.
struct Bent;

impl ActivationFn for Bent {
    fn value(&self, z: f64) -> f64 {
        z + (z.hypot(1.0) - 1.0) / 2.0
    }

    fn slope(&self, z: f64) -> f64 {
        1.0 + z / (2.0 * z.hypot(1.0))
    }

    fn wgsl(&self) -> Option<String> {
        let text = "const values = 0.5; fn slope(z: f32) -> f32 { return sqrt(z * z + 1.0); }
            fn activation(z: f32) -> f32 { return z + values * (slope(z) - 1.0); }
            fn activation_slope(z: f32) -> f32 { return 1.0 + values * z / slope(z); }";
        Some(text.into())
    }
}

/// The identity, with this WGSL.
struct Written(Option<&'static str>);

impl ActivationFn for Written {
    fn value(&self, z: f64) -> f64 {
        z
    }

    fn slope(&self, _: f64) -> f64 {
        1.0
    }

    fn wgsl(&self) -> Option<String> {
        self.0.map(str::to_string)
    }
}

fn builder(inputs: usize, hidden: &[(usize, Activation)]) -> impasto::Builder {
    let builder = Network::builder(inputs)
        .weights(Initialization::Uniform { low: -0.4, high: 0.4 })
        .biases(Initialization::Uniform { low: -0.3, high: 0.3 })
        .seed(5);
    hidden
        .iter()
        .fold(builder, |builder, (width, activation)| builder.layer(*width, *activation, true))
}

/// A network of 3 inputs and 4 outputs with this activation everywhere.
fn network(activation: Activation) -> Network {
    builder(3, &[(9, activation), (5, activation)]).output(4, activation).build().unwrap()
}

fn samples() -> Dataset {
    Dataset::new(numbers(3 * SAMPLES, 1), numbers(4 * SAMPLES, 2), 3, 4).unwrap()
}

/// The GPU engine on every adapter with each choice of kernels.
fn every_choice() -> Vec<Engine> {
    let each = |adapter| {
        [Kernels::Auto, Kernels::Fused, Kernels::Layerwise]
            .map(|kernels| Engine::from(open(adapter).with_kernels(kernels)))
    };
    adapters().iter().flat_map(each).collect()
}

/// Parameters, losses of training and of validation after some epochs.
fn train(engine: &Engine, network: &Network, loss: Loss) -> Result<(Vec<f64>, Vec<f64>), Error> {
    let samples = samples();
    let trainer = Trainer { loss, batch_size: 5, epochs: 4, ..Trainer::default() };
    let mut run = trainer.begin(engine, network, (&samples, &samples))?;
    run.run()?;
    let epochs = run.summary().history.clone();
    let losses = epochs.iter().flat_map(|epoch| [epoch.loss, epoch.validation_loss.unwrap()]);
    Ok((run.parameters()?, losses.collect()))
}

#[test]
fn activations_of_the_caller_agree_with_the_reference_on_random_shapes() {
    let own = [
        Activation::custom(Softsign { scale: 1.5 }),
        Activation::custom(Bent),
        Activation::custom(Softsign { scale: 0.75 }),
        Activation::Gelu,
    ];
    // Beyond 128 neurons the fused kernels do not take a network.
    let shapes = [vec![], vec![7, 16], vec![33, 1, 128], vec![150, 5]];
    for (case, widths) in shapes.iter().enumerate() {
        let (inputs, outputs, rows) = (1 + case * 5 % 7, 1 + case * 3 % 5, 1 + case * 37 % 101);
        let hidden: Vec<_> =
            widths.iter().enumerate().map(|(l, width)| (*width, own[(case + l) % 4])).collect();
        let builder = builder(inputs, &hidden);
        let network = builder.output(outputs, own[case % 3]).build().unwrap();
        let x = numbers(rows * inputs, case);
        let gradient = numbers(rows * outputs, case + 1);
        let dataset = Dataset::new(x.clone(), gradient.clone(), inputs, outputs).unwrap();
        let trainer = Trainer {
            optimizer: Optimizer::SGD,
            learning_rate: 0.05,
            batch_size: rows.div_ceil(2),
            epochs: 3,
            ..Trainer::default()
        };
        let train = |engine: &Engine| {
            let mut run = trainer.begin(engine, &network, &dataset).unwrap();
            run.run().unwrap();
            let mut found = run.parameters().unwrap();
            found.push(run.evaluate(&dataset).unwrap());
            found.extend(double(&run.predict(&x).unwrap()));
            found
        };
        let expected = Engine::from(ReferenceEngine::new());
        let outputs = expected.predict_f64(&network, &double(&x)).unwrap();
        let logits = expected.logits_f64(&network, &double(&x)).unwrap();
        let trained = train(&expected);
        let (_, gradients) =
            reference::loss_and_gradient(&network, Loss::Linear, &double(&x), &double(&gradient));
        for engine in engines() {
            let what = format!("{widths:?} on {}", engine.device());
            assert_near(&engine.predict_f64(&network, &double(&x)).unwrap(), &outputs, 2e-5, &what);
            assert_near(&engine.logits_f64(&network, &double(&x)).unwrap(), &logits, 2e-5, &what);
            let model = engine.prepare(&network).unwrap();
            assert_near(&double(&model.predict(&x).unwrap()), &outputs, 2e-5, &what);
            assert_near(&train(&engine), &trained, 1e-4, &what);
            let found = engine.parameter_gradient(&network, &x, &gradient).unwrap();
            assert_near(&found, &gradients, 2e-5, &what);
        }
    }
}

#[test]
fn gradients_of_activations_of_the_caller_are_central_differences() {
    let inputs = numbers(3 * SAMPLES, 1);
    let gradient = numbers(4 * SAMPLES, 2);
    let (engine, h) = (Engine::from(ReferenceEngine::new()), 1e-6);
    for own in [Activation::custom(Softsign { scale: 1.5 }), Activation::custom(Bent)] {
        for z in [-3.0, -0.7, -0.01, 0.02, 0.5, 8.0] {
            let difference = (own.value(z + h) - own.value(z - h)) / (2.0 * h);
            assert!((own.slope(z) - difference).abs() < 1e-7, "{z}: {difference}");
        }
        let network = network(own);
        let loss = |network: &Network| -> f64 {
            let outputs = engine.predict_f64(network, &double(&inputs)).unwrap();
            outputs.iter().zip(&gradient).map(|(y, g)| y * f64::from(*g)).sum()
        };
        let found = engine.parameter_gradient(&network, &inputs, &gradient).unwrap();
        for (place, found) in found.into_iter().enumerate() {
            let moved = |by: f64| {
                let mut parameters = network.parameters().to_vec();
                parameters[place] += by;
                let mut moved = network.clone();
                moved.set_parameters(&parameters).unwrap();
                loss(&moved)
            };
            let expected = (moved(h) - moved(-h)) / (2.0 * h);
            let off = (found - expected).abs();
            assert!(off <= 1e-4 * expected.abs().max(1.0), "{place}: {found}, not {expected}");
        }
    }
}

#[test]
fn a_run_with_formulas_of_the_caller_gives_the_same_bits_again() {
    let own = Activation::custom(Softsign { scale: 1.5 });
    let hidden = [(40, own), (20, Activation::custom(Bent))];
    let network = builder(3, &hidden).dropout(0.25).output(4, own).build().unwrap();
    let loss = Loss::custom(Power { factor: 1.0, wgsl: None });
    for engine in engines() {
        let once = train(&engine, &network, loss).unwrap();
        let again = train(&engine, &network, loss).unwrap();
        assert_eq!(once, again, "{}", engine.device());
        assert_ne!(once.0, network.parameters());
    }
}

/// `factor` times the mean squared error, with this WGSL instead of the right one.
struct Power {
    factor: f64,
    wgsl: Option<&'static str>,
}

impl LossFn for Power {
    fn row(&self, outputs: &[f64], targets: &[f64], gradient: &mut [f64]) -> f64 {
        let scale = self.factor / outputs.len() as f64;
        let mut loss = 0.0;
        for ((y, t), gradient) in outputs.iter().zip(targets).zip(gradient) {
            loss += scale * (y - t) * (y - t);
            *gradient = 2.0 * scale * (y - t);
        }
        loss
    }

    fn wgsl(&self) -> Option<String> {
        let right = format!(
            "const deltas = {:?};
            fn slope(error: f32, outputs: u32) -> f32 {{ return deltas * error / f32(outputs); }}
            fn row_loss(row: u32, outputs: u32, scale: f32) -> f32 {{
                var loss = 0.0;
                for (var j = 0u; j < outputs; j++) {{
                    let error = output_of(row, j) - target_of(row, j);
                    loss += scale * error * slope(error, outputs);
                    set_delta(row, j, scale * 2.0 * slope(error, outputs));
                }}
                return loss;
            }}",
            self.factor as f32
        );
        Some(self.wgsl.map_or(right, str::to_string))
    }
}

#[test]
fn formulas_that_follow_each_other_on_an_engine_are_not_confused() {
    for engine in engines() {
        let mut found = Vec::new();
        for factor in [1.0, 2.0, 1.0] {
            let own = Activation::custom(Softsign { scale: factor });
            let loss = Loss::custom(Power { factor, wgsl: None });
            let hidden = [(6, own), (5, Activation::Tanh)];
            let network = builder(3, &hidden).output(4, Activation::Sigmoid).build().unwrap();
            let (parameters, losses) = train(&engine, &network, loss).unwrap();
            let expected = train(&ReferenceEngine::new().into(), &network, loss).unwrap();
            let what = format!("{factor} on {}", engine.device());
            assert_near(&parameters, &expected.0, 1e-4, &what);
            assert_near(&losses, &expected.1, 1e-4, &what);
            found.push(parameters);
        }
        assert_eq!(found[0], found[2], "{}", engine.device());
        assert_ne!(found[0], found[1], "{}", engine.device());
    }
}

#[test]
fn the_fused_kernels_take_formulas_of_the_caller() {
    let own = Activation::custom(Softsign { scale: 1.5 });
    let network = network(own);
    for adapter in adapters() {
        let engine = Engine::from(open(&adapter).with_kernels(Kernels::Fused));
        train(&engine, &network, Loss::custom(Power { factor: 1.0, wgsl: None })).unwrap();
        assert!(engine.predict(&network, &[0.0; 3]).is_ok(), "{adapter}");
    }
}

#[test]
fn a_session_evaluates_losses_and_metrics_with_formulas_of_the_caller() {
    let (network, samples) = (network(Activation::custom(Bent)), samples());
    for engine in engines() {
        let plan = Trainer::default().plan(&samples);
        let mut session = block_on(engine.start(&network, &plan, &samples)).unwrap();
        for factor in [1.0, 2.0, 1.0] {
            let loss = Loss::custom(Power { factor, wgsl: None });
            let outputs = engine.predict_f64(&network, &double(&numbers(3 * SAMPLES, 1))).unwrap();
            let targets = numbers(4 * SAMPLES, 2);
            let errors = outputs.iter().zip(&targets).map(|(y, t)| (y - f64::from(*t)).powi(2));
            let expected = factor * errors.sum::<f64>() / targets.len() as f64;
            let found = block_on(session.evaluate(&samples, loss)).unwrap();
            assert!((found / expected - 1.0).abs() < 1e-5, "{found}, not {expected}");
        }
        if engine.device().backend == Backend::Gpu {
            let broken = Loss::custom(Power { factor: 1.0, wgsl: Some("fn row_loss() {}") });
            let error = block_on(session.evaluate(&samples, broken)).unwrap_err().to_string();
            assert!(error.contains("compiling the WGSL of the loss"), "{error}");
            assert!(block_on(session.evaluate(&samples, Loss::L1)).is_ok());
        }
        let metrics = vec![Metric::MeanAbsoluteError];
        let trainer = Trainer { metrics, epochs: 1, ..Trainer::default() };
        let mut run = trainer.begin(&engine, &network, (&samples, &samples)).unwrap();
        run.run().unwrap();
    }
}

#[test]
fn an_activation_without_wgsl_is_refused_by_the_gpu_engine_alone() {
    let network = network(Activation::custom(Written(None)));
    let expected = "the activation has no WGSL, which the GPU engine computes with: define \
                    ActivationFn::wgsl, or use the CPU engine";
    for engine in every_choice() {
        let refused = |error: Error| {
            assert!(matches!(error, Error::Unsupported(_)), "{error:?}");
            assert_eq!(error.to_string(), expected);
        };
        refused(Trainer::default().begin(&engine, &network, samples()).err().unwrap());
        refused(engine.predict(&network, &[0.0; 3]).err().unwrap());
        refused(engine.logits(&network, &[0.0; 3]).err().unwrap());
        refused(engine.prepare(&network).err().unwrap());
        refused(engine.parameter_gradient(&network, &[0.0; 3], &[0.0; 4]).err().unwrap());
        assert_eq!(engine.notes(), [""; 0]);
    }
    for engine in engines().into_iter().filter(|e| e.device().backend != Backend::Gpu) {
        train(&engine, &network, Loss::MeanSquaredError).unwrap();
    }
    // The loss in the same words.
    struct NoText;
    impl LossFn for NoText {
        fn row(&self, _: &[f64], _: &[f64], _: &mut [f64]) -> f64 {
            0.0
        }
    }
    let trainer = Trainer { loss: Loss::custom(NoText), ..Trainer::default() };
    let network = self::network(Activation::Tanh);
    for engine in every_choice() {
        let error = trainer.begin(&engine, &network, samples()).err().unwrap();
        assert!(matches!(error, Error::Unsupported(_)), "{error:?}");
        let expected = expected.replace("activation", "loss").replace("ActivationFn", "LossFn");
        assert_eq!(error.to_string(), expected);
        assert_eq!(engine.notes(), [""; 0]);
    }
}

#[test]
fn wgsl_that_does_not_compile_is_reported_with_the_formula_and_the_reason() {
    let activations = [
        ("", "activation"),
        ("fn activation(z: f32) -> f32 { return z; }", "activation_slope"),
        (
            "fn activation(z: f32) -> f32 { return zz; }
            fn activation_slope(z: f32) -> f32 { return 1.0; }",
            "zz",
        ),
        ("fn activation(z: f32 -> f32 { return z; }", "expected"),
        (
            "fn activation(z: u32) -> f32 { return f32(z); }
            fn activation_slope(z: f32) -> f32 { return 1.0; }",
            "activation",
        ),
        (
            "enable f16; fn activation(z: f32) -> f32 { return z; }
            fn activation_slope(z: f32) -> f32 { return 1.0; }",
            "enable",
        ),
        ("/* €", "unterminated"),
    ];
    // A long report is cut.
    let long: &str = Box::leak("(".repeat(100_000).into_boxed_str());
    let losses = [
        ("", "row_loss"),
        ("fn row_loss(row: u32, outputs: u32) -> f32 { return 0.0; }", "row_loss"),
        ("fn row_loss(row: u32, outputs: u32, scale: f32) -> f32 { return lost; }", "lost"),
    ];
    for engine in every_choice() {
        let check = |error: Error, formula: &str, reason: &str| {
            let error = error.to_string();
            let named = format!("compiling the WGSL of the {formula}: ");
            assert!(error.contains(&named) && error.contains(reason), "{reason}: {error}");
            assert!(!error.contains('\n'), "{error}");
        };
        for (text, reason) in activations {
            let network = network(Activation::custom(Written(Some(text))));
            let trainer = Trainer::default();
            let error = trainer.begin(&engine, &network, samples()).err().unwrap();
            check(error, "activation of layer 1", reason);
            check(
                engine.predict(&network, &[0.0; 3]).err().unwrap(),
                "activation of layer 1",
                reason,
            );
            check(engine.prepare(&network).err().unwrap(), "activation of layer 1", reason);
            let error = engine.parameter_gradient(&network, &[0.0; 3], &[0.0; 4]).err().unwrap();
            check(error, "activation of layer 1", reason);
            let error = engine.backward(&network, &[0.0; 3], &[0.0; 4]).err().unwrap();
            check(error, "activation of layer 1", reason);
        }
        for (text, reason) in losses {
            let loss = Loss::custom(Power { factor: 1.0, wgsl: Some(text) });
            let error = train(&engine, &network(Activation::Tanh), loss).err().unwrap();
            check(error, "loss", reason);
        }
        let network = network(Activation::custom(Written(Some(long))));
        let error = engine.predict(&network, &[0.0; 3]).err().unwrap().to_string();
        assert!(error.ends_with('…') && error.chars().count() < 2_000, "{error}");
        assert_eq!(engine.notes(), [""; 0]);
        // The engine goes on.
        let own = Activation::custom(Softsign { scale: 1.0 });
        train(&engine, &self::network(own), Loss::MeanSquaredError).unwrap();
    }
}

/// `2·z`, in WGSL whose names could be taken for others: for those that the engine gives its declarations
/// (`_own`, `_own_0`, `_0`), for the entry points of its kernels, and for others in a comment.
struct Twice;

impl ActivationFn for Twice {
    fn value(&self, z: f64) -> f64 {
        2.0 * z
    }

    fn slope(&self, _: f64) -> f64 {
        2.0
    }

    fn wgsl(&self) -> Option<String> {
        let text = "// Lines end\u{2028}const k = 2.0; alias F = f32; fn main(z: F) -> F { return k * z; }
            fn trial(z: F) -> F { let k_own = 3.0; let k_own_0 = 1.0; return main(z) + (k_own - 3.0 * k_own_0); }
            fn activation(z: F) -> F { return trial(z); }
            fn activation_slope(z: F) -> F {
                let activation_0 = activation(1.0);
                let activation_1 = activation(0.0);
                return activation_0 - activation_1;
            }";
        Some(text.into())
    }
}

#[test]
fn names_in_a_formula_are_taken_for_no_others() {
    let network = network(Activation::custom(Twice));
    let (inputs, slopes) = (numbers(3 * SAMPLES, 1), numbers(4 * SAMPLES, 2));
    let reference = Engine::from(ReferenceEngine::new());
    let expected = reference.backward(&network, &inputs, &slopes).unwrap();
    let outputs = double(&reference.predict(&network, &inputs).unwrap());
    for engine in every_choice() {
        let what = engine.device().to_string();
        let found = double(&engine.predict(&network, &inputs).unwrap());
        assert_near(&found, &outputs, 1e-5, &what);
        let found = engine.backward(&network, &inputs, &slopes).unwrap();
        assert_near(&found.parameters, &expected.parameters, 1e-5, &what);
        let found = engine.parameter_gradient(&network, &inputs, &slopes).unwrap();
        assert_near(&found, &expected.parameters, 1e-5, &what);
        assert_eq!(engine.notes(), [""; 0]);
    }
}

#[test]
fn wgsl_that_binds_a_resource_is_refused() {
    let text = "@group(0) @binding(0) var<storage, read_write> numbers: array<f32>;
        fn activation(z: f32) -> f32 { numbers[0] = z; return z; }
        fn activation_slope(z: f32) -> f32 { return 1.0; }";
    let network = network(Activation::custom(Written(Some(text))));
    let expected = "the WGSL of the activation of layer 1 binds a resource, by @group or @binding: declare \
                    functions, constants and structures alone";
    for engine in every_choice() {
        let error = engine.predict(&network, &[0.0; 3]).err().unwrap();
        assert_eq!(error.to_string(), expected);
        let error = engine.backward(&network, &[0.0; 3], &[0.0; 4]).err().unwrap();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_network_with_an_activation_of_the_caller_is_in_no_file() {
    let own = Activation::custom(Bent);
    let network = network(own);
    let expected = "an activation of the caller's cannot be written or read";
    let error = network.encode().unwrap_err().to_string();
    assert_eq!(error, format!("the network cannot be saved: {expected}"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.safetensors");
    let error = network.save(&path).unwrap_err().to_string();
    assert!(error.contains(expected) && !path.exists(), "{error}");
    let engine = Engine::from(ReferenceEngine::new());
    let trainer = Trainer { epochs: 1, ..Trainer::default() };
    let mut run = trainer.begin(&engine, &network, samples()).unwrap();
    run.run().unwrap();
    let error = run.state().unwrap().encode().unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
    // A run continues in memory.
    let state = run.state().unwrap();
    assert_eq!(state.network().layers(), network.layers());

    assert_eq!(own.to_string(), "custom");
    assert!(own == own && own != Activation::custom(Bent));
    assert!(network == network.clone() && network != self::network(Activation::custom(Bent)));
    assert!(format!("{network:?}").contains("Custom { formula: number "));
    let error = serde_json::to_string(&network.layers()[0]).unwrap_err().to_string();
    assert_eq!(error, expected);
    let written = r#"{"custom": {"formula": 1}}"#;
    let error = serde_json::from_str::<Activation>(written).unwrap_err().to_string();
    assert!(error.starts_with(expected), "{error}");
    let error = "custom".parse::<Activation>().unwrap_err().to_string();
    assert!(error.contains("there is no activation 'custom'"), "{error}");
}

/// An activation whose value or slope is not a number.
struct NotANumber {
    in_slope: bool,
}

impl ActivationFn for NotANumber {
    fn value(&self, z: f64) -> f64 {
        if self.in_slope { z } else { f64::NAN }
    }

    fn slope(&self, _: f64) -> f64 {
        if self.in_slope { f64::NAN } else { 1.0 }
    }

    fn wgsl(&self) -> Option<String> {
        let nan = "sqrt(-1.0 - abs(z))";
        let [value, slope] = if self.in_slope { ["z", nan] } else { [nan, "1.0"] };
        Some(format!(
            "fn activation(z: f32) -> f32 {{ return {value}; }}
            fn activation_slope(z: f32) -> f32 {{ return {slope}; }}"
        ))
    }
}

#[test]
fn an_activation_that_is_not_a_number_is_divergence() {
    for in_slope in [false, true] {
        let network = network(Activation::custom(NotANumber { in_slope }));
        for engine in engines() {
            let what = format!("{in_slope} on {}", engine.device());
            let mut trained = network.clone();
            let trainer = Trainer { epochs: 3, ..Trainer::default() };
            match trainer.fit(&engine, &mut trained, samples()) {
                Err(Error::Diverged { what: part, step: 1, .. }) => {
                    assert_eq!(part == "the loss", !in_slope, "{what}: {part}");
                }
                other => panic!("{what}: {other:?}"),
            }
            assert_near(trained.parameters(), network.parameters(), 1e-6, &what);
        }
    }
}

#[test]
fn a_formula_that_panics_ends_the_call_alone() {
    struct Panics;
    impl ActivationFn for Panics {
        fn value(&self, _: f64) -> f64 {
            panic!("as a test")
        }
        fn slope(&self, _: f64) -> f64 {
            1.0
        }
    }
    let network = network(Activation::custom(Panics));
    for engine in engines().into_iter().filter(|e| e.device().backend != Backend::Gpu) {
        let call = std::panic::AssertUnwindSafe(|| train(&engine, &network, Loss::L1).is_ok());
        assert!(std::panic::catch_unwind(call).is_err(), "{}", engine.device());
        let own = Activation::custom(Bent);
        train(&engine, &self::network(own), Loss::L1).unwrap();
    }
}
