//! Matrix products of row-major slices, by the `gemm` crate, on the calling thread.

/// A row-major matrix, or its transpose seen through swapped strides.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `values` as `[rows, columns]`.
    pub(super) fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self { values, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// The transpose, without moving anything.
    pub(super) fn transposed(self) -> Self {
        Self {
            values: self.values,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }
}

/// `c ← a·b`, or `c ← c + a·b` if `accumulate`. `c` is row-major, `[a.rows, b.columns]`.
pub(super) fn product(a: Matrix, b: Matrix, accumulate: bool, c: &mut [f32]) {
    let (m, k, n) = (a.rows, a.columns, b.columns);
    assert!(a.values.len() >= m * k && b.rows == k && b.values.len() >= k * n && c.len() >= m * n);
    // SAFETY: the three slices hold every element that the strides reach, as asserted above: a
    // matrix of `rows × columns` has its strides from `Matrix`, 1 and the length of a stored
    // row, so the largest offset is `rows·columns − 1`. `c` is borrowed exclusively, so it
    // overlaps neither operand.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n.cast_signed(),
            accumulate,
            a.values.as_ptr(),
            a.column_stride.cast_signed(),
            a.row_stride.cast_signed(),
            b.values.as_ptr(),
            b.column_stride.cast_signed(),
            b.row_stride.cast_signed(),
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_agree_with_the_reference() {
        let (m, k, n) = (7, 5, 3);
        let a: Vec<f32> = (0..m * k).map(|i| i as f32 - 9.0).collect();
        let b: Vec<f32> = (0..k * n).map(|i| (i * i % 7) as f32).collect();
        let double = |v: &[f32]| v.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
        let mut expected = vec![0.0; m * n];
        crate::reference::matmul(&double(&a), &double(&b), m, k, n, &mut expected);
        let mut c = vec![1.0; m * n];
        product(Matrix::new(&a, m, k), Matrix::new(&b, k, n), false, &mut c);
        assert_eq!(double(&c), expected); // small integers are exact
        product(Matrix::new(&a, m, k), Matrix::new(&b, k, n), true, &mut c);
        assert!(double(&c).iter().zip(&expected).all(|(c, e)| *c == 2.0 * e));
        let mut expected = vec![0.0; k * n];
        let d: Vec<f32> = (0..m * n).map(|i| i as f32).collect();
        crate::reference::matmul_tn(&double(&a), &double(&d), m, k, n, &mut expected);
        let mut c = vec![0.0; k * n];
        product(Matrix::new(&a, m, k).transposed(), Matrix::new(&d, m, n), false, &mut c);
        assert_eq!(double(&c), expected);
    }
}
