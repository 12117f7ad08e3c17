// Hyperbolic tangent: f(z) = tanh z.      Twin: activation::tanh
// Not WGSL's tanh, whose error some drivers let grow: tanh z = ±(1 − e)/(1 + e), e = e^−2|z| ≤ 1.
fn activation(z: f32) -> f32 {
    let e = exp(-2.0 * abs(z));
    let size = (1.0 - e) / (1.0 + e);
    return select(size, -size, z < 0.0);
}
