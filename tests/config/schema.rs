//! The schema of configurations, checked against what is read and refused.

use crate::{read, refusal};
use impasto::config::presets::Preset;
use impasto::config::schema::schema;
use impasto::{Activation, Configuration, Encoding, Loss, Optimizer, Schedule, Wrapper, Wrappers};
use serde_json::{Value, json};

/// Whether `value` has the shape that `shape` of the schema `root` describes, as far as schemas of this crate go.
fn fits(root: &Value, shape: &Value, value: &Value) -> bool {
    let keywords = shape.as_object().expect("an object");
    keywords.iter().all(|(keyword, argument)| match keyword.as_str() {
        "$ref" => {
            let name = argument.as_str().unwrap().strip_prefix("#/definitions/").unwrap();
            fits(root, &root["definitions"][name], value)
        }
        "anyOf" => argument.as_array().unwrap().iter().any(|shape| fits(root, shape, value)),
        "const" => {
            value == argument || value.as_f64().is_some_and(|x| argument.as_f64() == Some(x))
        }
        "enum" => argument.as_array().unwrap().contains(value),
        "type" => match argument.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            "number" => value.is_number(),
            "integer" => value.as_f64().is_some_and(|x| x.fract() == 0.0),
            other => panic!("type {other}"),
        },
        "minimum" => value.as_f64().is_none_or(|x| x >= argument.as_f64().unwrap()),
        "maximum" => value.as_f64().is_none_or(|x| x <= argument.as_f64().unwrap()),
        "exclusiveMinimum" => value.as_f64().is_none_or(|x| x > argument.as_f64().unwrap()),
        "exclusiveMaximum" => value.as_f64().is_none_or(|x| x < argument.as_f64().unwrap()),
        "minItems" => {
            value.as_array().is_none_or(|all| all.len() as u64 >= argument.as_u64().unwrap())
        }
        "maxItems" => {
            value.as_array().is_none_or(|all| all.len() as u64 <= argument.as_u64().unwrap())
        }
        "items" => {
            value.as_array().is_none_or(|all| all.iter().all(|one| fits(root, argument, one)))
        }
        "required" => value.as_object().is_none_or(|map| {
            argument.as_array().unwrap().iter().all(|key| map.contains_key(key.as_str().unwrap()))
        }),
        "properties" => value.as_object().is_none_or(|map| {
            map.iter().all(|(key, value)| argument.get(key).is_none_or(|s| fits(root, s, value)))
        }),
        "additionalProperties" => value
            .as_object()
            .is_none_or(|map| map.keys().all(|key| shape["properties"].get(key).is_some())),
        "$schema" | "title" | "description" | "default" | "definitions" => true,
        other => panic!("keyword {other}"),
    })
}

fn is_valid(value: &Value) -> bool {
    let schema = schema();
    fits(&schema, &schema, value)
}

/// JSON without comments.
fn without_comments(text: &str) -> Value {
    let mut text = text.to_string();
    for (start, end) in [("//", "\n"), ("/*", "*/")] {
        while let Some(begin) = text.find(start) {
            let length = text[begin..].find(end).unwrap() + end.len();
            text.replace_range(begin..begin + length, "");
        }
    }
    serde_json::from_str(&text).unwrap()
}

#[test]
fn what_is_written_is_valid() {
    let default = Configuration::default();
    let mut all = vec![default.clone()];
    all.extend(Preset::ALL.iter().map(|preset| preset.configuration((64, 64)).unwrap()));
    let mut with = |change: &dyn Fn(&mut Configuration)| {
        let mut configuration = default.clone();
        change(&mut configuration);
        all.push(configuration);
    };
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
    for encoding in Encoding::ALL {
        with(&|c| c.encoding = (*encoding).into());
        with(&|c| c.encoding = format!("{encoding}+identity").parse().unwrap());
    }
    with(&|c| c.wrappers = Wrappers::new(Wrapper::ALL.iter().copied()).unwrap());
    for configuration in all {
        let text = configuration.to_json().unwrap();
        assert!(is_valid(&serde_json::from_str(&text).unwrap()), "{text}");
    }
}

#[test]
fn configurations_of_tiny_cuda_nn_are_valid() {
    for text in [include_str!("hash.json"), include_str!("oneblob.json")] {
        assert!(is_valid(&without_comments(text)), "{text}");
    }
    for value in [
        json!({ "encoding": { "otype": "Composite", "nested": [
            { "n_dims_to_encode": 1, "otype": "TriangleWave" },
            { "n_bins": 4 },
        ] } }),
        json!({ "optimizer": { "otype": "EMA", "nested": { "otype": "ExponentialDecay", "nested": {} } } }),
        json!({ "loss": {}, "network": { "activation": "SiLU" }, "steps": 100, "seed": 3 }),
        json!({ "encoding": "grid:levels=4", "loss": null, "network": "2x64" }),
    ] {
        read(&value.to_string());
        assert!(is_valid(&value), "{value}");
    }
}

#[test]
fn what_is_refused_is_not_valid() {
    for value in [
        json!([]),
        json!({ "rgb_network": {} }),
        json!({ "encoding": { "otype": "Foo" } }),
        json!({ "encoding": { "otype": "OneBlob", "n_frequencies": 5 } }),
        json!({ "encoding": { "otype": "Composite", "nested": [{ "n_bins": "many" }] } }),
        json!({ "encoding": { "otype": "HashGrid", "stochastic_interpolation": true } }),
        json!({ "network": { "otype": "CutlassResNet" } }),
        json!({ "network": { "name": "mlp", "hidden": [5, 0] } }),
        json!({ "loss": { "otype": "Variance" } }),
        json!({ "loss": { "name": "huber", "delta": 0 } }),
        json!({ "optimizer": { "otype": "Shampoo" } }),
        json!({ "optimizer": { "absolute_decay": 1 } }),
        json!({ "wrappers": [{ "name": "ema", "decay": 1 }] }),
        json!({ "epochs": 0 }),
    ] {
        refusal(&value.to_string());
        assert!(!is_valid(&value), "{value}");
    }
}
