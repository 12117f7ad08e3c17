//! Predictions for the rows of a table.

use super::Options;
use crate::output::Output;
use crate::paint::signals::Signal;
use crate::table::encoder::Encoder;
use crate::table::schema::{Kind, Schema, largest};
use crate::table::source::{Row, Source};
use impasto::{Error, Model, Network, Result};
use std::process::ExitCode;

/// Rows that are predicted at once.
const BLOCK: usize = 1 << 12;

/// Predicts a table.
pub fn run(options: &Options, network: &Network, schema: &Schema) -> Result<ExitCode> {
    if options.probabilities && schema.classes().is_none() {
        return Err(Error::Setting(
            "--probabilities is for classes, and this network predicts numbers".into(),
        ));
    }
    let Some(data) = &options.data else {
        return Err(Error::Setting(
            "this network predicts for the rows of a table: name it after the network".into(),
        ));
    };
    let mut source = Source::open(data, &options.dialect)?;
    let mut encoder = Encoder::new(&schema.inputs, &source)?;
    let mut output = Output::open(&options.output)?;
    let engine = options.device.open()?;
    let model = engine.prepare(network)?;
    let writer = Writer { schema, model: &model, probabilities: options.probabilities };
    let signal = Signal::listen();
    let (mut row, mut inputs) = (Row::new(), Vec::new());
    let mut is_open = output.write(&writer.header()?)?;
    while is_open {
        inputs.clear();
        let mut rows = 0;
        while rows < BLOCK {
            let Some(line) = source.read(&mut row)? else { break };
            encoder.encode(line, &row, &mut inputs)?;
            rows += 1;
        }
        if let Some(code) = signal.exit_code() {
            return Ok(ExitCode::from(code));
        }
        if rows == 0 {
            break;
        }
        is_open = output.write(&writer.rows(&inputs)?)?;
    }
    output.finish()?;
    options.device.notes(encoder.notes());
    Ok(ExitCode::SUCCESS)
}

/// Writes predictions as CSV.
struct Writer<'a> {
    schema: &'a Schema,
    model: &'a Model,
    probabilities: bool,
}

impl Writer<'_> {
    /// The names of the columns.
    fn header(&self) -> Result<Vec<u8>> {
        let mut names: Vec<String> =
            self.schema.targets.iter().map(|column| column.name.clone()).collect();
        if let (Some(classes), true) = (self.schema.classes(), self.probabilities) {
            names.extend(classes.iter().map(|class| format!("probability of {class}")));
        }
        written([names])
    }

    /// The predictions for these inputs, `[rows, inputs]`.
    fn rows(&self, inputs: &[f32]) -> Result<Vec<u8>> {
        let outputs = self.model.predict(inputs)?;
        written(outputs.chunks_exact(self.model.outputs()).map(|outputs| self.row(outputs)))
    }

    fn row(&self, outputs: &[f32]) -> Vec<String> {
        if let Some(classes) = self.schema.classes() {
            let mut cells = vec![classes[largest(outputs)].clone()];
            if self.probabilities {
                cells.extend(outputs.iter().map(|output| format!("{output:.6}")));
            }
            return cells;
        }
        let targets = self.schema.targets.iter().zip(outputs);
        let cells = targets.map(|(target, output)| match target.kind {
            Kind::Number { mean, deviation } => number(f64::from(*output), mean, deviation),
            Kind::Category { .. } => String::new(),
        });
        cells.collect()
    }
}

/// A scaled output in the unit of its target, to a millionth of the target's deviation: f32 has no more digits.
fn number(output: f64, mean: f64, deviation: f64) -> String {
    let decimals = 6.0 - deviation.log10().floor();
    let number = output * deviation + mean;
    if !(0.0..=15.0).contains(&decimals) {
        return format!("{number:e}");
    }
    let text = format!("{number:.0$}", decimals as usize);
    let short =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if short == "-0" { "0".into() } else { short.into() }
}

/// Rows as CSV.
fn written(rows: impl IntoIterator<Item = Vec<String>>) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: String| Error::Format(format!("the predictions are no table: {error}"));
    for row in rows {
        writer.write_record(row).map_err(|error| failed(error.to_string()))?;
    }
    writer.into_inner().map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_were_computed() {
        for (output, mean, deviation, text) in [
            (0.5, 100.0, 10.0, "105"),
            (0.123_456_78, 0.0, 1.0, "0.123457"),
            (0.5, 1.7e9, 1000.0, "1700000500"),
            (-1e-9, 0.0, 1.0, "0"),
            (0.25, 0.0, 1e-12, "2.5e-13"),
            (0.5, 0.0, 2e8, "1e8"),
        ] {
            assert_eq!(number(output, mean, deviation), text);
        }
    }

    #[test]
    fn cells_are_quoted_where_they_need_it() {
        let rows = [vec!["a, b".to_string(), "c".into()], vec!["say \"d\"".into(), "e".into()]];
        let text = String::from_utf8(written(rows).expect("a table")).expect("UTF-8");
        assert_eq!(text, "\"a, b\",c\n\"say \"\"d\"\"\",e\n");
    }
}
