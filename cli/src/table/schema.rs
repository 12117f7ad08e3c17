//! What a saved network says of the table that it was trained on, as JSON under `table` in the file's metadata.

use impasto::{Error, Network, Result};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// The key of the metadata.
pub const KEY: &str = "table";

/// The version of the format.
const FORMAT: u32 = 1;

/// The place of the largest number, the first of equal ones: the class that outputs predict.
pub fn largest(numbers: &[f32]) -> usize {
    let better = |best: usize, place: usize| numbers[place] > numbers[best];
    (1..numbers.len()).fold(0, |best, place| if better(best, place) { place } else { best })
}

/// The columns of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    format: u32,
    /// In the order of the network's inputs.
    pub inputs: Vec<Column>,
    /// In the order of the network's outputs: numbers, or the classes of one column.
    pub targets: Vec<Column>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    #[serde(flatten)]
    pub kind: Kind,
}

/// How a column becomes numbers of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Kind {
    /// One number, shifted and scaled.
    Number {
        mean: f64,
        /// Above 0.
        deviation: f64,
    },
    /// A number for each value, 1 for that of the cell and 0 for the others.
    Category { values: Vec<String> },
}

impl Column {
    /// How many numbers of the network it takes.
    pub fn width(&self) -> usize {
        match &self.kind {
            Kind::Number { .. } => 1,
            Kind::Category { values } => values.len(),
        }
    }
}

impl Schema {
    pub fn new(inputs: Vec<Column>, targets: Vec<Column>) -> Self {
        Self { format: FORMAT, inputs, targets }
    }

    /// The schema in the texts of a saved network, if there is one.
    pub fn of(network: &Network, texts: &HashMap<String, String>) -> Result<Option<Self>> {
        let Some(text) = texts.get(KEY) else { return Ok(None) };
        let wrong = |reason: String| Error::Format(format!("its '{KEY}' entry: {reason}"));
        let schema: Self = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        schema.check(network).map_err(wrong)?;
        Ok(Some(schema))
    }

    /// The text of the metadata.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| Error::Format(error.to_string()))
    }

    /// The classes, if these are what is predicted.
    pub fn classes(&self) -> Option<&[String]> {
        match self.targets.as_slice() {
            [Column { kind: Kind::Category { values }, .. }] => Some(values),
            _ => None,
        }
    }

    /// `regression` or `classification`.
    pub fn task(&self) -> &'static str {
        if self.classes().is_some() { "classification" } else { "regression" }
    }

    fn check(&self, network: &Network) -> std::result::Result<(), String> {
        if self.format != FORMAT {
            return Err(format!("its format is {}, from a later version", self.format));
        }
        let mut names = HashSet::new();
        for column in self.inputs.iter().chain(&self.targets) {
            if !names.insert(&column.name) {
                return Err(format!("two columns are called '{}'", column.name));
            }
            match &column.kind {
                Kind::Number { mean, deviation } => {
                    if !mean.is_finite() || !deviation.is_finite() || *deviation <= 0.0 {
                        return Err(format!("column '{}' has no usable scale", column.name));
                    }
                }
                Kind::Category { values } => {
                    let different: HashSet<_> = values.iter().collect();
                    if values.is_empty() || different.len() != values.len() {
                        return Err(format!("column '{}' has no usable values", column.name));
                    }
                }
            }
        }
        let is_number = |column: &Column| matches!(column.kind, Kind::Number { .. });
        if self.classes().is_none() && !self.targets.iter().all(is_number) {
            return Err("its targets are neither numbers nor one column of classes".into());
        }
        let width = |columns: &[Column]| columns.iter().map(Column::width).sum::<usize>();
        let (inputs, outputs) = (width(&self.inputs), width(&self.targets));
        if (inputs, outputs) != (network.inputs(), network.outputs()) {
            return Err(format!(
                "it has {inputs} inputs and {outputs} outputs, and the network {} and {}",
                network.inputs(),
                network.outputs()
            ));
        }
        Ok(())
    }
}
