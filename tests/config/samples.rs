//! The sample configurations of tiny-cuda-nn: their networks, and some steps of training.

use crate::read;
use impasto::grid::{GridKind, Interpolation};
use impasto::reference::ReferenceEngine;
use impasto::{
    Activation, Configuration, Dataset, Encoding, Initialization, Loss, Optimizer, Schedule,
    SegmentKind, Trainer,
};

const HASH: &str = include_str!("hash.json");
const ONE_BLOB: &str = include_str!("oneblob.json");

/// 30 places in the unit square, with a color each.
fn samples() -> Dataset {
    let place = |i: usize| [(i % 6) as f32 / 6.0 + 0.05, (i / 6) as f32 / 5.0 + 0.07];
    let places: Vec<[f32; 2]> = (0..30).map(place).collect();
    let color = |[x, y]: &[f32; 2]| [*x, *y, if x > y { 1.0 } else { 0.2 }];
    let colors: Vec<[f32; 3]> = places.iter().map(color).collect();
    Dataset::from_rows(&places, &colors).unwrap()
}

/// The losses of some epochs on the reference.
fn losses(configuration: &Configuration, epochs: usize) -> Vec<f64> {
    let mut network = configuration.network(2, 3).unwrap();
    let trainer = Trainer { epochs, ..configuration.trainer(30) };
    let summary = trainer.fit(ReferenceEngine::new(), &mut network, samples()).unwrap();
    summary.history.iter().map(|epoch| epoch.loss).collect()
}

/// Asserts that every epoch but the first has a smaller loss than the first, and the last a much smaller one.
fn assert_learns(losses: &[f64]) {
    let last = losses.last().unwrap();
    assert!(losses.iter().all(|loss| loss.is_finite()) && last * 2.0 < losses[0], "{losses:?}");
}

#[test]
fn the_hash_grid() {
    let configuration = read(HASH);
    let grid = Encoding::Grid {
        kind: GridKind::Hash,
        levels: 16,
        features: 2,
        log2_size: 15,
        base_resolution: 16,
        level_scale: 1.5,
        interpolation: Interpolation::Linear,
    };
    let expected = Configuration {
        hidden: vec![64; 2],
        activation: Activation::Relu,
        output_activation: Some(Activation::Identity),
        biases: false,
        weights: impasto::config::Weights::Glorot,
        encoding: grid.into(),
        loss: Some(Loss::RELATIVE_L2),
        optimizer: Optimizer::Adam { beta1: 0.9, beta2: 0.99, epsilon: 1e-15 },
        learning_rate: 1e-2,
        schedule: Schedule::Constant,
        l2: 1e-6,
        ..Configuration::default()
    };
    assert_eq!(configuration, expected);
    let network = configuration.network(2, 3).unwrap();
    assert_eq!(network.widths(), [32, 64, 64, 3]);
    // 16², 24², 36², 54², 81², 122² corners, rounded up to multiples of 8, and ten hashed levels.
    let entries = 256 + 576 + 1296 + 2920 + 6568 + 14_888 + 10 * (1 << 15);
    let weights = 32 * 64 + 64 * 64 + 64 * 3;
    assert_eq!(network.parameters().len(), 2 * entries + weights);
    let segments = network.segments();
    assert_eq!(segments[0].kind, SegmentKind::Scattered);
    assert_eq!(segments[0].initialization, Initialization::Uniform { low: -1e-4, high: 1e-4 });
    assert!(segments[1..].iter().all(|s| s.initialization == Initialization::Glorot));
}

#[test]
fn the_hash_grid_learns() {
    // With a smaller table, since the reference is slow.
    let configuration =
        read(&HASH.replace("\"log2_hashmap_size\": 15", "\"log2_hashmap_size\": 6"));
    let mut losses = losses(&Configuration { batch_size: Some(10), ..configuration }, 12);
    // The relative error of the first steps, with outputs near 0, is large and falls at once.
    losses.remove(0);
    assert!(losses.iter().all(|loss| loss.is_finite()), "{losses:?}");
    assert!(losses.last() < losses.first(), "{losses:?}");
}

#[test]
fn the_one_blob_encoding() {
    let configuration = read(ONE_BLOB);
    assert_eq!(configuration.encoding, Encoding::OneBlob { bins: 64 }.into());
    assert_eq!(configuration.loss(), Loss::RELATIVE_L2);
    let network = configuration.network(2, 3).unwrap();
    assert_eq!(network.widths(), [128, 128, 128, 128, 128, 128, 3]);
    assert_eq!(network.parameters().len(), 5 * 128 * 128 + 128 * 3);
    let small = ONE_BLOB.replace("\"n_neurons\": 128", "\"n_neurons\": 16");
    assert_learns(&losses(&Configuration { batch_size: Some(10), ..read(&small) }, 10));
}

#[test]
fn what_a_configuration_does_not_say() {
    // Its defaults, each by one part that is in its names.
    let all = [
        read(r#"{"network": {}}"#),
        read(r#"{"encoding": {}}"#),
        read(r#"{"loss": {}}"#),
        read(r#"{"optimizer": {}}"#),
    ];
    for configuration in &all {
        assert_eq!(*configuration, all[0]);
    }
    let configuration = &all[0];
    assert_eq!(configuration.hidden, [128; 5]);
    assert_eq!(configuration.activation, Activation::Relu);
    assert_eq!(configuration.output_activation, Some(Activation::Identity));
    assert!(!configuration.biases);
    assert_eq!(configuration.encoding, Encoding::OneBlob { bins: 16 }.into());
    assert_eq!(configuration.loss, Some(Loss::RELATIVE_L2));
    assert_eq!(configuration.optimizer, Optimizer::ADAM);
    assert_eq!((configuration.learning_rate, configuration.l2), (1e-3, 1e-8));
    assert_eq!(configuration.schedule, Schedule::Constant);
    assert!(configuration.wrappers.is_empty());
    // Without any, those of this crate.
    assert_eq!(read("{}"), Configuration::default());
    let mixed = read(r#"{"encoding": "grid:levels=4", "optimizer": "sgd"}"#);
    assert_eq!(mixed.hidden, Configuration::default().hidden);
    // Parts in both names.
    let both = read(r#"{"encoding": "frequency:octaves=3", "network": {"n_neurons": 16}}"#);
    assert_eq!(both.encoding, Encoding::Frequency { octaves: 3 }.into());
    assert_eq!((both.hidden, both.loss), (vec![16; 5], Some(Loss::RELATIVE_L2)));
}

#[test]
fn the_weights_of_sines_are_those_of_siren() {
    let text = r#"{
        "network": { "activation": "Sine", "n_neurons": 64, "n_hidden_layers": 2 },
        "encoding": { "otype": "Identity" }
    }"#;
    let configuration = read(text);
    assert_eq!(configuration.activation, Activation::Sine { omega: 1.0 });
    let network = configuration.network(2, 3).unwrap();
    let largest = |layer| network.weights(layer).iter().fold(0.0, |most: f64, w| most.max(w.abs()));
    for (layer, limit) in
        [(0, 30.0 / 2.0), (1, (6.0_f64 / 64.0).sqrt()), (2, (6.0_f64 / 64.0).sqrt())]
    {
        let largest = largest(layer);
        assert!(largest <= limit && largest > 0.9 * limit, "{layer}: {largest}, {limit}");
    }
    // The identity scales, so that a picture's places are in [0, 1].
    assert_eq!(configuration.encoding, Encoding::SCALED.into());
}
