//! Parts of a dataset, which share its samples.

use super::{Dataset, Part};
use crate::error::{Result, invalid_setting, invalid_shape};
use crate::permutation::Permutation;
use std::ops::Range;
use std::sync::Arc;

impl Dataset {
    /// The samples of `range`. They are shared, not copied.
    ///
    /// ```
    /// let all = impasto::Dataset::new(vec![1.0, 2.0, 3.0], vec![4.0, 5.0, 6.0], 1, 1)?;
    /// assert_eq!(all.slice(1..3)?.rows(0..2), (vec![2.0, 3.0], vec![5.0, 6.0]));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// A range without a sample, or that ends beyond [`len`](Self::len).
    pub fn slice(&self, range: Range<usize>) -> Result<Self> {
        if range.is_empty() || range.end > self.len() {
            return invalid_shape(format!(
                "samples {range:?} of a dataset of {}: take at least one of them",
                self.len()
            ));
        }
        let part =
            Part { order: self.part.order, first: self.part.first + range.start, len: range.len() };
        Ok(Self { part, ..self.clone() })
    }

    /// Splits off `fraction` of the samples, chosen by `seed`: `(the rest, those split off)`. Both share
    /// the samples of this dataset, unless it is such a part itself.
    ///
    /// # Errors
    /// A fraction outside (0, 1), or one that leaves either side without a sample.
    pub fn split(&self, fraction: f64, seed: u64) -> Result<(Self, Self)> {
        let [held_out] = self.counts([fraction])?;
        let all = self.in_order_of(seed)?;
        Ok((all.slice(held_out..self.len())?, all.slice(0..held_out)?))
    }

    /// Splits off two fractions of the samples, chosen by `seed`: `(training, validation, test)`. All three
    /// share the samples of this dataset, unless it is such a part itself.
    ///
    /// ```
    /// let numbers: Vec<f32> = (0..20).map(|i| i as f32).collect();
    /// let all = impasto::Dataset::new(numbers.clone(), numbers, 1, 1)?;
    /// let (training, validation, test) = all.split_three(0.15, 0.25, 7)?;
    /// assert_eq!((training.len(), validation.len(), test.len()), (12, 3, 5));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// A fraction outside (0, 1), or fractions that leave a part without a sample.
    pub fn split_three(&self, validation: f64, test: f64, seed: u64) -> Result<(Self, Self, Self)> {
        let [validation, test] = self.counts([validation, test])?;
        let all = self.in_order_of(seed)?;
        let first = validation + test;
        Ok((
            all.slice(first..self.len())?,
            all.slice(0..validation)?,
            all.slice(validation..first)?,
        ))
    }

    /// How many samples these fractions are, each at least one, of which at least one is left.
    fn counts<const N: usize>(&self, fractions: [f64; N]) -> Result<[usize; N]> {
        if let Some(fraction) = fractions.iter().find(|f| !(**f > 0.0 && **f < 1.0)) {
            return invalid_setting(format!(
                "a held-out fraction of {fraction}: it must lie in (0, 1)"
            ));
        }
        let counts = fractions.map(|fraction| (self.len() as f64 * fraction).round() as usize);
        if let Some(empty) = counts.iter().position(|count| *count == 0) {
            return invalid_setting(format!(
                "a held-out fraction of {} of {} samples leaves nothing on one side",
                fractions[empty],
                self.len()
            ));
        }
        if counts.iter().sum::<usize>() >= self.len() {
            return invalid_setting(format!(
                "a held-out fraction of {} of {} samples leaves nothing on one side",
                fractions.iter().sum::<f64>(),
                self.len()
            ));
        }
        Ok(counts)
    }

    /// All samples in an order that `seed` chooses. They are copied if this is such a part itself.
    fn in_order_of(&self, seed: u64) -> Result<Self> {
        if self.part.order != Permutation::identity(self.samples.len()) || self.part.first != 0 {
            let (inputs, targets) = self.rows(0..self.len());
            let mut copy = Self::new(inputs, targets, self.input_width(), self.target_width())?;
            copy.weights = self.has_weights().then(|| Arc::new(self.weights(0..self.len())));
            return copy.in_order_of(seed);
        }
        let order = Permutation::new(self.len(), seed, u64::MAX);
        Ok(Self { part: Part { order, first: 0, len: self.len() }, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(dataset: &Dataset) -> Vec<f32> {
        let (inputs, targets) = dataset.rows(0..dataset.len());
        assert_eq!(inputs, targets);
        inputs
    }

    #[test]
    fn parts_of_parts_have_the_samples_of_those_parts() {
        let all: Vec<f32> = (0..20).map(|i| i as f32).collect();
        let all = Dataset::new(all.clone(), all, 1, 1).expect("20 samples");
        let sorted = |mut numbers: Vec<f32>| {
            numbers.sort_by(f32::total_cmp);
            numbers
        };
        let shuffled = all.split(0.5, 3).expect("10 and 10").0;
        for whole in
            [all.clone(), all.slice(0..12).expect("12"), all.slice(5..17).expect("12"), shuffled]
        {
            let expected = numbers(&whole);
            assert_eq!(numbers(&whole.slice(2..9).expect("7")), expected[2..9]);
            let inner = whole.slice(1..9).and_then(|part| part.slice(2..6)).expect("4");
            assert_eq!(numbers(&inner), expected[3..7]);
            let (training, validation, test) = whole.split_three(0.3, 0.2, 8).expect("three parts");
            let parts = [&training, &validation, &test].map(numbers).concat();
            assert_ne!(parts, expected);
            assert_eq!(sorted(parts), sorted(expected.clone()));
        }
        let refused = |range: Range<usize>| all.slice(range).expect_err("unfit").to_string();
        assert!(refused(3..3).contains("at least one"));
        assert!(refused(3..21).contains("samples 3..21 of a dataset of 20"));
        let refused = |a, b| all.split_three(a, b, 0).expect_err("unfit").to_string();
        assert!(refused(0.5, 0.5).contains("a held-out fraction of 1 of 20 samples"));
        assert!(refused(0.5, 0.001).contains("a held-out fraction of 0.001 of 20"));
        assert!(refused(f64::NAN, 0.1).contains("must lie in (0, 1)"));
    }
}
