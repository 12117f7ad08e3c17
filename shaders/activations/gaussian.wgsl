// Gaussian: f(z) = e^(−z²/(2·sigma²)).      Twin: activation::gaussian
fn activation(z: f32) -> f32 {
    let u = z / ${sigma};
    return exp(-0.5 * u * u);
}
// −z/sigma²·f(z).
fn activation_slope(z: f32) -> f32 {
    let u = z / ${sigma};
    return -(u / ${sigma}) * exp(-0.5 * u * u);
}
