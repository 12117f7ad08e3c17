//! Datasets from rows and labels.

use super::{Dataset, to_single};
use crate::error::{Result, invalid_data, invalid_shape};
use crate::memory::{self, FEWER};

impl Dataset {
    /// From one row of numbers for each sample, of widths that need not be known when the program is
    /// compiled: `&[[f64; N]]`, `Vec<Vec<f32>>`, `&[Vec<f64>]` or any iterator of rows. The numbers may have
    /// any type that converts to f64 without loss.
    ///
    /// ```
    /// let xor = impasto::Dataset::from_rows(
    ///     &[[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]],
    ///     &[[0.0], [1.0], [1.0], [0.0]],
    /// )?;
    /// assert_eq!(xor.len(), 4);
    ///
    /// // As read from a file.
    /// let rows: Vec<Vec<f64>> = ["1 2 3", "4 5 6"]
    ///     .iter()
    ///     .map(|line| line.split(' ').map(|number| number.parse().expect("a number")).collect())
    ///     .collect();
    /// let (inputs, targets) = (rows.iter().map(|row| &row[..2]), rows.iter().map(|row| &row[2..]));
    /// let dataset = impasto::Dataset::from_rows(inputs, targets)?;
    /// assert_eq!((dataset.input_width(), dataset.target_width()), (2, 1));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// Rows of different widths, a number outside the range of f32, too little memory, and as [`new`](Self::new).
    pub fn from_rows<I, T>(
        inputs: impl IntoIterator<Item = impl AsRef<[I]>>,
        targets: impl IntoIterator<Item = impl AsRef<[T]>>,
    ) -> Result<Self>
    where
        I: Copy + Into<f64>,
        T: Copy + Into<f64>,
    {
        let (inputs, input_width) = flat("input", inputs)?;
        let (targets, target_width) = flat("target", targets)?;
        Self::new(inputs, targets, input_width, target_width)
    }

    /// For classification: `inputs` is `[samples, input_width]`, and `labels` has the class of each sample,
    /// below `classes`. The targets are 1 for the class of a sample and 0 for the others, `[samples, classes]`,
    /// as [`Loss::SoftmaxCrossEntropy`](crate::Loss::SoftmaxCrossEntropy) takes them.
    ///
    /// ```
    /// let flowers = impasto::Dataset::from_labels(vec![0.1, 0.9, 0.8, 0.2], 2, &[2, 0], 3)?;
    /// assert_eq!(flowers.rows(0..2).1, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// Fewer than 2 classes, a label that is not below `classes`, or as [`new`](Self::new).
    pub fn from_labels(
        inputs: Vec<f32>,
        input_width: usize,
        labels: &[usize],
        classes: usize,
    ) -> Result<Self> {
        if classes < 2 {
            return invalid_shape(format!("{classes} classes: there must be at least 2"));
        }
        let numbers = labels.len().saturating_mul(classes);
        let what = format_args!("{} samples of {classes} classes", labels.len());
        let mut targets: Vec<f32> = memory::zeros(numbers, what, "take fewer samples or classes")?;
        for (sample, (row, label)) in targets.chunks_exact_mut(classes).zip(labels).enumerate() {
            let Some(target) = row.get_mut(*label) else {
                return invalid_data(format!(
                    "sample {sample} is of class {label}, and there are {classes} classes, from 0 on"
                ));
            };
            *target = 1.0;
        }
        Self::new(inputs, targets, input_width, classes)
    }
}

/// The numbers of all rows in f32, and the width of a row. `name` is what one number is called.
fn flat<N: Copy + Into<f64>>(
    name: &str,
    rows: impl IntoIterator<Item = impl AsRef<[N]>>,
) -> Result<(Vec<f32>, usize)> {
    let mut numbers = Vec::new();
    let mut width = None;
    for (sample, row) in rows.into_iter().enumerate() {
        let row = row.as_ref();
        let width = *width.get_or_insert(row.len());
        if row.len() != width {
            return invalid_shape(format!(
                "sample {sample} has {} {name}s, and sample 0 has {width}",
                row.len()
            ));
        }
        let row = row.iter().map(|number| -> f64 { (*number).into() });
        memory::extend(&mut numbers, row, format_args!("the {name}s"), FEWER)?;
    }
    // Without a sample there is no width, and the dataset is refused for that.
    let width = width.unwrap_or(1);
    Ok((to_single(name, &numbers, width.max(1))?, width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_any_kind_are_samples() {
        let expected = (vec![1.0, 2.0, 3.0, 4.0], vec![5.0, 6.0]);
        let arrays = Dataset::from_rows([[1.0, 2.0], [3.0, 4.0]], [[5.0], [6.0]]);
        let vectors = (vec![vec![1.0, 2.0], vec![3.0, 4.0]], vec![vec![5.0], vec![6.0]]);
        let borrowed = Dataset::from_rows(&vectors.0, &vectors.1);
        let owned = Dataset::from_rows(vectors.0, vectors.1);
        let single = Dataset::from_rows([[1.0_f32, 2.0], [3.0, 4.0]], [[5_u8], [6]]);
        for dataset in [arrays, borrowed, owned, single] {
            assert_eq!(dataset.expect("two samples").rows(0..2), expected);
        }
    }

    #[test]
    fn rows_that_do_not_fit_are_refused() {
        let message = |inputs: &[Vec<f64>], targets: &[Vec<f64>]| {
            Dataset::from_rows(inputs, targets).expect_err("unfit").to_string()
        };
        let one = || vec![0.0];
        assert_eq!(
            message(&[vec![0.0, 1.0], one()], &[one(), one()]),
            "sample 1 has 1 inputs, and sample 0 has 2"
        );
        assert_eq!(
            message(&[one(), one()], &[one(), vec![]]),
            "sample 1 has 0 targets, and sample 0 has 1"
        );
        assert!(message(&[], &[]).contains("no sample"));
        assert!(message(&[vec![]], &[one()]).contains("at least 1 input"));
        assert!(message(&[one()], &[one(), one()]).contains("not the same number"));
    }

    #[test]
    fn labels_out_of_range_are_refused() {
        let message = |labels: &[usize], classes: usize| {
            Dataset::from_labels(vec![0.0; 2], 1, labels, classes).expect_err("unfit").to_string()
        };
        assert_eq!(
            message(&[0, 3], 3),
            "sample 1 is of class 3, and there are 3 classes, from 0 on"
        );
        assert!(message(&[0, 0], 1).contains("at least 2"));
        assert!(message(&[0, 0, 0], 2).contains("not the same number"));
        for classes in [usize::MAX, 1 << 60] {
            assert!(message(&[0; 3], classes).contains("3 samples of"), "{classes}");
        }
    }
}
