//! Mish.

use super::Formula;
use crate::family::About;
use crate::number::Number;

/// `f(z) = z·tanh(ln(1 + eᶻ))`. Misra 2020.
#[derive(Clone, Copy, Debug)]
pub struct Mish;

/// `tanh(ln(1 + eᶻ))` and what it lacks to 1, from `e = e^−|z|`, so that nothing overflows:
/// `(e² + 2e)/(e² + 2e + 2)` left of 0, `(1 + 2e)/(1 + 2e + 2e²)` elsewhere.
#[inline(always)]
fn gate<N: Number>(z: N, e: N) -> (N, N) {
    let (zero, one, two) = (z.of(0.0), z.of(1.0), z.of(2.0));
    let part = z.below(zero, e * (e + two), two.times_plus(e, one));
    let rest = z.below(zero, two, two * e * e);
    let whole = part + rest;
    (part / whole, rest / whole)
}

impl Formula for Mish {
    const DEFAULT: Self = Self;
    const ABOUT: About = About {
        formula: "f(z) = z·tanh(ln(1 + eᶻ))",
        source: "Misra 2020",
        pytorch: "torch.nn.Mish",
        parameters: &[],
    };
    const WGSL: &'static str = include_str!("../../shaders/activations/mish.wgsl");

    #[inline(always)]
    fn value<N: Number>(self, z: N) -> N {
        z * gate(z, (-z.abs()).exp()).0
    }

    /// `w + z·(1 − w²)·σ(z)` with `w = tanh(ln(1 + eᶻ))`.
    #[inline(always)]
    fn slope<N: Number>(self, z: N) -> N {
        let (one, e) = (z.of(1.0), (-z.abs()).exp());
        let (w, rest) = gate(z, e);
        let sigmoid = z.below(z.of(0.0), e, one) / (one + e);
        w + z * (rest * (one + w)) * sigmoid
    }
}
