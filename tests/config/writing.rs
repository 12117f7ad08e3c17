//! Every configuration is read from what it is written as.

use crate::read;
use impasto::config::presets::Preset;
use impasto::config::{Length, Weights};
use impasto::{Activation, Configuration, Encoding, Loss, Optimizer, Schedule, Wrapper, Wrappers};
use serde_json::Value;

/// Asserts that `configuration` is read from what it is written as.
fn assert_round_trip(configuration: &Configuration) {
    let text = configuration.to_json().unwrap();
    assert_eq!(read(&text), *configuration, "{text}");
}

#[test]
fn every_component_of_this_crate() {
    let default = Configuration::default();
    let with = |change: &dyn Fn(&mut Configuration)| {
        let mut configuration = default.clone();
        change(&mut configuration);
        assert_round_trip(&configuration);
    };
    with(&|_| {});
    for activation in Activation::ALL {
        with(&|c| (c.activation, c.output_activation) = (*activation, Some(*activation)));
    }
    for loss in Loss::ALL {
        with(&|c| c.loss = Some(*loss));
    }
    for optimizer in Optimizer::ALL {
        with(&|c| c.optimizer = *optimizer);
    }
    for schedule in Schedule::ALL {
        with(&|c| c.schedule = *schedule);
    }
    for encoding in Encoding::ALL.iter().filter(|encoding| encoding.takes(2)) {
        with(&|c| c.encoding = (*encoding).into());
        with(&|c| c.encoding = format!("{encoding}+identity").parse().unwrap());
    }
    with(&|c| c.wrappers = Wrappers::new(Wrapper::ALL.iter().copied()).unwrap());
    for weights in Weights::ALL {
        with(&|c| c.weights = *weights);
    }
    for hidden in [vec![], vec![7], vec![3, 3, 5], vec![64, 32, 64, 64]] {
        with(&|c| c.hidden.clone_from(&hidden));
    }
    with(&|c| {
        c.biases = false;
        c.first_layer_scale = 30.0;
        c.learning_rate = 0.1 + 0.2;
        c.warm_up = 7;
        c.l2 = 1e-300;
        c.batch_size = Some(1);
        c.length = Some(Length::Steps(u64::MAX));
        c.seed = u64::MAX;
        c.classify = true;
    });
    for preset in Preset::ALL {
        assert_round_trip(&preset.configuration((640, 480)).unwrap());
    }
}

#[test]
fn components_are_texts_or_objects_in_any_case() {
    let a = read(
        r#"{"network": {"name": "MLP", "hidden": [64, 64], "activation": {"name": "Sine", "omega": 3}},
            "loss": {"name": "huber"}, "schedule": {"name": "cosine"}, "wrappers": [{"name": "ema"}],
            "encoding": {"name": "composite", "nested": [
                {"inputs": [0, 1], "name": "identity"}, "frequency"]}}"#,
    );
    let b = read(
        r#"{"$schema": "config.schema.json",
            "network": {"name": "mlp", "hidden": "2x64", "activation": "sine:omega=3"},
            "loss": "huber", "schedule": "cosine", "wrappers": ["ema"], "encoding": {"name": "composite",
            "reduction": "concatenation", "nested": [{"inputs": [0, 1], "name": "identity"},
                {"name": "frequency", "octaves": 6}]}}"#,
    );
    assert_eq!(a, b);
    assert_eq!(read(r#"{"network": "2x64"}"#).hidden, [64, 64]);
}

#[test]
fn every_default_is_written_and_only_known_keys_are_there() {
    let text = Configuration::default().to_json().unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["optimizer"]["epsilon"], 1e-8);
    assert_eq!(value["network"]["hidden"], "10x100");
    assert_eq!((&value["epochs"], &value["batch_size"]), (&Value::Null, &Value::Null));
    assert!(text.contains("\"name\": \"adam\",\n    \"beta1\": 0.9"), "{text}");
}

#[test]
fn a_formula_of_the_caller_cannot_be_written() {
    let function = Schedule::custom(|_, _| 1.0);
    let configuration = Configuration { schedule: function, ..Configuration::default() };
    let message = configuration.to_json().unwrap_err().to_string();
    assert!(message.starts_with("a configuration cannot contain the schedule custom"), "{message}");
}
