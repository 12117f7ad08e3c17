//! Every name of tiny-cuda-nn's vocabulary, in mixed case.

use crate::{in_mixed_case, mixed, read, refusal};
use impasto::grid::{GridKind, Interpolation};
use impasto::input_encoding::{Composite, InputEncoding, Part, Reduction};
use impasto::{
    Accumulate, Activation, Configuration, Ema, Encoding, Lookahead, Loss, Optimizer, Schedule,
    Wrappers,
};
use serde_json::{Value, json};

/// Reads a configuration of one part, as it is and in mixed case.
fn both(key: &str, value: &Value) -> Configuration {
    let configuration = read(&json!({ key: value }).to_string());
    let other = read(&json!({ key: in_mixed_case(value) }).to_string());
    assert_eq!(other, configuration, "{value}");
    configuration
}

#[test]
fn names_are_mixed() {
    assert_eq!((mixed("ReLU"), mixed("hash")), ("relU".into(), "HaSh".into()));
}

#[test]
fn networks() {
    for name in ["FullyFusedMLP", "CutlassMLP", "MLP", "MegakernelMLP"] {
        let network = json!({ "otype": name, "n_neurons": 48, "n_hidden_layers": 3 });
        assert_eq!(both("network", &network).hidden, [48; 3]);
    }
    let none = json!({ "n_hidden_layers": 0 });
    let network = both("network", &none).network(2, 3).unwrap();
    assert_eq!(network.widths(), [32, 3]);
}

#[test]
fn activations() {
    for (name, expected) in [
        ("None", Activation::Identity),
        ("ReLU", Activation::Relu),
        ("LeakyReLU", Activation::LeakyRelu { slope: 0.01 }),
        ("SiLU", Activation::Silu),
        ("Exponential", Activation::Exponential),
        ("Sine", Activation::Sine { omega: 1.0 }),
        ("Sigmoid", Activation::Sigmoid),
        ("Squareplus", Activation::Squareplus { b: 0.04 }),
        ("Softplus", Activation::Softplus { beta: 10.0 }),
        ("Tanh", Activation::Tanh),
    ] {
        let network = json!({ "activation": name, "output_activation": name });
        let configuration = both("network", &network);
        assert_eq!(configuration.activation, expected);
        assert_eq!(configuration.output_activation, Some(expected));
    }
    // As its source has them, with K_ACT = 10: x = 10·z, (x + √(x² + 4))/20 and ln(eˣ + 1)/10.
    for z in [-0.3_f64, 0.0, 0.05, 0.7] {
        let x = 10.0 * z;
        let squareplus = Activation::Squareplus { b: 0.04 }.value(z);
        assert!((squareplus - (x + (x * x + 4.0).sqrt()) / 20.0).abs() < 1e-15);
        let softplus = Activation::Softplus { beta: 10.0 }.value(z);
        assert!((softplus - (x.exp() + 1.0).ln() / 10.0).abs() < 1e-15);
    }
}

#[test]
fn losses() {
    for (name, expected) in [
        ("L1", Loss::L1),
        ("RelativeL1", Loss::RELATIVE_L1),
        ("MAPE", Loss::MAPE),
        ("SMAPE", Loss::SMAPE),
        ("L2", Loss::MeanSquaredError),
        ("RelativeL2", Loss::RELATIVE_L2),
        ("RelativeL2Luminance", Loss::RELATIVE_L2_LUMINANCE),
    ] {
        assert_eq!(both("loss", &json!({ "otype": name })).loss, Some(expected));
    }
    for name in ["CrossEntropy", "Variance"] {
        let message = refusal(&json!({ "loss": { "otype": name } }).to_string());
        let there = "L1, RelativeL1, MAPE, SMAPE, L2, RelativeL2, RelativeL2Luminance";
        assert_eq!(
            message,
            format!("loss.otype: impasto does not have the loss {name}: there is {there}")
        );
    }
}

#[test]
fn encodings_of_all_inputs() {
    for (value, expected) in [
        (json!({ "otype": "Frequency" }), Encoding::Frequency { octaves: 12 }),
        (json!({ "otype": "Frequency", "n_frequencies": 5 }), Encoding::Frequency { octaves: 5 }),
        (json!({ "otype": "Identity" }), Encoding::Scaled { scale: 1.0, offset: 0.0 }),
        (
            json!({ "otype": "Identity", "scale": 2, "offset": -1 }),
            Encoding::Scaled { scale: 2.0, offset: -1.0 },
        ),
        (json!({ "otype": "OneBlob" }), Encoding::OneBlob { bins: 16 }),
        (json!({ "n_bins": 3e1 }), Encoding::OneBlob { bins: 30 }),
        (json!({ "otype": "TriangleWave" }), Encoding::TriangleWave { octaves: 12 }),
    ] {
        assert_eq!(both("encoding", &value).encoding, expected.into());
    }
    let harmonics = r#"{"encoding": {"otype": "sphericalHARMONICS"}}"#;
    let read = Configuration::from_json(harmonics, 3).unwrap();
    assert_eq!(read.encoding, Encoding::SphericalHarmonics { degree: 4 }.into());
    assert!(refusal(harmonics).starts_with("encoding: spherical harmonics of 2 inputs"));
}

#[test]
fn grids() {
    let default = Encoding::Grid {
        kind: GridKind::Hash,
        levels: 16,
        features: 2,
        log2_size: 19,
        base_resolution: 16,
        level_scale: 2.0,
        interpolation: Interpolation::Linear,
    };
    // The last of 16 levels has the resolution 256.
    let growth = 16.0_f64.powf(1.0 / 15.0);
    let set = |change: &dyn Fn(&mut GridKind, &mut f64)| {
        let Encoding::Grid {
            mut kind,
            levels,
            features,
            log2_size,
            base_resolution,
            mut level_scale,
            interpolation,
        } = default
        else {
            unreachable!("a grid");
        };
        // With 16 levels of growth 2, the resolution is above the limit.
        level_scale = f64::min(level_scale, 1.5);
        change(&mut kind, &mut level_scale);
        Encoding::Grid {
            kind,
            levels,
            features,
            log2_size,
            base_resolution,
            level_scale,
            interpolation,
        }
    };
    let near = |value: &Value, expected: Encoding| {
        let encoding = both("encoding", value).encoding.plain().unwrap();
        let parts = |encoding: Encoding| match encoding {
            Encoding::Grid { kind, levels, features, level_scale, .. } => {
                ((kind, levels, features), level_scale)
            }
            other => panic!("{other}"),
        };
        let ((read, scale), (expected, growth)) = (parts(encoding), parts(expected));
        assert!(read == expected && (scale - growth).abs() < 1e-12, "{value}: {encoding}");
    };
    let dense = set(&|kind, scale| (*kind, *scale) = (GridKind::Dense, growth));
    near(&json!({ "otype": "Grid", "per_level_scale": 1.5 }), set(&|_, _| {}));
    near(&json!({ "otype": "HashGrid", "per_level_scale": 1.5 }), set(&|_, _| {}));
    near(&json!({ "otype": "DenseGrid" }), dense);
    near(&json!({ "otype": "Grid", "type": "Dense" }), dense);
    let tiled = set(&|kind, _| *kind = GridKind::Tiled);
    near(&json!({ "otype": "TiledGrid", "per_level_scale": 1.5 }), tiled);
    near(&json!({ "otype": "Grid", "type": "Tiled", "per_level_scale": 1.5 }), tiled);
    for (name, expected) in [
        ("Nearest", Interpolation::Nearest),
        ("Linear", Interpolation::Linear),
        ("Smoothstep", Interpolation::Smoothstep),
    ] {
        let value = json!({ "otype": "HashGrid", "interpolation": name, "n_levels": 4 });
        let Some(Encoding::Grid { interpolation, .. }) = both("encoding", &value).encoding.plain()
        else {
            panic!("a grid");
        };
        assert_eq!(interpolation, expected);
    }
    for key in ["n_features", "n_grid_features"] {
        let value = json!({ "otype": "HashGrid", key: 32, "n_features_per_level": 8,
                            "stochastic_interpolation": false, "hash": "CoherentPrime" });
        let Some(Encoding::Grid { levels, features, .. }) =
            both("encoding", &value).encoding.plain()
        else {
            panic!("a grid");
        };
        assert_eq!((levels, features), (4, 8));
    }
}

/// A composite of these parts.
fn composite(reduction: Reduction, parts: &[(std::ops::Range<usize>, Encoding)]) -> InputEncoding {
    let part = |(inputs, encoding): &(std::ops::Range<usize>, Encoding)| Part {
        inputs: Some(inputs.clone()),
        encoding: (*encoding).into(),
    };
    Composite { reduction, parts: parts.iter().map(part).collect() }.into()
}

#[test]
fn composites() {
    let waves = Encoding::TriangleWave { octaves: 12 };
    let blobs = Encoding::OneBlob { bins: 4 };
    let nested = json!({ "otype": "Composite", "nested": [
        { "n_dims_to_encode": 1, "otype": "TriangleWave" },
        { "otype": "OneBlob", "n_bins": 4 },
    ] });
    let expected = composite(Reduction::Concatenation, &[(0..1, waves), (1..2, blobs)]);
    assert_eq!(both("encoding", &nested).encoding, expected);
    for (name, reduction) in [
        ("Concatenation", Reduction::Concatenation),
        ("Sum", Reduction::Sum),
        ("Product", Reduction::Product),
    ] {
        // The same inputs twice, and a part without any.
        let nested = json!({ "otype": "Composite", "reduction": name, "nested": [
            { "n_dims_to_encode": 2, "dims_to_encode_begin": 0, "otype": "Frequency", "n_frequencies": 1 },
            { "n_dims_to_encode": 2, "dims_to_encode_begin": 0, "otype": "OneBlob", "n_bins": 2 },
            { "n_dims_to_encode": 0, "otype": "Identity" },
        ] });
        let blobs = Encoding::OneBlob { bins: 2 };
        let expected =
            composite(reduction, &[(0..2, Encoding::Frequency { octaves: 1 }), (0..2, blobs)]);
        assert_eq!(both("encoding", &nested).encoding, expected);
    }
    let within = json!({ "otype": "Composite", "nested": [
        { "n_dims_to_encode": 1, "otype": "Empty" },
        { "otype": "Composite", "nested": [{ "otype": "OneBlob", "n_bins": 4 }] },
    ] });
    let inner = composite(Reduction::Concatenation, &[(0..1, blobs)]);
    let parts = vec![Part { inputs: Some(1..2), encoding: inner }];
    let expected = Composite { reduction: Reduction::Concatenation, parts };
    assert_eq!(both("encoding", &within).encoding, expected.into());
}

#[test]
fn the_encoding_of_neural_radiance_caching() {
    for name in ["NRC", "OneBlobFrequency", "oneblobFREQUENCY"] {
        let text = json!({ "encoding": { "otype": name, "n_bins": 8 } }).to_string();
        let waves = Encoding::TriangleWave { octaves: 12 };
        let blobs = Encoding::OneBlob { bins: 8 };
        let parts = [(0..3, waves), (3..8, blobs), (8..14, Encoding::SCALED)];
        for (inputs, count) in [(14, 3), (8, 2)] {
            let read = Configuration::from_json(&text, inputs).unwrap();
            assert_eq!(read.encoding, composite(Reduction::Concatenation, &parts[..count]));
        }
        let message = refusal(&text);
        assert_eq!(message, "encoding: OneBlobFrequency takes 8 inputs or more, and there are 2");
    }
}

#[test]
fn optimizers() {
    let adam = Optimizer::Adam { beta1: 0.8, beta2: 0.99, epsilon: 1e-15 };
    let value = json!({ "otype": "Adam", "learning_rate": 0.5, "beta1": 0.8, "beta2": 0.99,
                        "epsilon": 1e-15, "l2_reg": 0.25, "absolute_decay": 0, "clipping_magnitude": 0,
                        "skip_zero_grad_non_matrix_params": true });
    let read = both("optimizer", &value);
    assert_eq!((read.optimizer, read.learning_rate, read.l2), (adam, 0.5, 0.25));
    let read = both("optimizer", &json!({ "relative_decay": 0.1 }));
    let expected = Optimizer::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.1 };
    assert_eq!(read.optimizer, expected);
    let read = both("optimizer", &json!({ "otype": "Adam", "adabound": true, "beta2": 0.75 }));
    let expected = Optimizer::AdaBound {
        beta1: 0.9,
        beta2: 0.75,
        epsilon: 1e-8,
        final_rate: 0.1,
        gamma: 0.25,
    };
    assert_eq!(read.optimizer, expected);
    let read = both("optimizer", &json!({ "otype": "Novograd" }));
    let expected = Optimizer::Novograd {
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.0,
        averaging: true,
    };
    assert_eq!((read.optimizer, read.l2), (expected, 0.0));
    let read = both("optimizer", &json!({ "otype": "SGD", "learning_rate": 2 }));
    assert_eq!((read.optimizer, read.learning_rate, read.l2), (Optimizer::SGD, 2.0, 1e-8));
    for (name, words) in [
        (
            "Shampoo",
            "optimizer.otype: impasto does not have the optimizer Shampoo: there is Adam, Novograd, SGD, \
                     Batched, EMA, ExponentialDecay, Lookahead",
        ),
        ("Average", "impasto does not have the optimizer Average"),
        ("Composite", "impasto does not have the optimizer Composite"),
    ] {
        let message = refusal(&json!({ "optimizer": { "otype": name } }).to_string());
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn wrappers_of_optimizers() {
    // As in instant-ngp's configurations.
    let value = json!({ "otype": "EMA", "decay": 0.95, "full_precision": true, "nested": {
        "otype": "ExponentialDecay", "decay_start": 20000, "decay_interval": 1e4, "decay_base": 0.33,
        "nested": { "otype": "Lookahead", "nested": { "otype": "SGD" } },
    } });
    let read = both("optimizer", &value);
    let expected = Wrappers {
        ema: Some(Ema { decay: 0.95, bias_correction: true }),
        lookahead: Some(Lookahead { alpha: 0.5, every: 16 }),
        ..Wrappers::default()
    };
    assert_eq!((read.optimizer, read.wrappers), (Optimizer::SGD, expected));
    let schedule = Schedule::ExponentialSteps {
        factor: 0.33,
        start: 20_000,
        end: 10_000_000,
        interval: 10_000,
    };
    assert_eq!(read.schedule, schedule);
    // Defaults of all, and Adam inside.
    let value = json!({ "otype": "Batched", "nested": { "otype": "EMA" } });
    let read = both("optimizer", &value);
    let expected = Wrappers {
        accumulate: Some(Accumulate { batches: 16 }),
        ema: Some(Ema { decay: 0.99, bias_correction: true }),
        ..Wrappers::default()
    };
    assert_eq!((read.optimizer, read.wrappers), (Optimizer::ADAM, expected));
    // Schedules count batches, so what is inside of Batched takes 16 times as many.
    for (outer, inner, times) in
        [("ExponentialDecay", "Batched", 1), ("Batched", "ExponentialDecay", 16)]
    {
        let read = both("optimizer", &json!({ "otype": outer, "nested": { "otype": inner } }));
        let expected = Schedule::ExponentialSteps {
            factor: 0.1,
            start: 10_000 * times,
            end: 10_000_000 * times,
            interval: 10_000 * times,
        };
        assert_eq!(read.schedule, expected);
    }
}
