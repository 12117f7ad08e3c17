//! Files that older versions wrote.

use super::{fixture, samples};
use impasto::cpu::CpuEngine;
use impasto::{Activation, Encoding, Network, Training, TrainingState};

#[test]
fn networks_of_version_0_1_are_read() {
    let (network, texts) = Network::load_with(fixture("network-0.1.safetensors")).unwrap();
    assert_eq!(texts["note"], "a text");
    assert_eq!((texts.len(), network.encoding()), (1, &Encoding::Frequency { octaves: 2 }.into()));
    let layers: Vec<_> =
        network.layers().iter().map(|l| (l.fan_out, l.activation, l.bias, l.dropout)).collect();
    let leaky = Activation::LeakyRelu { slope: 0.25 };
    let identity = Activation::Identity;
    assert_eq!(
        layers,
        [(5, Activation::Tanh, false, 0.0), (4, leaky, true, 0.125), (1, identity, true, 0.0)]
    );
    assert_eq!(Network::decode(&network.encode().unwrap()).unwrap(), network);
}

/// A run after 48 of 200 steps, with early stopping, a plateau and an average, in the tenth of its epochs.
#[test]
fn runs_of_version_0_1_go_on() {
    let state = TrainingState::load(fixture("run-0.1.safetensors")).unwrap();
    let summary = state.summary();
    assert_eq!((summary.steps, summary.epochs, summary.history.len()), (48, 9, 9));
    let again = TrainingState::decode(&state.encode().unwrap()).unwrap();
    assert_eq!(again, state);
    let engine = CpuEngine::new(Some(1)).unwrap();
    let mut resumed = Training::resume(&engine, samples(), &state).unwrap();
    resumed.run().unwrap();
    // As that version went on, but for the last digits of other vector instructions.
    let learned = resumed.parameters().unwrap();
    for (place, expected) in [(0, 0.171_255_804), (30, -0.287_599_8), (68, 0.003_648_402_9)] {
        assert!((learned[place] - expected).abs() < 1e-5, "{place}: {}", learned[place]);
    }
}
