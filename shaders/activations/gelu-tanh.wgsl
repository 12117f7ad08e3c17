// GELU in its approximation by tanh: f(z) = ½z(1 + tanh u).      Twin: activation::gelu_tanh
// ½(1 + tanh u) = σ(2u) with u = √(2/π)·(z + 0.044715z³), and the derivative of 2u. The tangent is ±1 long
// before 1e4, beyond which z³ may overflow. Comparisons, not clamp, so that NaN passes through; e ≤ 1.
// Of both σ(2u) and 1 − σ(2u), since the difference would multiply the error of a division by z³.
fn gelu_tanh_parts(z: f32) -> vec3<f32> {
    let above = select(z, 1e4, z > 1e4);
    let t = select(above, -1e4, above < -1e4);
    let inner = 1.5957691 * t * (1.0 + 0.044715 * t * t);
    let e = exp(-abs(inner));
    let parts = select(vec2<f32>(1.0, e), vec2<f32>(e, 1.0), inner < 0.0) / (1.0 + e);
    return vec3<f32>(parts, 1.5957691 * (1.0 + 0.134145 * t * t));
}
fn activation(z: f32) -> f32 { return z * gelu_tanh_parts(z).x; }
fn activation_slope(z: f32) -> f32 {
    let parts = gelu_tanh_parts(z);
    return parts.x + z * (parts.x * parts.y) * parts.z;
}
