//! What is refused, each with its path.

use crate::refusal;
use impasto::Configuration;
use proptest::prelude::*;
use serde_json::{Value, json};

#[allow(clippy::too_many_lines, reason = "a table")]
#[test]
fn each_with_its_sentence() {
    for (text, words) in [
        ("[1]", "[1] is no configuration: it must be {…}"),
        (r#"{"network": 5}"#, "network: it is 5: it must be {…}"),
        (
            r#"{"rgb_network": {}}"#,
            "rgb_network: there is no such key: there is network, encoding, loss",
        ),
        (
            r#"{"encoding": {"otype": "Foo"}}"#,
            "encoding.otype: there is no encoding \"Foo\": there is Composite, ",
        ),
        (r#"{"encoding": {"otype": 5}}"#, "encoding.otype: it is 5: it must be a name"),
        (
            r#"{"encoding": {"otype": "OneBlob", "n_frequencies": 5}}"#,
            "encoding.n_frequencies: there is no such key: there is otype, n_bins",
        ),
        (
            r#"{"encoding": {"otype": "Composite", "nested": [{"n_dims_to_encode": 1}, {"n_bins": "many"}]}}"#,
            "encoding.nested[1].n_bins: it is \"many\": it must be a whole number of at least 0",
        ),
        (
            r#"{"encoding": {"otype": "Composite", "nested": [{"n_bins": 4, "n_dims_to_encode": 3}]}}"#,
            "encoding.nested: these encodings take 3 inputs, and there are 2",
        ),
        (
            r#"{"encoding": {"otype": "Composite", "nested": [{"n_dims_to_encode": 2, "dims_to_encode_begin": 1}]}}"#,
            "encoding.nested[0]: it takes the inputs 1 to 3, and there are 2",
        ),
        (
            r#"{"encoding": {"otype": "Composite", "nested": [{}, {}]}}"#,
            "encoding.nested[1]: n_dims_to_encode can be left out of one encoding",
        ),
        (
            r#"{"encoding": {"otype": "Composite", "nested": [{"dims_to_encode_begin": 1}]}}"#,
            "encoding.nested[0]: dims_to_encode_begin needs n_dims_to_encode, too",
        ),
        (
            r#"{"encoding": {"otype": "Composite"}}"#,
            "encoding.nested: a Composite needs a list of encodings here",
        ),
        (
            r#"{"encoding": {"otype": "Composite", "nested": []}}"#,
            "encoding: a composite encoding without parts",
        ),
        (
            r#"{"encoding": {"otype": "Composite", "reduction": "Mean", "nested": [{}]}}"#,
            "encoding.reduction: it is \"Mean\": it must be one of Concatenation, Sum, Product",
        ),
        (r#"{"encoding": {"otype": "Empty"}}"#, "encoding: Empty is for a part of a Composite"),
        (
            r#"{"encoding": {"otype": "OneBlob", "n_bins": 0}}"#,
            "encoding: bins of one-blob is 0: it must be above 0",
        ),
        (
            r#"{"encoding": {"otype": "HashGrid", "stochastic_interpolation": true}}"#,
            "encoding.stochastic_interpolation: it is true: impasto has only false",
        ),
        (
            r#"{"encoding": {"otype": "HashGrid", "fixed_point_pos": true}}"#,
            "encoding.fixed_point_pos: it is true: impasto has only false",
        ),
        (
            r#"{"encoding": {"otype": "HashGrid", "hash": "Rng"}}"#,
            "encoding.hash: it is \"Rng\": impasto has only Coh",
        ),
        (
            r#"{"encoding": {"otype": "HashGrid", "n_features": 32, "n_levels": 16}}"#,
            "encoding: n_features follows from n_levels: give one",
        ),
        (
            r#"{"encoding": {"otype": "HashGrid", "n_features": 9}}"#,
            "encoding: 9 features in all cannot be levels of 2",
        ),
        (
            r#"{"encoding": {"otype": "HashGrid", "n_features": 4, "n_grid_features": 4}}"#,
            "encoding: n_features and n_grid_features are the same: give one",
        ),
        (
            r#"{"encoding": {"otype": "HashGrid", "n_levels": 18}}"#,
            "encoding: a grid whose last level has the resolution 2097152",
        ),
        (
            r#"{"network": {"otype": "CutlassResNet"}}"#,
            "network.otype: impasto does not have the network CutlassResNet: there is MLP, FullyFusedMLP, CutlassMLP",
        ),
        (
            r#"{"network": {"activation": "GELU"}}"#,
            "network.activation: it is \"GELU\": it must be one of None, ReLU",
        ),
        (
            r#"{"network": {"n_neurons": 0.5}}"#,
            "network.n_neurons: it is 0.5: it must be a whole number of at least 0",
        ),
        (
            r#"{"network": {"n_hidden_layers": 1e9}}"#,
            "network.n_hidden_layers: it is 1000000000: there can be 1000",
        ),
        (
            r#"{"network": {"feedback_alignment": true}}"#,
            "network.feedback_alignment: it is true: impasto has only false",
        ),
        (
            r#"{"loss": {"otype": "L2", "delta": 1}}"#,
            "loss.delta: there is no such key: there is otype",
        ),
        (r#"{"optimizer": {"beta1": 1}}"#, "optimizer: beta1 of adam is 1: it must be in [0, 1)"),
        (
            r#"{"optimizer": {"learning_rate": 0}}"#,
            "optimizer.learning_rate: it is 0: it must be above 0",
        ),
        (r#"{"optimizer": {"l2_reg": -1}}"#, "optimizer.l2_reg: it is -1: it must be 0 or more"),
        (
            r#"{"optimizer": {"absolute_decay": 1}}"#,
            "optimizer.absolute_decay: it is 1: impasto has only 0",
        ),
        (
            r#"{"optimizer": {"clipping_magnitude": 2.5}}"#,
            "optimizer.clipping_magnitude: it is 2.5: impasto has only 0",
        ),
        (
            r#"{"optimizer": {"optimize_matrix_params": false}}"#,
            "optimizer.optimize_matrix_params: it is false: impasto has only true",
        ),
        (
            r#"{"optimizer": {"adabound": true, "relative_decay": 1}}"#,
            "optimizer: adabound and relative_decay cannot be used together",
        ),
        (
            r#"{"optimizer": {"otype": "EMA", "nested": {"otype": "EMA"}}}"#,
            "optimizer.nested: there is another EMA around it",
        ),
        (
            r#"{"optimizer": {"otype": "EMA", "nested": {"otype": "Batched"}}}"#,
            "optimizer.nested: Batched is inside of EMA, which would count batches instead of updates",
        ),
        (
            r#"{"optimizer": {"otype": "Lookahead", "nested": {"otype": "EMA"}}}"#,
            "optimizer.nested: EMA is inside of Lookahead, where its average would have no effect",
        ),
        (
            r#"{"optimizer": {"otype": "EMA", "nested": {"nested": {}}}}"#,
            "optimizer.nested.nested: there is no such key",
        ),
        (
            r#"{"optimizer": {"otype": "EMA", "decay": 1.5}}"#,
            "optimizer: decay of ema is 1.5: it must be in [0, 1)",
        ),
        (
            r#"{"optimizer": {"learning_rate": 1}, "learning_rate": 1}"#,
            "learning_rate: the optimizer of this configuration has one, too: leave one out",
        ),
        (
            r#"{"optimizer": {"otype": "ExponentialDecay"}, "schedule": "cosine"}"#,
            "schedule: the optimizer of this configuration has one, too",
        ),
        (r#"{"epochs": 1, "steps": 1}"#, "steps: epochs are there, too: leave one out"),
        (r#"{"epochs": 0}"#, "epochs: it is 0: it must be a whole number of at least 1"),
        (r#"{"batch_size": 0}"#, "batch_size: it is 0: it must be a whole number of at least 1"),
        (r#"{"seed": -1}"#, "seed: it is -1: it must be a whole number of at least 0"),
        (r#"{"learning_rate": -1}"#, "learning_rate: it is -1: it must be above 0"),
        (r#"{"classify": 1}"#, "classify: it is 1: it must be true or false"),
        // In the names of this crate.
        (
            r#"{"encoding": "nerf"}"#,
            "encoding: there is no encoding 'nerf': choose one of identity, ",
        ),
        (
            r#"{"encoding": {"name": "nerf"}}"#,
            "encoding.name: there is no encoding \"nerf\": there is identity, ",
        ),
        (
            r#"{"loss": ["l1"]}"#,
            "loss: it is [\"l1\"]: it must be the name of one loss, or {\"name\": …}",
        ),
        (
            r#"{"loss": {"name": "huber", "beta": 1}}"#,
            "loss.beta: there is no such key: there is name, delta",
        ),
        (
            r#"{"loss": {"name": "huber", "delta": -1}}"#,
            "loss: delta of huber is -1: it must be above 0",
        ),
        (
            r#"{"loss": {"name": "huber", "delta": "1"}}"#,
            "loss.delta: it is \"1\": it must be a number",
        ),
        (
            r#"{"encoding": {"name": "composite", "nested": [{"name": "grid", "inputs": [2]}]}}"#,
            "encoding.nested[0].inputs: it is [2]: it must be [first, after the last]",
        ),
        (
            r#"{"network": {"name": "resnet"}}"#,
            "network.name: there is no network \"resnet\": there is mlp",
        ),
        (
            r#"{"network": {"name": "mlp", "otype": "MLP"}}"#,
            "network.otype: there is no such key: there is name, hidden",
        ),
        (r#"{"network": "0x5"}"#, "network: '0x5' is no hidden layer"),
        (
            r#"{"network": {"name": "mlp", "hidden": [5, 0]}}"#,
            "network.hidden: it is [5,0]: it must be a list",
        ),
        (r#"{"wrappers": ["ema", "ema"]}"#, "wrappers: ema is there twice"),
        (r#"{"wrappers": [{"name": "ema"}, "clip"]}"#, "wrappers[1]: there is no wrapper 'clip'"),
        (
            r#"{"schedule": {"name": "step", "every": 2.5}}"#,
            "schedule.every: it is 2.5: it must be a whole number",
        ),
    ] {
        let message = refusal(text);
        assert!(message.starts_with(words), "{text}: {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

/// Keys and names that mean something, and others.
fn words() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "network",
        "encoding",
        "loss",
        "optimizer",
        "otype",
        "name",
        "nested",
        "n_dims_to_encode",
        "dims_to_encode_begin",
        "n_bins",
        "n_levels",
        "n_features",
        "n_features_per_level",
        "reduction",
        "Sum",
        "per_level_scale",
        "base_resolution",
        "log2_hashmap_size",
        "type",
        "Dense",
        "Composite",
        "composite",
        "Grid",
        "grid",
        "DenseGrid",
        "Identity",
        "EMA",
        "Batched",
        "ExponentialDecay",
        "Lookahead",
        "Adam",
        "adabound",
        "decay",
        "inputs",
        "hidden",
        "10x100",
        "activation",
        "Sine",
        "n_neurons",
        "n_hidden_layers",
        "epochs",
        "steps",
        "wrappers",
        "schedule",
        "learning_rate",
        "batch_size",
        "degree",
        "SphericalHarmonics",
        "levels",
    ];
    prop_oneof![4 => prop::sample::select(KNOWN).prop_map(String::from), 1 => ".*"]
}

/// Values of any shape.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0_u64..40).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        words().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((words(), inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_causes_a_panic(text in "[\\PC\n]{0,200}", inputs in 0_usize..10) {
        let _ = Configuration::from_json(&text, inputs);
    }

    #[test]
    fn no_value_causes_a_panic(
        network in values(),
        encoding in values(),
        optimizer in values(),
        (key, value) in (words(), values()),
        inputs in 0_usize..10,
    ) {
        for parts in [
            json!({ "network": network, "encoding": encoding, "optimizer": optimizer, key: value }),
            json!({ "encoding": { "otype": "Composite", "nested": [encoding, value] } }),
            json!({ "encoding": { "name": "composite", "nested": [encoding, value] } }),
            json!({ "optimizer": { "otype": "EMA", "nested": optimizer } }),
        ] {
            let text = parts.to_string();
            let Ok(read) = Configuration::from_json(&text, inputs) else { continue };
            // What was read is written and read again.
            let written = read.to_json().unwrap();
            prop_assert_eq!(&Configuration::from_json(&written, inputs).unwrap(), &read, "{}", written);
        }
    }
}
