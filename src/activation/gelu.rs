//! GELU, the Gaussian error linear unit.

use super::Formula;
use crate::family::About;
use crate::number::Number;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

/// `f(z) = z·Φ(z)` with the normal distribution `Φ(z) = ½(1 + erf(z/√2))`. Hendrycks & Gimpel 2016.
#[derive(Clone, Copy, Debug)]
pub struct Gelu;

/// `Φ(z)`.
#[inline(always)]
fn distribution<N: Number>(z: N) -> N {
    let half = z.of(0.5);
    (z * z.of(FRAC_1_SQRT_2)).erf().times_plus(half, half)
}

impl Formula for Gelu {
    const DEFAULT: Self = Self;
    const ABOUT: About = About {
        formula: "f(z) = z·Φ(z), Φ(z) = ½(1 + erf(z/√2))",
        source: "Hendrycks & Gimpel 2016",
        pytorch: "torch.nn.GELU",
        parameters: &[],
    };
    const WGSL: &'static str = include_str!("../../shaders/activations/gelu.wgsl");

    #[inline(always)]
    fn value<N: Number>(self, z: N) -> N {
        z * distribution(z)
    }

    /// `Φ(z) + z·φ(z)` with the density `φ(z) = e^(−z²/2)/√(2π)`.
    #[inline(always)]
    fn slope<N: Number>(self, z: N) -> N {
        let peak = z.of(0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2);
        distribution(z) + z * (peak * (z.of(-0.5) * z * z).exp())
    }
}
