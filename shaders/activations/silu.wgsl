// SiLU: f(z) = z/(1 + e^−z).      Twin: activation::silu
// s = 1/(1 + e^−z) and 1 − s, from e = e^−|z| ≤ 1, so that nothing overflows. The difference would multiply
// the error of a division by z.
fn silu_parts(z: f32) -> vec2<f32> {
    let e = exp(-abs(z));
    return select(vec2<f32>(1.0, e), vec2<f32>(e, 1.0), z < 0.0) / (1.0 + e);
}
fn activation(z: f32) -> f32 { return z * silu_parts(z).x; }
fn activation_slope(z: f32) -> f32 {
    let parts = silu_parts(z);
    return parts.x * (1.0 + z * parts.y);
}
