// Softplus: f(z) = ln(1 + e^(beta·z))/beta.      Twin: activation::softplus
#import ln_1p
// max(z, 0) + ln(1 + e^−|beta·z|)/beta, which does not overflow. NaN passes through.
fn activation(z: f32) -> f32 {
    return select(z, 0.0, z < 0.0) + ln_1p(exp(-abs(${beta} * z))) / ${beta};
}
// σ(beta·z), with e ≤ 1.
fn activation_slope(z: f32) -> f32 {
    let e = exp(-abs(${beta} * z));
    return select(1.0, e, z < 0.0) / (1.0 + e);
}
