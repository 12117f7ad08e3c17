//! A JSON schema of configurations, with which editors complete and check them.

use super::keys::{Expected, Key, Kind};
use super::own::{self, Component};
use super::tiny_cuda_nn::encodings::{ENCODINGS, OF_PART};
use super::tiny_cuda_nn::optimizers::OPTIMIZERS;
use super::tiny_cuda_nn::{LOSSES, NETWORKS};
use super::{Configuration, Weights};
use crate::activation::Activation;
use crate::encoding::Encoding;
use crate::family::{self, About, Parameter, Range};
use crate::loss::Loss;
use crate::optimizer::Optimizer;
use crate::schedule::Schedule;
use crate::wrapper::Wrapper;
use serde_json::{Map, Value, json};

/// The schema, of draft 7. Names are in their usual case there, which is stricter than
/// [`Configuration::from_json`].
///
/// ```
/// let schema = impasto::config::schema::schema();
/// assert_eq!(schema["properties"]["seed"]["default"], 0);
/// ```
pub fn schema() -> Value {
    let default = Configuration::default();
    let definition = |name: &str| json!({ "$ref": format!("#/definitions/{name}") });
    let either = |its: &str, own: &str| json!({ "anyOf": [definition(own), definition(its)] });
    let whole = |least: u64, meaning: &str, default: u64| json!({ "type": "integer", "minimum": least, "default": default, "description": meaning });
    let or_null = |meaning: &str| {
        let count = json!({ "type": "integer", "minimum": 1 });
        json!({ "anyOf": [count, { "type": "null" }], "description": meaning })
    };
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A configuration of impasto",
        "description": "A network and its training, in the names of impasto or of tiny-cuda-nn.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "$schema": { "type": "string" },
            "network": either("tiny-cuda-nn network", "network"),
            "encoding": either("tiny-cuda-nn encoding", "encoding"),
            "loss": { "anyOf": [definition("loss"), definition("tiny-cuda-nn loss"), { "type": "null" }] },
            "optimizer": either("tiny-cuda-nn optimizer", "optimizer"),
            "wrappers": {
                "type": "array",
                "items": definition("wrapper"),
                "description": "around the optimizer, each once",
            },
            "learning_rate": {
                "type": "number",
                "exclusiveMinimum": 0,
                "default": default.learning_rate,
                "description": "before the schedule",
            },
            "schedule": definition("schedule"),
            "warm_up": whole(0, "steps over which the learning rate rises from almost 0", 0),
            "l2": {
                "type": "number",
                "minimum": 0,
                "default": 0.0,
                "description": "L2 penalty of weights and biases",
            },
            "batch_size": or_null("samples in a step; null: paint's default for the picture"),
            "epochs": or_null("passes over the samples; null: paint's default for the picture"),
            "steps": or_null("instead of epochs"),
            "seed": whole(0, "of the initial parameters and of the order of samples", 0),
            "classify": {
                "type": "boolean",
                "default": false,
                "description": "whether a picture's two classes, ink and paper, are learned instead of its colors",
            },
        },
        "definitions": {
            "activation": components(Activation::ALL, Activation::about),
            "loss": components(Loss::ALL, Loss::about),
            "optimizer": components(Optimizer::ALL, Optimizer::about),
            "schedule": components(Schedule::ALL, Schedule::about),
            "wrapper": components(Wrapper::ALL, Wrapper::about),
            "encoding": encoding(),
            "network": network(&default),
            "tiny-cuda-nn network": kinds(NETWORKS, "MLP", &[]),
            "tiny-cuda-nn encoding": kinds(ENCODINGS, "OneBlob", &OF_PART),
            "tiny-cuda-nn loss": kinds(LOSSES, "RelativeL2", &[]),
            "tiny-cuda-nn optimizer": kinds(OPTIMIZERS, "Adam", &[]),
        },
    })
}

/// The components of a family: texts, or objects with a name and parameters.
fn components<T: Component>(all: &[T], about: impl Fn(T) -> About) -> Value {
    let mut shapes = vec![json!({
        "type": "string",
        "description": format!("a {}, as on the command line: name:parameter=value,…", T::WHAT),
    })];
    shapes.extend(all.iter().map(|one| component(*one, &about(*one), &Map::new())));
    json!({ "anyOf": shapes })
}

/// An object with the name and the parameters of a component, and `more` keys.
fn component<T: Component>(one: T, about: &About, more: &Map<String, Value>) -> Value {
    let defaults = family::parameters(&one);
    let mut properties = more.clone();
    properties.insert("name".into(), json!({ "const": one.name() }));
    for parameter in about.parameters {
        let default = defaults.get(parameter.name).cloned().unwrap_or_default();
        properties.insert(parameter.name.into(), of_parameter(parameter, default));
    }
    json!({
        "type": "object",
        "description": about.formula,
        "properties": properties,
        "required": ["name"],
        "additionalProperties": false,
    })
}

fn of_parameter(parameter: &Parameter, default: Value) -> Value {
    let kind = if default.is_u64() { "integer" } else { "number" };
    let mut shape = match parameter.range {
        Range::Finite => json!({ "type": kind }),
        Range::Positive => json!({ "type": kind, "exclusiveMinimum": 0 }),
        Range::NotNegative => json!({ "type": kind, "minimum": 0 }),
        Range::Unit => json!({ "type": kind, "minimum": 0, "maximum": 1 }),
        Range::Fraction => json!({ "type": kind, "minimum": 0, "exclusiveMaximum": 1 }),
        Range::Share => json!({ "type": kind, "exclusiveMinimum": 0, "maximum": 1 }),
        Range::Switch => json!({ "type": "boolean" }),
        Range::Choice(names) => json!({ "enum": names }),
    };
    shape["description"] = parameter.meaning.into();
    shape["default"] = default;
    shape
}

/// An encoding: one, or a composite of several.
fn encoding() -> Value {
    let inputs = json!({
        "type": "array",
        "items": { "type": "integer", "minimum": 0 },
        "minItems": 2,
        "maxItems": 2,
        "description": "in a composite: the first input, and the one after the last; all if left out",
    });
    let more = Map::from_iter([("inputs".to_string(), inputs)]);
    let mut shapes = vec![json!({
        "type": "string",
        "description": "an encoding, as on the command line; + puts several next to each other",
    })];
    let all = Encoding::ALL.iter();
    shapes.extend(all.map(|one| component(*one, &one.about(), &more)));
    let mut composite = more;
    composite.insert("name".into(), json!({ "const": own::COMPOSITE }));
    composite.insert(
        "reduction".into(),
        json!({ "enum": ["concatenation", "sum", "product"], "default": "concatenation" }),
    );
    composite.insert(
        "nested".into(),
        json!({ "type": "array", "items": { "$ref": "#/definitions/encoding" }, "minItems": 1 }),
    );
    shapes.push(json!({
        "type": "object",
        "description": "several encodings of some inputs each",
        "properties": composite,
        "required": ["name", "nested"],
        "additionalProperties": false,
    }));
    json!({ "anyOf": shapes })
}

/// The layers of a network.
fn network(default: &Configuration) -> Value {
    let names: Vec<&str> = Weights::ALL.iter().map(|weights| weights.name()).collect();
    let activation = json!({ "$ref": "#/definitions/activation" });
    let widths = json!([
        { "type": "string", "description": "10x100 is ten layers of 100 neurons, 64,32 one of 64 and one of 32" },
        { "type": "array", "items": { "type": "integer", "minimum": 1 } },
    ]);
    let object = json!({
        "type": "object",
        "description": "layers",
        "properties": {
            "name": { "const": own::NETWORK },
            "hidden": { "anyOf": widths, "default": "10x100" },
            "activation": activation,
            "output_activation": { "anyOf": [activation, { "type": "null" }] },
            "biases": { "type": "boolean", "default": default.biases },
            "weights": { "enum": names, "default": default.weights.name(), "description": "the initial weights" },
            "first_layer_scale": {
                "type": "number",
                "default": default.first_layer_scale,
                "description": "what the initial weights of the first layer are multiplied by",
            },
        },
        "required": ["name"],
        "additionalProperties": false,
    });
    json!({ "anyOf": [{ "type": "string", "description": "the hidden layers" }, object] })
}

/// Components in the names of tiny-cuda-nn. `default` is the one without an `otype`, `more` are keys of all.
fn kinds(all: &[Kind], default: &str, more: &[Key]) -> Value {
    let there = all.iter().filter(|kind| !kind.ours.is_empty());
    let shapes: Vec<Value> = there.map(|kind| of_kind(kind, default, all, more)).collect();
    json!({ "anyOf": shapes })
}

fn of_kind(kind: &Kind, default: &str, all: &[Kind], more: &[Key]) -> Value {
    let nested = if all.iter().any(|kind| kind.names.contains(&"OneBlob")) {
        "#/definitions/tiny-cuda-nn encoding"
    } else {
        "#/definitions/tiny-cuda-nn optimizer"
    };
    let mut properties = Map::new();
    properties.insert("otype".into(), json!({ "enum": kind.names }));
    for key in kind.keys.iter().chain(more) {
        let mut shape = match key.value {
            Expected::Number(default) if key.fixed => json!({ "const": default }),
            Expected::Switch(default) if key.fixed => json!({ "const": default }),
            Expected::Choice(names) if key.fixed => json!({ "enum": names[..1] }),
            Expected::Number(default) => json!({ "type": "number", "default": default }),
            Expected::AnyNumber => json!({ "type": "number" }),
            Expected::Count(default) => {
                json!({ "type": "integer", "minimum": 0, "default": default })
            }
            Expected::AnyCount => json!({ "type": "integer", "minimum": 0 }),
            Expected::Switch(default) => json!({ "type": "boolean", "default": default }),
            Expected::Choice(names) => json!({ "enum": names, "default": names[0] }),
            Expected::AnyChoice(names) => json!({ "enum": names }),
            Expected::Nested => json!({ "$ref": nested }),
            Expected::List => json!({ "type": "array", "items": { "$ref": nested } }),
        };
        shape["description"] = key.meaning.into();
        properties.insert(key.name.into(), shape);
    }
    let required: &[&str] = if kind.names.contains(&default) { &[] } else { &["otype"] };
    json!({
        "type": "object",
        "description": kind.ours,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}
