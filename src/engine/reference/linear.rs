//! Matrix products and biases, forward and backward.

/// Matrix product: `c[i, j] = Σₚ a[i, p]·b[p, j]`.
///
/// `a` is `[m, k]`, `b` is `[k, n]`, `c` is `[m, n]`. Forward: samples times weights.
pub fn matmul(a: &[f64], b: &[f64], m: usize, k: usize, n: usize, c: &mut [f64]) {
    c.fill(0.0);
    for i in 0..m {
        for p in 0..k {
            for j in 0..n {
                c[i * n + j] += a[i * k + p] * b[p * n + j];
            }
        }
    }
}

/// Matrix product with the second operand transposed: `c[i, j] = Σₚ a[i, p]·b[j, p]`.
///
/// `a` is `[m, k]`, `b` is `[n, k]`, `c` is `[m, n]`. Backward: deltas times weights transposed,
/// the gradient of a layer's inputs.
pub fn matmul_nt(a: &[f64], b: &[f64], m: usize, k: usize, n: usize, c: &mut [f64]) {
    for i in 0..m {
        for j in 0..n {
            let mut sum = 0.0;
            for p in 0..k {
                sum += a[i * k + p] * b[j * k + p];
            }
            c[i * n + j] = sum;
        }
    }
}

/// Matrix product with the first operand transposed, added to `c`:
/// `c[i, j] += Σₚ a[p, i]·b[p, j]`.
///
/// `a` is `[batch, m]`, `b` is `[batch, n]`, `c` is `[m, n]`. Backward: inputs transposed times
/// deltas, the gradient of a layer's weights. It adds, so that a batch can come in parts.
pub fn matmul_tn(a: &[f64], b: &[f64], batch: usize, m: usize, n: usize, c: &mut [f64]) {
    for p in 0..batch {
        for i in 0..m {
            for j in 0..n {
                c[i * n + j] += a[p * m + i] * b[p * n + j];
            }
        }
    }
}

/// Bias: `z[i, j] += bias[j]`. `z` is `[batch, outputs]`, `bias` is `[outputs]`.
pub fn bias_add(z: &mut [f64], bias: &[f64]) {
    for row in z.chunks_exact_mut(bias.len()) {
        for (z, b) in row.iter_mut().zip(bias) {
            *z += b;
        }
    }
}

/// Bias gradient, added to `db`: `db[j] += Σᵢ delta[i, j]`.
///
/// `delta` is `[batch, outputs]`, `db` is `[outputs]`.
/// Rumelhart, Hinton & Williams 1986, eq. 6 summed over the batch.
pub fn bias_gradient(delta: &[f64], outputs: usize, db: &mut [f64]) {
    for row in delta.chunks_exact(outputs) {
        for (sum, d) in db.iter_mut().zip(row) {
            *sum += d;
        }
    }
}
