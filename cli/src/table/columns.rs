//! The columns of a table in memory, before it is known what they are.

use super::cell::Cell;
use impasto::{Error, Result};
use std::collections::HashMap;

/// The most different values of a column of text among the inputs.
pub const MOST_VALUES: usize = 100;

/// The most classes.
pub const MOST_CLASSES: usize = 1000;

/// The code of a missing cell.
const NONE: u32 = u32::MAX;

/// A column that is read.
pub struct Gathered {
    pub name: String,
    /// What it is called in messages, with the table.
    table: String,
    is_target: bool,
    /// NaN for what is no number.
    numbers: Vec<f64>,
    /// The different values, until there are too many.
    values: Option<Values>,
    /// Line and text of the first cell that is neither a number nor missing.
    text: Option<(u64, String)>,
    /// How many cells are missing.
    pub missing: usize,
    /// How many cells are neither numbers nor missing.
    texts: usize,
}

/// The different values of a column.
#[derive(Default)]
struct Values {
    /// The value of each row.
    codes: Vec<u32>,
    all: Vec<String>,
    known: HashMap<String, u32>,
}

impl Values {
    fn push(&mut self, cell: Cell<'_>) {
        let Some(category) = cell.category() else {
            return self.codes.push(NONE);
        };
        let next = self.all.len() as u32;
        let code = *self.known.entry(category.into_owned()).or_insert_with_key(|key| {
            self.all.push(key.clone());
            next
        });
        self.codes.push(code);
    }
}

impl Gathered {
    pub fn new(table: &str, name: &str, is_target: bool) -> Self {
        Self {
            name: name.into(),
            table: table.into(),
            is_target,
            numbers: Vec::new(),
            values: Some(Values::default()),
            text: None,
            missing: 0,
            texts: 0,
        }
    }

    /// Adds the cell of the next row.
    pub fn push(&mut self, line: u64, cell: Cell<'_>) -> Result<()> {
        self.missing += usize::from(cell == Cell::Missing);
        self.numbers.push(match cell {
            Cell::Number { number, .. } => number,
            Cell::Missing | Cell::Text(_) => f64::NAN,
        });
        self.texts += usize::from(matches!(cell, Cell::Text(_)));
        if let (Cell::Text(text), None) = (cell, &self.text) {
            self.text = Some((line, text.into()));
        }
        let most = if self.is_target { MOST_CLASSES } else { MOST_VALUES };
        if let Some(values) = &mut self.values {
            values.push(cell);
            if values.all.len() > most {
                self.values = None;
            }
        }
        match (&self.values, &self.text) {
            (None, Some((line, text))) => Err(self.too_many(most, *line, text)),
            _ => Ok(()),
        }
    }

    /// A column of text with too many values, or of numbers with a text.
    fn too_many(&self, most: usize, line: u64, text: &str) -> Error {
        let advice = if self.is_target { String::new() } else { self.advice() };
        Error::Data(format!(
            "{}, line {line}, column '{}': '{text}' is no number, and the column has more than {most} different \
             values{advice}",
            self.table, self.name
        ))
    }

    fn advice(&self) -> String {
        format!(": leave it out with --ignore '{}'", self.name)
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether all cells that are not missing are numbers.
    pub fn is_numeric(&self) -> bool {
        self.text.is_none()
    }

    /// Whether the column looks like one of numbers in which some cells are wrong: nine of ten are numbers, more different
    /// ones than `classes`.
    pub fn is_almost_numeric(&self, classes: usize) -> bool {
        let known = self.len() - self.missing;
        let many = self.different().is_none_or(|different| different > classes + self.texts);
        self.texts > 0 && 10 * self.texts <= known && many
    }

    /// Line and text of the first cell that is no number.
    pub fn first_text(&self) -> Option<&(u64, String)> {
        self.text.as_ref()
    }

    /// How many different values it has, if not too many.
    pub fn different(&self) -> Option<usize> {
        self.values.as_ref().map(|values| values.all.len())
    }

    /// Whether all numbers are whole.
    pub fn is_whole(&self) -> bool {
        self.numbers.iter().all(|number| number.is_nan() || number.fract() == 0.0)
    }

    /// The number of a row, NaN where there is none.
    pub fn number(&self, row: usize) -> f64 {
        self.numbers[row]
    }

    /// Mean and standard deviation over some rows, leaving out what is missing; a deviation of 1 for numbers that are
    /// all equal.
    pub fn scale(&self, rows: impl Iterator<Item = usize> + Clone) -> Result<(f64, f64)> {
        let numbers = rows.map(|row| self.numbers[row]).filter(|number| !number.is_nan());
        let count = numbers.clone().count().max(1) as f64;
        let mean = numbers.clone().map(|number| number / count).sum::<f64>();
        let square = numbers.map(|number| (number - mean).powi(2) / count).sum::<f64>();
        let deviation = square.sqrt();
        if !mean.is_finite() || !deviation.is_finite() {
            return Err(Error::Data(format!(
                "{}: the numbers of the column '{}' are too large: use another unit",
                self.table, self.name
            )));
        }
        // What is left of a constant after its mean was rounded.
        let is_constant = deviation <= 10.0 * f64::EPSILON * mean.abs();
        Ok((mean, if is_constant { 1.0 } else { deviation }))
    }

    /// The values in order, numbers by size and texts by letters, and the place of each row's among them; nothing for
    /// a missing cell.
    pub fn categories(&self) -> Result<(Vec<String>, Vec<Option<usize>>)> {
        let Some(values) = &self.values else {
            let most = if self.is_target { MOST_CLASSES } else { MOST_VALUES };
            return Err(Error::Data(format!(
                "{}: the column '{}' has more than {most} different values, which is too many for classes",
                self.table, self.name
            )));
        };
        let mut order: Vec<usize> = (0..values.all.len()).collect();
        let number = |place: &usize| values.all[*place].parse::<f64>().unwrap_or(f64::INFINITY);
        order.sort_by(|a, b| {
            let by_text = || values.all[*a].cmp(&values.all[*b]);
            number(a).total_cmp(&number(b)).then_with(by_text)
        });
        let mut places = vec![0; order.len()];
        for (place, code) in order.iter().enumerate() {
            places[*code] = place;
        }
        let sorted = order.iter().map(|code| values.all[*code].clone()).collect();
        let of = |code: &u32| places.get(*code as usize).copied();
        Ok((sorted, values.codes.iter().map(of).collect()))
    }

    /// Refuses text that is different in most rows, such as names.
    pub fn check_values(&self) -> Result<()> {
        const FEW_ROWS: usize = 20;
        let (rows, different) = (self.len(), self.different().unwrap_or(usize::MAX));
        if rows < FEW_ROWS || different * 2 <= rows {
            return Ok(());
        }
        Err(Error::Data(format!(
            "{}: the column '{}' has {different} different texts in {rows} rows, from which nothing can be learned{}",
            self.table,
            self.name,
            self.advice()
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(cells: &[&str]) -> Gathered {
        let mut column = Gathered::new("a.csv", "x", false);
        for (line, cell) in (2..).zip(cells) {
            column.push(line, Cell::read(cell, false)).expect("few values");
        }
        column
    }

    #[test]
    fn values_are_sorted_and_numbers_are_written_alike() {
        let (values, codes) = gathered(&["10", "2", "", "2.0", "10.0"]).categories().expect("few");
        assert_eq!(values, ["2", "10"]);
        assert_eq!(codes, [Some(1), Some(0), None, Some(0), Some(1)]);
        let (values, _) = gathered(&["b", "a", "3"]).categories().expect("few");
        assert_eq!(values, ["3", "a", "b"]);
        let (values, codes) = gathered(&["7", "007", "7.0", "007"]).categories().expect("few");
        assert_eq!(values, ["007", "7"]);
        assert_eq!(codes, [Some(1), Some(0), Some(1), Some(0)]);
    }

    #[test]
    fn scales_leave_out_missing_cells() {
        let column = gathered(&["1", "NA", "3"]);
        assert_eq!(column.scale(0..3).expect("finite"), (2.0, 1.0));
        assert_eq!(gathered(&["0.1"; 10]).scale(0..10).expect("finite").1, 1.0);
        assert!(gathered(&["1e300", "-1e300"]).scale(0..2).is_err());
        assert!(column.is_numeric() && column.is_whole() && column.missing == 1);
    }

    #[test]
    fn a_text_among_many_numbers_is_refused_with_its_line() {
        let mut column = Gathered::new("a.csv", "x", false);
        for line in 2..500 {
            column.push(line, Cell::read(&line.to_string(), false)).expect("numbers");
        }
        let error = column.push(500, Cell::Text("oops")).expect_err("text").to_string();
        assert!(error.starts_with("a.csv, line 500, column 'x': 'oops' is no number"), "{error}");
        assert!(error.contains("--ignore 'x'"));
    }
}
