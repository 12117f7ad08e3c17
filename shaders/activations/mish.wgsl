// Mish: f(z) = z·tanh(ln(1 + e^z)).      Twin: activation::mish
// w = tanh(ln(1 + e^z)) and 1 − w, from e = e^−|z| ≤ 1, so that nothing overflows.
fn mish_gate(z: f32, e: f32) -> vec2<f32> {
    let part = select(1.0 + 2.0 * e, e * (e + 2.0), z < 0.0);
    let rest = select(2.0 * e * e, 2.0, z < 0.0);
    return vec2<f32>(part, rest) / (part + rest);
}
fn activation(z: f32) -> f32 { return z * mish_gate(z, exp(-abs(z))).x; }
// w + z·(1 − w²)·σ(z).
fn activation_slope(z: f32) -> f32 {
    let e = exp(-abs(z));
    let gate = mish_gate(z, e);
    let sigmoid = select(1.0, e, z < 0.0) / (1.0 + e);
    return gate.x + z * (gate.y * (1.0 + gate.x)) * sigmoid;
}
