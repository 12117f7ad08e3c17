//! Rows of a new table as inputs of a saved network.

use super::cell::Cell;
use super::schema::{Column, Kind};
use super::source::{Row, Source, listed};
use crate::paint::text::counted;
use impasto::{Error, Result};
use std::collections::HashMap;

/// Turns rows into inputs.
pub struct Encoder<'a> {
    inputs: Vec<Input<'a>>,
    width: usize,
    has_decimal_comma: bool,
    /// What messages call the table.
    table: String,
    /// Cells that were missing, which count as the mean of their column or as none of its values.
    pub missing: u64,
    /// Texts that the network was not trained on, which count as none of the values of their column.
    pub unknown: u64,
}

/// A column that the network needs.
struct Input<'a> {
    column: &'a Column,
    /// Its place in the table.
    place: usize,
    /// The numbers of its values.
    values: HashMap<&'a str, usize>,
}

impl<'a> Encoder<'a> {
    /// For the columns that a network needs, in any order, of a table that may have others too.
    pub fn new(columns: &'a [Column], source: &Source) -> Result<Self> {
        let is_lacking = |column: &&Column| !source.columns.contains(&column.name);
        let lacking: Vec<&str> =
            columns.iter().filter(is_lacking).map(|column| column.name.as_str()).collect();
        if !lacking.is_empty() {
            let (name, s) = (&source.name, if lacking.len() == 1 { "" } else { "s" });
            return Err(Error::Data(format!(
                "{name} lacks the column{s} {}, which the network needs: it has {}",
                listed(&lacking),
                listed(&source.columns)
            )));
        }
        let inputs = columns.iter().map(|column| {
            let values = match &column.kind {
                Kind::Number { .. } => HashMap::new(),
                Kind::Category { values } => {
                    values.iter().zip(0..).map(|(value, number)| (value.as_str(), number)).collect()
                }
            };
            Ok(Input { column, place: source.place(&column.name)?, values })
        });
        Ok(Self {
            inputs: inputs.collect::<Result<_>>()?,
            width: columns.iter().map(Column::width).sum(),
            has_decimal_comma: source.has_decimal_comma,
            table: source.name.clone(),
            missing: 0,
            unknown: 0,
        })
    }

    /// Appends the inputs of a row, which is in that line of the table.
    pub fn encode(&mut self, line: u64, row: &Row, inputs: &mut Vec<f32>) -> Result<()> {
        inputs.reserve(self.width);
        for Input { column, place, values } in &self.inputs {
            let text = &row[*place];
            let cell = Cell::read(text, self.has_decimal_comma);
            self.missing += u64::from(cell == Cell::Missing);
            match (&column.kind, cell) {
                (Kind::Number { .. }, Cell::Missing) => inputs.push(0.0),
                (Kind::Number { mean, deviation }, Cell::Number { number, .. }) => {
                    let scaled = ((number - mean) / deviation) as f32;
                    if !scaled.is_finite() {
                        return Err(self.wrong(line, column, text, "is out of range"));
                    }
                    inputs.push(scaled);
                }
                (Kind::Number { .. }, Cell::Text(text)) => {
                    return Err(self.wrong(line, column, text, "is no number"));
                }
                (Kind::Category { values: all }, cell) => {
                    let first = inputs.len();
                    inputs.resize(first + all.len(), 0.0);
                    match cell.category().and_then(|category| values.get(&*category)) {
                        Some(number) => inputs[first + number] = 1.0,
                        None => self.unknown += u64::from(cell != Cell::Missing),
                    }
                }
            }
        }
        Ok(())
    }

    fn wrong(&self, line: u64, column: &Column, text: &str, what: &str) -> Error {
        Error::Data(format!(
            "{}, line {line}, column '{}': '{text}' {what}",
            self.table, column.name
        ))
    }

    /// What the user should know of the cells.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.missing > 0 {
            notes.push(format!(
                "{}: a number counts as the mean of its column, a text as none of its values",
                counted(self.missing, "missing cell")
            ));
        }
        if self.unknown > 0 {
            notes.push(format!(
                "{} that the network was not trained on: a text counts as none of the values of its column",
                counted(self.unknown, "text")
            ));
        }
        notes
    }
}
