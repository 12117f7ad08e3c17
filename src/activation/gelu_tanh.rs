//! GELU in its approximation by tanh.

use super::Formula;
use crate::family::About;
use crate::number::Number;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

/// `f(z) = ½z(1 + tanh u)` with `u = √(2/π)·(z + 0.044715z³)`: GELU to within 5e-4.
/// Hendrycks & Gimpel 2016.
#[derive(Clone, Copy, Debug)]
pub struct GeluTanh;

/// `½(1 + tanh u)`, which is `σ(2u)`, and the derivative of `2u`.
#[inline(always)]
fn parts<N: Number>(z: N) -> (N, N) {
    // The tangent is ±1 long before, and z³ may overflow beyond. NaN passes through.
    let z = z.at_least(z.of(-1e4)).at_most(z.of(1e4));
    let (scale, one) = (z.of(2.0 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2), z.of(1.0));
    let square = z * z;
    let inner = scale * z * square.times_plus(z.of(0.044_715), one);
    (inner.sigmoid(), scale * square.times_plus(z.of(3.0 * 0.044_715), one))
}

impl Formula for GeluTanh {
    const DEFAULT: Self = Self;
    const ABOUT: About = About {
        formula: "f(z) = ½z(1 + tanh(√(2/π)·(z + 0.044715z³)))",
        source: "Hendrycks & Gimpel 2016",
        pytorch: "torch.nn.GELU(approximate='tanh')",
        parameters: &[],
    };
    const WGSL: &'static str = include_str!("../../shaders/activations/gelu-tanh.wgsl");

    #[inline(always)]
    fn value<N: Number>(self, z: N) -> N {
        z * parts(z).0
    }

    #[inline(always)]
    fn slope<N: Number>(self, z: N) -> N {
        let (s, inner) = parts(z);
        s + z * (s * (z.of(1.0) - s)) * inner
    }
}
