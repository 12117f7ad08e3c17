//! Errors and accuracy of a network on a table.

use super::samples::shown;
use crate::table::schema::{Column, Kind, Schema, largest};
use impasto::{Dataset, Engine, Network, Result};
use serde_json::{Value, json};

/// Samples that are predicted at once.
const BLOCK: usize = 1 << 14;

/// The most classes with a table of confusions.
const MOST_LISTED: usize = 10;

/// The quality of a network on some samples.
pub enum Quality {
    /// Of each target.
    Regression(Vec<Errors>),
    Classification(Confusion),
}

/// The errors of a target, in its unit.
pub struct Errors {
    name: String,
    /// The share of the variance that is explained.
    r2: f64,
    /// The mean absolute error.
    mean_absolute: f64,
    /// The root of the mean squared error.
    root_mean_square: f64,
}

/// How often a class is predicted.
pub struct Confusion {
    classes: Vec<String>,
    /// `[true class, predicted class]`.
    counts: Vec<usize>,
}

impl Quality {
    /// Predicts the samples and compares.
    pub fn measure(
        engine: &Engine,
        network: &Network,
        samples: &Dataset,
        schema: &Schema,
    ) -> Result<Self> {
        let model = engine.prepare(network)?;
        let width = network.outputs();
        let mut sums = vec![[0.0; 4]; width];
        let mut counts = vec![0; schema.classes().map_or(0, |_| width * width)];
        for first in (0..samples.len()).step_by(BLOCK) {
            let (inputs, targets) = samples.rows(first..samples.len().min(first + BLOCK));
            let outputs = model.predict(&inputs)?;
            for (outputs, targets) in outputs.chunks(width).zip(targets.chunks(width)) {
                if counts.is_empty() {
                    for ((sums, y), t) in sums.iter_mut().zip(outputs).zip(targets) {
                        let (y, t) = (f64::from(*y), f64::from(*t));
                        let terms = [(y - t).abs(), (y - t).powi(2), t, t * t];
                        sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
                    }
                } else {
                    counts[largest(targets) * width + largest(outputs)] += 1;
                }
            }
        }
        if let Some(classes) = schema.classes() {
            return Ok(Self::Classification(Confusion { classes: classes.to_vec(), counts }));
        }
        let count = samples.len() as f64;
        let errors = schema
            .targets
            .iter()
            .zip(sums)
            .map(|(column, sums)| Errors::new(column, sums.map(|sum| sum / count)));
        Ok(Self::Regression(errors.collect()))
    }

    /// Lines for the user.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Regression(errors) => errors.iter().map(Errors::line).collect(),
            Self::Classification(confusion) => confusion.lines(),
        }
    }

    /// The same for the report.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Regression(errors) => errors
                .iter()
                .map(|e| {
                    json!({
                        "target": e.name,
                        "r2": e.r2,
                        "mean_absolute_error": e.mean_absolute,
                        "root_mean_squared_error": e.root_mean_square,
                    })
                })
                .collect(),
            Self::Classification(confusion) => json!({
                "accuracy": confusion.accuracy(),
                "classes": confusion.classes,
                "confusion": confusion.counts.chunks(confusion.classes.len()).collect::<Vec<_>>(),
            }),
        }
    }
}

impl Errors {
    /// From the means of |y − t|, (y − t)², t and t² over scaled targets.
    fn new(column: &Column, [absolute, square, mean, mean_square]: [f64; 4]) -> Self {
        let deviation = match column.kind {
            Kind::Number { deviation, .. } => deviation,
            Kind::Category { .. } => 1.0,
        };
        let variance = mean_square - mean * mean;
        // As scikit-learn defines it for constant targets.
        let r2 = if variance > 1e-12 {
            1.0 - square / variance
        } else {
            f64::from(u8::from(square == 0.0))
        };
        Self {
            name: column.name.clone(),
            r2,
            mean_absolute: absolute * deviation,
            root_mean_square: square.sqrt() * deviation,
        }
    }

    fn line(&self) -> String {
        format!(
            "{}: R² {:.3}, mean absolute error {}, root mean squared error {}",
            self.name,
            self.r2,
            shown(self.mean_absolute),
            shown(self.root_mean_square)
        )
    }
}

impl Confusion {
    fn accuracy(&self) -> f64 {
        let (width, all) = (self.classes.len(), self.counts.iter().sum::<usize>());
        let right = (0..width).map(|class| self.counts[class * width + class]).sum::<usize>();
        right as f64 / all.max(1) as f64
    }

    /// The share and the name of the most frequent class.
    fn most_frequent(&self) -> (f64, &str) {
        let rows = self.counts.chunks(self.classes.len()).map(|row| row.iter().sum::<usize>());
        let largest = rows.zip(&self.classes).max_by_key(|(count, _)| *count);
        let all = self.counts.iter().sum::<usize>().max(1) as f64;
        largest.map_or((0.0, ""), |(count, name)| (count as f64 / all, name))
    }

    fn lines(&self) -> Vec<String> {
        let (share, name) = self.most_frequent();
        let mut lines = vec![format!(
            "accuracy {:.1} % ({:.1} % are '{name}')",
            100.0 * self.accuracy(),
            100.0 * share
        )];
        if self.classes.len() <= MOST_LISTED {
            lines.extend(self.table());
        } else {
            lines.extend(self.confused());
        }
        lines
    }

    /// True classes below each other, predicted ones beside each other.
    fn table(&self) -> Vec<String> {
        let width = self.classes.len();
        let title = "true ↓ predicted →";
        let names: Vec<String> = self.classes.iter().map(|name| short(name)).collect();
        let first = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
        let first = first.max(title.chars().count());
        let column = |place: usize| {
            let counts = self.counts.iter().skip(place).step_by(width);
            let digits = counts.map(|count| count.to_string().len()).max().unwrap_or_default();
            digits.max(names[place].chars().count())
        };
        let line = |title: &str, cells: Vec<String>| {
            let cells = cells.iter().enumerate();
            let cells = cells.map(|(place, cell)| format!("  {cell:>0$}", column(place)));
            format!("{title:first$}{}", cells.collect::<String>())
        };
        let mut lines = vec![line(title, names.clone())];
        for (name, counts) in names.iter().zip(self.counts.chunks(width)) {
            lines.push(line(name, counts.iter().map(ToString::to_string).collect()));
        }
        lines
    }

    /// The mistakes that occur most often.
    fn confused(&self) -> Vec<String> {
        let width = self.classes.len();
        let mut mistakes: Vec<(usize, usize)> = (0..self.counts.len())
            .filter(|place| place / width != place % width)
            .map(|place| (self.counts[place], place))
            .filter(|(count, _)| *count > 0)
            .collect();
        mistakes.sort_by_key(|(count, place)| (usize::MAX - count, *place));
        let line = |(count, place): &(usize, usize)| {
            let [truth, predicted] = [place / width, place % width].map(|c| &self.classes[c]);
            format!("{count} of '{truth}' predicted as '{predicted}'")
        };
        mistakes.iter().take(5).map(line).collect()
    }
}

/// A name that fits a table.
fn short(name: &str) -> String {
    const MOST: usize = 20;
    if name.chars().count() <= MOST {
        return name.into();
    }
    name.chars().take(MOST - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confusions_are_a_table() {
        let classes = ["cat", "dog"].map(String::from).to_vec();
        let confusion = Confusion { classes, counts: vec![8, 2, 0, 10] };
        assert_eq!(
            confusion.lines(),
            [
                "accuracy 90.0 % (50.0 % are 'dog')",
                "true ↓ predicted →  cat  dog",
                "cat                   8    2",
                "dog                   0   10",
            ]
        );
        let classes = (0..12).map(|class| class.to_string()).collect();
        let mut confusion = Confusion { classes, counts: vec![0; 144] };
        (confusion.counts[0], confusion.counts[12]) = (3, 1);
        assert_eq!(
            confusion.lines(),
            ["accuracy 75.0 % (75.0 % are '0')", "1 of '1' predicted as '0'"]
        );
    }

    #[test]
    fn errors_have_the_unit_of_the_target() {
        let kind = Kind::Number { mean: 5.0, deviation: 10.0 };
        let column = Column { name: "price".into(), kind };
        let errors = Errors::new(&column, [0.4, 0.25, 0.0, 1.0]);
        assert_eq!((errors.r2, errors.mean_absolute, errors.root_mean_square), (0.75, 4.0, 5.0));
        assert_eq!(
            errors.line(),
            "price: R² 0.750, mean absolute error 4.000, root mean squared error 5.000"
        );
        assert_eq!(Errors::new(&column, [0.0, 0.0, 1.0, 1.0]).r2, 1.0);
        assert_eq!(Errors::new(&column, [0.1, 0.01, 1.0, 1.0]).r2, 0.0);
    }
}
