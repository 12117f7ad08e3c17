//! The names of this crate: components as texts, as on the command line of `paint`, or as objects with a `name`.

use super::Weights;
use super::keys::{Path, Section, count, is_same, shown};
use super::widths::{MOST_LAYERS, widths};
use crate::activation::Activation;
use crate::encoding::Encoding;
use crate::error::{Error, Result, invalid_setting};
use crate::family;
use crate::input_encoding::{Composite, InputEncoding, Part, Reduction};
use crate::loss::Loss;
use crate::optimizer::Optimizer;
use crate::schedule::Schedule;
use crate::wrapper::Wrapper;
use crate::wrappers::Wrappers;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

/// The name of an encoding that consists of several.
pub(super) const COMPOSITE: &str = "composite";

/// The name of the only kind of network.
pub(super) const NETWORK: &str = "mlp";

/// A family of components.
pub(super) trait Component: Copy + Serialize + DeserializeOwned + 'static {
    /// What one of them is called.
    const WHAT: &'static str;
    /// All with their defaults.
    const ALL: &'static [Self];
    /// Its name.
    fn name(self) -> &'static str;
    /// Whether its parameters make sense.
    fn check(self) -> Result<()>;
    /// The one that a text names.
    fn from_text(text: &str) -> Result<Self>;
}

macro_rules! components {
    ($($Type:ident => $what:literal;)+) => {$(
        impl Component for $Type {
            const WHAT: &'static str = $what;
            const ALL: &'static [Self] = Self::ALL;
            fn name(self) -> &'static str {
                self.name()
            }
            fn check(self) -> Result<()> {
                self.check()
            }
            fn from_text(text: &str) -> Result<Self> {
                Self::from_name(text)
            }
        }
    )+};
}

components! {
    Activation => "activation";
    Encoding => "encoding";
    Loss => "loss";
    Optimizer => "optimizer";
    Schedule => "schedule";
    Wrapper => "wrapper";
}

/// Puts the path before the message of an error.
pub(super) fn at<T>(path: Path<'_>, result: Result<T>) -> Result<T> {
    result.map_err(|error| Error::Setting(format!("{path}: {error}")))
}

/// The component that a value is: a text, or an object with a `name` and parameters. Parameters that are left
/// out have their defaults.
pub(super) fn component<T: Component>(path: Path<'_>, value: &Value) -> Result<T> {
    if let Value::String(text) = value {
        return at(path, T::from_text(text));
    }
    if !value.is_object() {
        return invalid_setting(format!(
            "{path}: it is {}: it must be the name of one {}, or {{\"name\": …}}",
            shown(value),
            T::WHAT
        ));
    }
    let section = Section::new(path, value)?;
    let Some(name) = section.text("name")? else {
        return invalid_setting(format!("{path}: it needs the key name, that of one {}", T::WHAT));
    };
    let Some(default) = T::ALL.iter().copied().find(|one| is_same(one.name(), name)) else {
        let names: Vec<&str> = T::ALL.iter().map(|one| one.name()).collect();
        return invalid_setting(format!(
            "{path}.name: there is no {} {name:?}: there is {}",
            T::WHAT,
            names.join(", ")
        ));
    };
    let mut values = family::parameters(&default);
    section.only(["name"].into_iter().chain(values.keys().map(String::as_str)))?;
    for (key, slot) in &mut values {
        let Some(given) = section.get(key) else { continue };
        *slot = like(&section, key, slot, given)?;
    }
    let read = if values.is_empty() {
        default
    } else {
        let tagged = Map::from_iter([(default.name().to_string(), Value::Object(values))]);
        let read = serde_json::from_value(Value::Object(tagged));
        at(path, read.map_err(|error| Error::Setting(error.to_string())))?
    };
    at(path, read.check())?;
    Ok(read)
}

/// `given` as a value of the kind of `slot`.
fn like(section: &Section<'_>, key: &str, slot: &Value, given: &Value) -> Result<Value> {
    match slot {
        Value::Bool(_) if !given.is_boolean() => section.wrong(key, given, "true or false"),
        Value::String(_) if !given.is_string() => section.wrong(key, given, "a name"),
        Value::Number(number) if number.is_u64() => match count(given) {
            Some(count) => Ok(Value::from(count)),
            None => section.wrong(key, given, "a whole number of at least 0"),
        },
        Value::Number(_) => match given.as_f64().and_then(Number::from_f64) {
            Some(number) => Ok(Value::Number(number)),
            None => section.wrong(key, given, "a number"),
        },
        _ => Ok(given.clone()),
    }
}

/// The encoding that a value is: a component, or a composite of several.
pub(super) fn encoding(path: Path<'_>, value: &Value) -> Result<InputEncoding> {
    if let Value::String(text) = value {
        return at(path, text.parse());
    }
    let named = value.get("name").and_then(Value::as_str);
    if !named.is_some_and(|name| is_same(name, COMPOSITE)) {
        return component::<Encoding>(path, value).map(InputEncoding::from);
    }
    composite(&Section::new(path, value)?, &[])
}

/// The composite of a section, which may also have the keys `more`.
fn composite(section: &Section<'_>, more: &[&'static str]) -> Result<InputEncoding> {
    section.only(["name", "reduction", "nested"].into_iter().chain(more.iter().copied()))?;
    let reduction = match section.choice("reduction", &["concatenation", "sum", "product"])? {
        Some("sum") => Reduction::Sum,
        Some("product") => Reduction::Product,
        _ => Reduction::Concatenation,
    };
    let path = section.path();
    let list = Path::Key(&path, "nested");
    let Some(Value::Array(nested)) = section.get("nested") else {
        return invalid_setting(format!("{list}: a composite needs a list of encodings here"));
    };
    let mut parts = Vec::with_capacity(nested.len());
    for (i, value) in nested.iter().enumerate() {
        let place = Path::Place(&list, i);
        // A part may also be a text, which takes all inputs.
        let (inputs, encoding) = match value {
            Value::Object(map) => {
                let mut map = map.clone();
                let inputs = map.remove("inputs");
                let inputs = inputs.map(|inputs| range(Path::Key(&place, "inputs"), &inputs));
                (inputs.transpose()?, encoding(place, &Value::Object(map))?)
            }
            other => (None, encoding(place, other)?),
        };
        parts.push(Part { inputs, encoding });
    }
    Ok(Composite { reduction, parts }.into())
}

/// `[0, 2]`: from the first to before the second.
fn range(path: Path<'_>, value: &Value) -> Result<std::ops::Range<usize>> {
    let ends = value.as_array().map(Vec::as_slice).unwrap_or_default();
    if let [start, end] = ends
        && let (Some(start), Some(end)) = (count(start), count(end))
        && let (Ok(start), Ok(end)) = (usize::try_from(start), usize::try_from(end))
    {
        return Ok(start..end);
    }
    invalid_setting(format!(
        "{path}: it is {}: it must be [first, after the last], such as [0, 2]",
        shown(value)
    ))
}

/// The wrappers that a value lists.
pub(super) fn wrappers(path: Path<'_>, value: &Value) -> Result<Wrappers> {
    let Value::Array(list) = value else {
        return invalid_setting(format!(
            "{path}: it is {}: it must be a list of wrappers",
            shown(value)
        ));
    };
    let mut all = Vec::with_capacity(list.len());
    for (i, value) in list.iter().enumerate() {
        all.push(component::<Wrapper>(Path::Place(&path, i), value)?);
    }
    at(path, Wrappers::new(all))
}

/// The keys of a network.
pub(super) const OF_NETWORK: [&str; 7] =
    ["name", "hidden", "activation", "output_activation", "biases", "weights", "first_layer_scale"];

/// A network; what is not there is as in the defaults.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Layers {
    pub(super) hidden: Option<Vec<usize>>,
    pub(super) activation: Option<Activation>,
    pub(super) output_activation: Option<Activation>,
    pub(super) biases: Option<bool>,
    pub(super) weights: Option<Weights>,
    pub(super) first_layer_scale: Option<f64>,
}

/// The network of a section, or the hidden layers that a text is.
pub(super) fn network(path: Path<'_>, value: &Value) -> Result<Layers> {
    if matches!(value, Value::String(_)) {
        return Ok(Layers { hidden: Some(hidden(path, value)?), ..Layers::default() });
    }
    let section = Section::new(path, value)?;
    let name = section.text("name")?.unwrap_or(NETWORK);
    if !is_same(name, NETWORK) {
        return invalid_setting(format!(
            "{path}.name: there is no network {name:?}: there is {NETWORK}"
        ));
    }
    section.only(OF_NETWORK)?;
    let part = |key| Path::Key(&path, key);
    let present = |key: &'static str| section.get(key).filter(|value| !value.is_null());
    let activation = |key| present(key).map(|value| component(part(key), value)).transpose();
    Ok(Layers {
        hidden: section.get("hidden").map(|value| hidden(part("hidden"), value)).transpose()?,
        activation: activation("activation")?,
        output_activation: activation("output_activation")?,
        biases: section.switch("biases")?,
        weights: match section.choice("weights", Weights::NAMES)? {
            Some(name) => Weights::ALL.iter().copied().find(|weights| weights.name() == name),
            None => None,
        },
        first_layer_scale: section.number("first_layer_scale")?,
    })
}

/// The widths of the hidden layers: a list, or a text as `10x100` or `64,32`.
fn hidden(path: Path<'_>, value: &Value) -> Result<Vec<usize>> {
    match value {
        Value::String(text) => at(path, widths(text)),
        Value::Array(list) if list.len() > MOST_LAYERS => {
            invalid_setting(format!("{path}: more than {MOST_LAYERS} hidden layers"))
        }
        Value::Array(list) => {
            let width = |value| count(value).and_then(|count| usize::try_from(count).ok());
            let read: Option<Vec<usize>> = list.iter().map(width).collect();
            match read.filter(|widths| !widths.contains(&0)) {
                Some(widths) => Ok(widths),
                None => invalid_setting(format!(
                    "{path}: it is {}: it must be a list of numbers of neurons, each at least 1",
                    shown(value)
                )),
            }
        }
        other => invalid_setting(format!(
            "{path}: it is {}: it must be a text as 10x100 or 64,32, or a list of numbers",
            shown(other)
        )),
    }
}
