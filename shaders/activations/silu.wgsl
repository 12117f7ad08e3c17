// SiLU: f(z) = z/(1 + e^−z).      Twin: activation::silu
// e ≤ 1, so nothing overflows.
fn silu_sigmoid(z: f32) -> f32 {
    let e = exp(-abs(z));
    return select(1.0, e, z < 0.0) / (1.0 + e);
}
fn activation(z: f32) -> f32 { return z * silu_sigmoid(z); }
fn activation_slope(z: f32) -> f32 {
    let s = silu_sigmoid(z);
    return s * (1.0 + z * (1.0 - s));
}
