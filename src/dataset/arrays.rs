//! Datasets from arrays of the crate `ndarray`.

use super::Dataset;
use crate::error::{Result, invalid_shape};
use ndarray::ArrayView2;

impl Dataset {
    /// From arrays with one row for each sample: `inputs` is `[samples, inputs]`, `targets` is
    /// `[samples, targets]`. Any layout in memory will do; the numbers are copied. Needs the feature
    /// `ndarray`.
    ///
    /// ```
    /// use impasto::Dataset;
    /// use ndarray::{array, s};
    ///
    /// let table = array![[1.0_f32, 2.0, 3.0], [4.0, 5.0, 6.0]];
    /// let dataset = Dataset::from_arrays(table.slice(s![.., ..2]), table.slice(s![.., 2..]))?;
    /// assert_eq!(dataset.rows(1..2), (vec![4.0, 5.0], vec![6.0]));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// Different numbers of rows, or as [`new`](Self::new).
    #[allow(clippy::needless_pass_by_value, reason = "a view is a reference")]
    pub fn from_arrays(inputs: ArrayView2<f32>, targets: ArrayView2<f32>) -> Result<Self> {
        if inputs.nrows() != targets.nrows() {
            return invalid_shape(format!(
                "{} rows of inputs and {} rows of targets are not the same number of samples",
                inputs.nrows(),
                targets.nrows()
            ));
        }
        let flat = |array: &ArrayView2<f32>| array.iter().copied().collect();
        Self::new(flat(&inputs), flat(&targets), inputs.ncols(), targets.ncols())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn rows_are_samples_whatever_their_layout() {
        let inputs = Array2::from_shape_fn((3, 2), |(row, column)| (10 * row + column) as f32);
        let targets = Array2::from_shape_fn((3, 1), |(row, _)| row as f32);
        let expected = (vec![0.0, 1.0, 10.0, 11.0, 20.0, 21.0], vec![0.0, 1.0, 2.0]);
        // The same array by columns in memory.
        let turned = inputs.t().as_standard_layout().into_owned();
        for inputs in [inputs.view(), turned.t()] {
            let dataset = Dataset::from_arrays(inputs, targets.view()).expect("three samples");
            assert_eq!(dataset.rows(0..3), expected);
        }
        let message = |rows: usize, columns: usize| {
            let inputs = Array2::zeros((rows, columns));
            Dataset::from_arrays(inputs.view(), targets.view()).expect_err("unfit").to_string()
        };
        assert!(message(2, 1).contains("2 rows of inputs and 3 rows of targets"));
        assert!(message(3, 0).contains("at least 1 input"));
    }
}
