//! Writing of a configuration, in the names of this crate.

use super::own::{self, Component};
use super::{Configuration, Length, widths};
use crate::error::{Error, Result, invalid_setting};
use crate::family;
use crate::input_encoding::{Composite, InputEncoding, Reduction};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;

/// A value whose keys keep their order.
enum Tree {
    Leaf(Value),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Leaf(value) => value.serialize(serializer),
            Self::List(all) => {
                let mut list = serializer.serialize_seq(Some(all.len()))?;
                all.iter().try_for_each(|one| list.serialize_element(one))?;
                list.end()
            }
            Self::Map(all) => {
                let mut map = serializer.serialize_map(Some(all.len()))?;
                all.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
        }
    }
}

impl<T: Into<Value>> From<T> for Tree {
    fn from(value: T) -> Self {
        Self::Leaf(value.into())
    }
}

/// A map with these keys.
fn map<const N: usize>(entries: [(&str, Tree); N]) -> Vec<(String, Tree)> {
    entries.into_iter().map(|(key, value)| (key.to_string(), value)).collect()
}

/// A component, as an object.
fn component<T: Component>(one: T) -> Result<Tree> {
    if !T::ALL.iter().any(|known| known.name() == one.name()) {
        return invalid_setting(format!(
            "a configuration cannot contain the {} {}, which no file can name",
            T::WHAT,
            one.name()
        ));
    }
    let mut entries = map([("name", one.name().into())]);
    let parameters = family::parameters(&one);
    entries.extend(parameters.into_iter().map(|(key, value)| (key, value.into())));
    Ok(Tree::Map(entries))
}

/// The same, or null.
fn optional<T: Component>(one: Option<T>) -> Result<Tree> {
    one.map_or(Ok(Tree::Leaf(Value::Null)), component)
}

fn encoding(encoding: &InputEncoding) -> Result<Tree> {
    let Composite { reduction, parts } = match encoding {
        InputEncoding::Plain(encoding) => return component(*encoding),
        InputEncoding::Composite { composite } => composite,
    };
    let mut nested = Vec::with_capacity(parts.len());
    for part in parts {
        let Tree::Map(mut entries) = self::encoding(&part.encoding)? else { continue };
        if let Some(inputs) = &part.inputs {
            let ends = [inputs.start, inputs.end].map(Tree::from);
            entries.insert(0, ("inputs".into(), Tree::List(ends.into())));
        }
        nested.push(Tree::Map(entries));
    }
    let reduction = match reduction {
        Reduction::Concatenation => "concatenation",
        Reduction::Sum => "sum",
        Reduction::Product => "product",
    };
    Ok(Tree::Map(map([
        ("name", own::COMPOSITE.into()),
        ("reduction", reduction.into()),
        ("nested", Tree::List(nested)),
    ])))
}

impl Configuration {
    /// Writes it as JSON in the names of this crate, with every default, in several lines.
    /// [`from_json`](Self::from_json) reads the same configuration from it. See [`Configuration`] for an example.
    ///
    /// # Errors
    /// A component that no file can name, such as a formula of the caller's.
    pub fn to_json(&self) -> Result<String> {
        let wrappers: Result<Vec<Tree>> = self.wrappers.iter().map(component).collect();
        let network = map([
            ("name", own::NETWORK.into()),
            ("hidden", widths::text(&self.hidden).into()),
            ("activation", component(self.activation)?),
            ("output_activation", optional(self.output_activation)?),
            ("biases", self.biases.into()),
            ("weights", self.weights.name().into()),
            ("first_layer_scale", self.first_layer_scale.into()),
        ]);
        let (length, count) = match self.length {
            None => ("epochs", Tree::Leaf(Value::Null)),
            Some(Length::Epochs(epochs)) => ("epochs", Tree::from(epochs)),
            Some(Length::Steps(steps)) => ("steps", Tree::from(steps)),
        };
        let tree = Tree::Map(map([
            ("network", Tree::Map(network)),
            ("encoding", encoding(&self.encoding)?),
            ("loss", optional(self.loss)?),
            ("optimizer", component(self.optimizer)?),
            ("wrappers", Tree::List(wrappers?)),
            ("learning_rate", self.learning_rate.into()),
            ("schedule", component(self.schedule)?),
            ("warm_up", self.warm_up.into()),
            ("l2", self.l2.into()),
            ("batch_size", self.batch_size.map_or(Tree::Leaf(Value::Null), Tree::from)),
            (length, count),
            ("seed", self.seed.into()),
            ("classify", self.classify.into()),
        ]));
        serde_json::to_string_pretty(&tree).map_err(|error| Error::Format(error.to_string()))
    }
}
