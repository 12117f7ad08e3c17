//! Binary cross-entropy from logits.

use super::{Formula, Targets, elementwise};
use crate::activation::Activation;
use crate::family::About;
use crate::number::Number;

/// `−Σ [t ln σ(z) + (1 − t) ln(1 − σ(z))] / (batch · outputs)`, from logits: PyTorch's
/// `BCEWithLogitsLoss`. Targets are in [0, 1].
#[derive(Clone, Copy, Debug)]
pub struct BinaryCrossEntropy;

impl Formula for BinaryCrossEntropy {
    const DEFAULT: Self = Self;
    const ABOUT: About = About {
        formula: "−Σ [t ln σ(z) + (1 − t) ln(1 − σ(z))] / (batch · outputs)",
        source: "Good 1952",
        pytorch: "torch.nn.BCEWithLogitsLoss",
        parameters: &[],
    };
    const WGSL: &'static str = include_str!("../../shaders/losses/binary-cross-entropy.wgsl");
    const FOLDED: Option<Activation> = Some(Activation::Sigmoid);
    const TARGETS: Targets = Targets::UnitInterval;

    /// `max(z, 0) − z·t + ln(1 + e^−|z|)` and `σ(z) − t`: finite for every finite `z`.
    #[inline(always)]
    fn row<N: Number + Into<f64>>(self, z: &[N], t: &[N], scale: N, delta: &mut [N]) -> N {
        elementwise(z, t, scale, delta, |z, t| {
            let (zero, one) = (z.of(0.0), z.of(1.0));
            let e = (-z.abs()).exp();
            // NaN passes through, which max would hide.
            let value = z.below(zero, zero, z) - z * t + e.ln_1p();
            (value, z.below(zero, e, one) / (one + e) - t)
        })
    }
}
