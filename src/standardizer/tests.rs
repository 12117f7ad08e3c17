//! Tests of `Standardizer`.

use super::*;
use crate::activation::Activation;
use crate::encoding::Encoding;
use crate::engine::Engine;
use crate::engine::cpu::CpuEngine;
use crate::engine::reference::ReferenceEngine;

/// Three samples of three inputs and two targets.
fn samples() -> Dataset {
    let inputs = vec![100.0, 5.0, 1.0, 300.0, 5.0, 2.0, 200.0, 5.0, 6.0];
    let targets = vec![1.0, -2e6, 2.0, 3e6, 3.0, 5e6];
    let samples = Dataset::new(inputs, targets, 3, 2).expect("three samples");
    samples.with_weights(&[1.0, 2.0, 3.0]).expect("three weights")
}

fn network() -> Network {
    let network = Network::builder(3).hidden(&[4], Activation::Tanh);
    network.output(2, Activation::Identity).seed(3).build().expect("a network")
}

fn double(numbers: Vec<f32>) -> Vec<f64> {
    numbers.into_iter().map(f64::from).collect()
}

#[test]
fn inputs_have_mean_0_and_deviation_1() {
    let standardizer = Standardizer::fit(&samples());
    assert_eq!(standardizer.means(), [200.0, 5.0, 3.0]);
    assert_eq!(standardizer.deviations()[1], 1.0);
    let applied = standardizer.apply(&samples()).expect("it fits");
    let again = Standardizer::fit(&applied);
    assert!(again.means().iter().all(|mean| mean.abs() < 1e-6), "{again:?}");
    assert!(again.deviations().iter().all(|d| (d - 1.0).abs() < 1e-6), "{again:?}");
    assert_eq!(applied.weights(0..3), [1.0, 2.0, 3.0]);
    assert_eq!(applied.rows(0..3).1, samples().rows(0..3).1);
}

#[test]
fn targets_have_mean_0_and_deviation_1_and_come_back() {
    let standardizer = Standardizer::fit_targets(&samples());
    assert_eq!(standardizer.means(), [2.0, 2e6]);
    let applied = standardizer.apply(&samples()).expect("it fits");
    let again = Standardizer::fit_targets(&applied);
    assert!(again.means().iter().all(|mean| mean.abs() < 1e-6), "{again:?}");
    assert!(again.deviations().iter().all(|d| (d - 1.0).abs() < 1e-6), "{again:?}");
    assert_eq!(applied.weights(0..3), [1.0, 2.0, 3.0]);
    let (inputs, mut targets) = applied.rows(0..3);
    let (raw_inputs, raw_targets) = samples().rows(0..3);
    assert_eq!(inputs, raw_inputs);
    standardizer.invert(&mut targets).expect("it fits");
    for (target, raw) in targets.iter().zip(raw_targets) {
        assert!((target - raw).abs() <= 1e-6 * raw.abs(), "{target} {raw}");
    }
}

#[test]
fn a_folded_network_computes_the_same_in_raw_units() {
    let (inputs, targets) = (Standardizer::fit(&samples()), Standardizer::fit_targets(&samples()));
    let before = network();
    let raw = double(samples().rows(0..3).0);
    // In f64, so that what is left is the error of the folded parameters.
    let scaled = raw.iter().enumerate();
    let scaled: Vec<f64> =
        scaled.map(|(i, x)| (x - inputs.means()[i % 3]) / inputs.deviations()[i % 3]).collect();
    let engine = Engine::from(ReferenceEngine::new());
    let outputs = engine.predict_f64(&before, &scaled).expect("three samples");
    let outputs = outputs.into_iter().enumerate();
    let expected: Vec<f64> =
        outputs.map(|(i, y)| y * targets.deviations()[i % 2] + targets.means()[i % 2]).collect();
    let folded = |order: [&Standardizer; 2]| {
        let mut network = before.clone();
        for standardizer in order {
            standardizer.fold_into(&mut network).expect("it fits");
        }
        network
    };
    let network = folded([&inputs, &targets]);
    assert_eq!(network, folded([&targets, &inputs]));
    let single: Vec<f32> = raw.iter().map(|x| *x as f32).collect();
    for (engine, tolerance) in
        [(engine, 1e-13), (Engine::from(CpuEngine::new(Some(1)).expect("a thread")), 1e-5)]
    {
        let exact = engine.predict_f64(&network, &raw).expect("three samples");
        let rounded = double(engine.predict(&network, &single).expect("three samples"));
        for (place, expected) in expected.iter().enumerate() {
            let most = tolerance * targets.deviations()[place % 2].max(expected.abs());
            assert!((exact[place] - expected).abs() <= most, "{} {expected}", exact[place]);
            let most = most.max(1e-6 * expected.abs());
            assert!((rounded[place] - expected).abs() <= most, "{} {expected}", rounded[place]);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let (inputs, targets) = (Standardizer::fit(&samples()), Standardizer::fit_targets(&samples()));
    let refused = |standardizer: &Standardizer, network: crate::Builder| {
        let mut network = network.build().expect("a network");
        let before = network.clone();
        let error = standardizer.fold_into(&mut network).expect_err("unfit").to_string();
        assert_eq!(network, before);
        error
    };
    let output = Activation::Identity;
    let other = Network::builder(2).output(1, output);
    assert!(refused(&inputs, other.clone()).contains("3 inputs does not fit 2"));
    assert!(refused(&targets, other).contains("2 targets does not fit 1"));
    let encoded = Network::builder(3).encoding(Encoding::Frequency { octaves: 2 });
    assert!(refused(&inputs, encoded.output(1, output)).contains("with the frequency"));
    let unbiased = Network::builder(3).without_biases().output(2, output);
    assert!(refused(&inputs, unbiased.clone()).contains("first layer has no biases"));
    assert!(refused(&targets, unbiased).contains("output layer has no biases"));
    let tanh = Network::builder(3).output(2, Activation::Tanh);
    assert!(refused(&targets, tanh).contains("activation is tanh: it must be identity"));
    assert!(inputs.apply_to(&mut [0.0; 4]).is_err());
    assert!(targets.invert(&mut [0.0; 3]).is_err());
    let narrow = Dataset::new(vec![0.0; 2], vec![0.0], 2, 1).expect("a sample");
    assert!(inputs.apply(&narrow).is_err() && targets.apply(&narrow).is_err());
}

#[test]
fn numbers_that_leave_the_range_of_f32_are_refused_and_change_nothing() {
    let read = |of: &str, mean: f64, deviation: f64| {
        let text = format!(r#"{{"of":"{of}","means":[0,{mean}],"deviations":[1,{deviation}]}}"#);
        serde_json::from_str::<Standardizer>(&text).expect("a standardizer")
    };
    let before = [1.0, 2.0, 3.0, 4.0];
    let mut numbers = before;
    let error = read("inputs", 0.0, 1e-38).apply_to(&mut numbers).expect_err("too large");
    assert_eq!(error.to_string(), "number 3 of the inputs is 4, and would become inf");
    assert_eq!(numbers, before);
    let error = read("targets", 0.0, 1e38).invert(&mut numbers).expect_err("too large");
    assert_eq!(error.to_string(), "number 3 of the targets is 4, and would become inf");
    assert_eq!(numbers, before);
    assert!(read("inputs", 0.0, 1.0).apply_to(&mut [f32::NAN, 0.0]).is_err());

    let network = Network::builder(2).output(2, Activation::Identity);
    let network = network.build().expect("a network");
    for standardizer in [
        read("inputs", 0.0, 1e-40),
        // Weights that a GPU may take as 0.
        read("inputs", 0.0, 1e39),
        read("inputs", 1e300, 1.0),
        read("targets", 0.0, 1e40),
        read("targets", 0.0, 1e-40),
        read("targets", 1e39, 1.0),
    ] {
        let mut folded = network.clone();
        let error = standardizer.fold_into(&mut folded).expect_err("out of range").to_string();
        assert!(error.contains("outside the range of f32"), "{standardizer:?}: {error}");
        assert_eq!(folded, network);
    }
}

#[test]
fn json_is_checked_and_comes_back_to_the_bit() {
    for standardizer in [Standardizer::fit(&samples()), Standardizer::fit_targets(&samples())] {
        let text = serde_json::to_string(&standardizer).expect("JSON");
        assert_eq!(serde_json::from_str::<Standardizer>(&text).expect("read"), standardizer);
    }
    let refused =
        |text: &str| serde_json::from_str::<Standardizer>(text).expect_err("refused").to_string();
    for (text, reason) in [
        (r#"{"of":"inputs","means":[1,2],"deviations":[1]}"#, "not 2 and 1"),
        (r#"{"of":"inputs","means":[],"deviations":[]}"#, "not 0 and 0"),
        (r#"{"of":"inputs","means":[1],"deviations":[0]}"#, "is 0: it must be above 0"),
        (r#"{"of":"inputs","means":[1],"deviations":[-2]}"#, "is -2: it must be above 0"),
        (r#"{"of":"inputs","means":[null],"deviations":[1]}"#, "null"),
        (r#"{"of":"inputs","means":[1e999],"deviations":[1]}"#, "out of range"),
        (r#"{"of":"outputs","means":[1],"deviations":[1]}"#, "unknown variant"),
        (r#"{"means":[1],"deviations":[1]}"#, "missing field `of`"),
        ("null", "expected a standardizer"),
    ] {
        let error = refused(text);
        assert!(error.contains(reason), "{text}: {error}");
    }
}
