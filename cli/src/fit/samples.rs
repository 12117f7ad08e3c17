//! Samples for a network from the columns of a table.

use super::options::{Options, Task};
use super::training::Parts;
use crate::paint::text::counted;
use crate::table::cell::Cell;
use crate::table::columns::Gathered;
use crate::table::schema::{Column, Kind, Schema};
use crate::table::source::{Row, Source, listed};
use impasto::{Dataset, Error, Permutation, Result, memory};

/// The most whole numbers that are taken for classes.
const FEW_CLASSES: usize = 10;

/// The least rows for each of them.
const ROWS_OF_A_CLASS: usize = 5;

/// The share of the rows to validate with, if the user does not choose it.
const SPLIT: f64 = 0.2;

/// A table in memory.
pub struct Table {
    /// What messages call it.
    pub name: String,
    inputs: Vec<Gathered>,
    targets: Vec<Gathered>,
    pub rows: usize,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl Table {
    /// Reads a table whole.
    pub fn read(options: &Options) -> Result<Self> {
        let mut source = Source::open(&options.data, &options.dialect)?;
        let name = source.name.clone();
        if options.target.is_empty() {
            return Err(Error::Setting(format!(
                "which column is to be predicted? Add --target and one of {}",
                listed(&source.columns)
            )));
        }
        let places = |columns: &[String]| {
            columns.iter().map(|column| source.place(column.trim())).collect::<Result<Vec<_>>>()
        };
        let (wanted, ignored) = (places(&options.target)?, places(&options.ignore)?);
        for (number, place) in wanted.iter().enumerate() {
            let column = &source.columns[*place];
            if ignored.contains(place) {
                return Err(Error::Setting(format!("'{column}' is a target and is ignored")));
            }
            if wanted[..number].contains(place) {
                return Err(Error::Setting(format!("--target names '{column}' twice")));
            }
        }
        let others: Vec<usize> = (0..source.columns.len())
            .filter(|place| !wanted.contains(place) && !ignored.contains(place))
            .collect();
        if others.is_empty() {
            return Err(Error::Data(format!("{name} has no column to predict from")));
        }
        let gather = |places: &[usize], is_target| {
            let column = |place: &usize| Gathered::new(&name, &source.columns[*place], is_target);
            places.iter().map(column).collect::<Vec<_>>()
        };
        let (mut targets, mut inputs) = (gather(&wanted, true), gather(&others, false));
        let has_decimal_comma = source.has_decimal_comma;
        let (mut row, mut rows, mut lacking, mut first) = (Row::new(), 0, 0_u64, 0);
        while let Some(line) = source.read(&mut row)? {
            let cell = |place: &usize| Cell::read(&row[*place], has_decimal_comma);
            if wanted.iter().any(|place| cell(place) == Cell::Missing) {
                first = if lacking == 0 { line } else { first };
                lacking += 1;
                continue;
            }
            for (column, place) in targets.iter_mut().zip(&wanted) {
                column.push(line, cell(place))?;
            }
            for (column, place) in inputs.iter_mut().zip(&others) {
                column.push(line, cell(place))?;
            }
            rows += 1;
        }
        let mut notes = Vec::new();
        if lacking > 0 {
            notes.push(format!(
                "{} without a target left out, the first in line {first}",
                counted(lacking, "row")
            ));
        }
        if rows < 2 {
            return Err(Error::Data(format!(
                "{name} has {} with a target: at least 2 are needed",
                if rows == 1 { "1 row" } else { "no row" }
            )));
        }
        Ok(Self { name, inputs, targets, rows, notes })
    }

    /// The task that the options or the cells of the targets say, with the reason.
    pub fn task(&self, wanted: Option<Task>) -> Result<(Task, String)> {
        if let [target] = self.targets.as_slice() {
            return match wanted {
                Some(Task::Regression) => {
                    self.check_numeric()?;
                    Ok((Task::Regression, String::new()))
                }
                Some(Task::Classification) => Ok((Task::Classification, String::new())),
                None if target.is_almost_numeric(FEW_CLASSES) => {
                    self.check_numeric()?;
                    Ok((Task::Regression, String::new()))
                }
                None if !target.is_numeric() => Ok((Task::Classification, "texts".into())),
                None => Ok(self.task_of_numbers(target)),
            };
        }
        if wanted == Some(Task::Classification) {
            return Err(Error::Setting(
                "--task classification takes one target: train a network for each".into(),
            ));
        }
        self.check_numeric()?;
        Ok((Task::Regression, String::new()))
    }

    /// The task for a target of numbers.
    fn task_of_numbers(&self, target: &Gathered) -> (Task, String) {
        let different = target.different();
        let is_few = different.is_some_and(|different| {
            different <= FEW_CLASSES && different * ROWS_OF_A_CLASS <= self.rows
        });
        if is_few && target.is_whole() {
            let reason = "whole numbers; --task regression predicts numbers";
            return (Task::Classification, reason.into());
        }
        let advice = different.map_or("", |_| "; --task classification predicts classes");
        (Task::Regression, format!("numbers{advice}"))
    }

    fn check_numeric(&self) -> Result<()> {
        let text = self.targets.iter().find_map(|target| Some((target, target.first_text()?)));
        let Some((target, (line, text))) = text else { return Ok(()) };
        let advice = match self.targets.len() {
            1 => "correct it, or predict classes with --task classification",
            _ => "a target of classes must be the only one",
        };
        Err(Error::Data(format!(
            "{}, line {line}, column '{}': '{text}' is no number: {advice}",
            self.name, target.name
        )))
    }

    /// The samples, and what the columns are for the network. What the user should know goes to `notes`.
    pub fn samples(
        &self,
        task: Task,
        options: &Options,
        notes: &mut Vec<String>,
    ) -> Result<(Schema, Parts)> {
        let order = Permutation::new(self.rows, options.seed, u64::MAX);
        let validation = self.validation_rows(options.split.unwrap_or(SPLIT))?;
        let held_out = (0..validation).map(|place| order.index(place));
        let training = (validation..self.rows).map(|place| order.index(place));
        let (inputs, columns) = self.inputs(&training, notes)?;
        let (targets, target_columns) = match task {
            Task::Regression => self.numbers(&training)?,
            Task::Classification => self.classes(training.clone())?,
        };
        let schema = Schema::new(columns, target_columns);
        let of = |rows: Vec<usize>| {
            let (input, target) = (filled(&inputs, &rows)?, filled(&targets, &rows)?);
            let width = |columns: &[Column]| columns.iter().map(Column::width).sum();
            Dataset::new(input, target, width(&schema.inputs), width(&schema.targets))
        };
        let parts = Parts {
            validation: (validation > 0).then(|| of(held_out.collect())).transpose()?,
            training: of(training.collect())?,
        };
        Ok((schema, parts))
    }

    /// How many rows to validate with.
    fn validation_rows(&self, share: f64) -> Result<usize> {
        if share == 0.0 {
            return Ok(0);
        }
        let rows = ((self.rows as f64 * share).round() as usize).max(1);
        if rows >= self.rows {
            return Err(Error::Setting(format!(
                "--split {share} of {} rows leaves none to learn from",
                self.rows
            )));
        }
        Ok(rows)
    }

    /// The columns that say something, and what they are for a network.
    fn inputs(
        &self,
        training: &(impl Iterator<Item = usize> + Clone),
        notes: &mut Vec<String>,
    ) -> Result<(Vec<Values<'_>>, Vec<Column>)> {
        // A text that is missing in some rows is not the same in every row. A missing number counts as the mean.
        let is_constant = |column: &&Gathered| {
            column.different().is_some_and(|values| values < 2)
                && (column.is_numeric() || column.missing == 0)
        };
        let constant: Vec<_> =
            self.inputs.iter().filter(is_constant).map(|column| column.name.as_str()).collect();
        if !constant.is_empty() {
            notes.push(format!("the same in every row and left out: {}", listed(&constant)));
        }
        let (mut values, mut columns) = (Vec::new(), Vec::new());
        for column in self.inputs.iter().filter(|column| !is_constant(column)) {
            let kind = if column.is_numeric() {
                let (mean, deviation) = column.scale(training.clone())?;
                if column.missing > 0 {
                    notes.push(format!(
                        "column '{}': {} of {} cells missing, counted as its mean, {}",
                        column.name,
                        column.missing,
                        self.rows,
                        shown(mean)
                    ));
                }
                values.push(Values::Numbers { column, mean, deviation });
                Kind::Number { mean, deviation }
            } else {
                column.check_values()?;
                let (names, codes) = column.categories()?;
                if column.missing > 0 {
                    notes.push(format!(
                        "column '{}': {} of {} cells missing, counted as none of its values",
                        column.name, column.missing, self.rows
                    ));
                }
                values.push(Values::Codes { codes, width: names.len() });
                Kind::Category { values: names }
            };
            columns.push(Column { name: column.name.clone(), kind });
        }
        if columns.is_empty() {
            return Err(Error::Data(format!(
                "{}: all columns but the target are the same in every row",
                self.name
            )));
        }
        Ok((values, columns))
    }

    /// Targets that are numbers.
    fn numbers(
        &self,
        training: &(impl Iterator<Item = usize> + Clone),
    ) -> Result<(Vec<Values<'_>>, Vec<Column>)> {
        let (mut values, mut columns) = (Vec::new(), Vec::new());
        for column in &self.targets {
            if column.different() == Some(1) {
                return Err(self.constant(column));
            }
            let (mean, deviation) = column.scale(training.clone())?;
            values.push(Values::Numbers { column, mean, deviation });
            let kind = Kind::Number { mean, deviation };
            columns.push(Column { name: column.name.clone(), kind });
        }
        Ok((values, columns))
    }

    /// The classes of the target.
    fn classes(
        &self,
        mut training: impl Iterator<Item = usize>,
    ) -> Result<(Vec<Values<'_>>, Vec<Column>)> {
        let column = &self.targets[0];
        let (names, codes) = column.categories()?;
        if names.len() < 2 {
            return Err(self.constant(column));
        }
        let first = training.next().map(|row| codes[row]);
        if training.all(|row| Some(codes[row]) == first) {
            return Err(Error::Data(format!(
                "{}: all rows to learn from are of one class: try another --seed, or a smaller --split",
                self.name
            )));
        }
        let values = vec![Values::Codes { codes, width: names.len() }];
        let kind = Kind::Category { values: names };
        Ok((values, vec![Column { name: column.name.clone(), kind }]))
    }

    fn constant(&self, column: &Gathered) -> Error {
        let value = column.categories().map(|(values, _)| values.concat()).unwrap_or_default();
        Error::Data(format!(
            "{}: the target '{}' is {value} in every row: there is nothing to learn",
            self.name, column.name
        ))
    }
}

/// The numbers of a column, or the places of its values.
enum Values<'a> {
    Numbers { column: &'a Gathered, mean: f64, deviation: f64 },
    Codes { codes: Vec<Option<usize>>, width: usize },
}

/// The numbers for a network in these rows, `[rows, widths]`.
fn filled(columns: &[Values<'_>], rows: &[usize]) -> Result<Vec<f32>> {
    let width_of = |values: &Values<'_>| match values {
        Values::Numbers { .. } => 1,
        Values::Codes { width, .. } => *width,
    };
    let width: usize = columns.iter().map(width_of).sum();
    let needed = width.saturating_mul(rows.len());
    let what = format_args!("a table of {} rows as {width} numbers each", rows.len());
    let mut numbers = memory::room(needed, what, "leave out columns with --ignore")?;
    numbers.resize(needed, 0.0_f32);
    let mut first = 0;
    for column in columns {
        for (row, numbers) in rows.iter().zip(numbers.chunks_exact_mut(width)) {
            match column {
                Values::Numbers { column, mean, deviation } => {
                    let number = column.number(*row);
                    // A missing one counts as the mean.
                    let scaled = if number.is_nan() { 0.0 } else { (number - mean) / deviation };
                    numbers[first] = scaled as f32;
                }
                Values::Codes { codes, .. } => {
                    if let Some(code) = codes[*row] {
                        numbers[first + code] = 1.0;
                    }
                }
            }
        }
        first += width_of(column);
    }
    Ok(numbers)
}

/// A number with four digits that count, for people.
pub fn shown(number: f64) -> String {
    if number == 0.0 {
        return "0".into();
    }
    let magnitude = number.abs().log10().floor();
    if !(-4.0..15.0).contains(&magnitude) {
        return format!("{number:.3e}");
    }
    let decimals = (3.0 - magnitude).max(0.0) as usize;
    format!("{number:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn numbers_for_people_have_four_digits() {
        for (number, text) in [
            (0.0, "0"),
            (1.0, "1.000"),
            (-12.3456, "-12.35"),
            (123_456.7, "123457"),
            (0.001_234_56, "0.001235"),
            (1.5e-7, "1.500e-7"),
            (1.5e20, "1.500e20"),
        ] {
            assert_eq!(shown(number), text);
        }
    }
}
