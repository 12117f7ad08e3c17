// GELU: f(z) = z·Φ(z).      Twin: activation::gelu
#import erf
// The normal distribution, Φ(z) = ½(1 + erf(z/√2)).
fn gelu_distribution(z: f32) -> f32 { return 0.5 + 0.5 * erf(z * 0.70710678); }
fn activation(z: f32) -> f32 { return z * gelu_distribution(z); }
fn activation_slope(z: f32) -> f32 {
    return gelu_distribution(z) + z * (0.39894228 * exp(-0.5 * z * z));
}
