//! Tests of the optimizers against the tables of `tests/fixtures/optimizers.json`.

use super::Optimizer;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The updates of an optimizer for given gradients, by PyTorch or by a published formula.
#[derive(Deserialize)]
pub(crate) struct Table {
    optimizer: Map<String, Value>,
    pub(crate) learning_rate: f64,
    pub(crate) l2: f64,
    pub(crate) parameters: Vec<f64>,
    pub(crate) gradients: Vec<Vec<f64>>,
    /// The parameters after each gradient.
    pub(crate) after: Vec<Vec<f64>>,
}

impl Table {
    /// The optimizer's name and its parameters, as on the command line.
    pub(crate) fn text(&self) -> String {
        let settings = self.optimizer.iter().filter(|(key, _)| *key != "name");
        let settings: Vec<String> = settings.map(|(key, value)| format!("{key}={value}")).collect();
        format!("{}:{}", self.name(), settings.join(","))
    }

    pub(crate) fn name(&self) -> &str {
        self.optimizer["name"].as_str().expect("a name")
    }
}

/// All tables, each with its optimizer.
pub(crate) fn tables() -> Vec<(Optimizer, Table)> {
    all().into_iter().filter_map(|table| Some((table.text().parse().ok()?, table))).collect()
}

pub(crate) fn all() -> Vec<Table> {
    #[derive(Deserialize)]
    struct File {
        tables: Vec<Table>,
    }
    let text = include_str!("../../tests/fixtures/optimizers.json");
    serde_json::from_str::<File>(text).expect("the fixtures").tables
}
