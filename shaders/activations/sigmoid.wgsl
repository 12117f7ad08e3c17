// Sigmoid: f(z) = 1/(1 + e^−z).      Twin: activation::sigmoid
// e ≤ 1, so nothing overflows: 1/(1 + e^−z) = e^z/(1 + e^z).
fn activation(z: f32) -> f32 {
    let e = exp(-abs(z));
    return select(1.0, e, z < 0.0) / (1.0 + e);
}
