//! Any number in JSON, which has no infinity and no NaN: they are written as text.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Finite(f64),
    Text(String),
}

#[allow(clippy::ref_option, reason = "the signature that serde calls")]
pub(crate) fn serialize<S: Serializer>(
    number: &Option<f64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let written = number.map(|number| {
        if number.is_finite() { Written::Finite(number) } else { Written::Text(number.to_string()) }
    });
    written.serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<f64>, D::Error> {
    let written: Option<Written> = Option::deserialize(deserializer)?;
    let number = |written| match written {
        Written::Finite(number) => Ok(number),
        Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
    };
    written.map(number).transpose()
}
