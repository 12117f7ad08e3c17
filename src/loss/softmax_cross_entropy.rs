//! Softmax cross-entropy from logits.

use super::{Formula, Mean, Targets};
use crate::activation::Activation;
use crate::family::About;
use crate::number::Number;

/// `−Σ t ln softmax(z) / batch`, from logits: PyTorch's `CrossEntropyLoss` with probabilities (or
/// one-hot rows) as targets.
#[derive(Clone, Copy, Debug)]
pub struct SoftmaxCrossEntropy;

impl Formula for SoftmaxCrossEntropy {
    const DEFAULT: Self = Self;
    const ABOUT: About = About {
        formula: "−Σ t ln softmax(z) / batch",
        source: "Bridle 1990",
        pytorch: "torch.nn.CrossEntropyLoss",
        parameters: &[],
    };
    const WGSL: &'static str = include_str!("../../shaders/losses/softmax-cross-entropy.wgsl");
    const MEAN: Mean = Mean::Samples;
    const FOLDED: Option<Activation> = Some(Activation::Softmax);
    const TARGETS: Targets = Targets::Distribution;

    /// `Σⱼ t[j]·(l − z[j])` with `l = m + ln Σₖ e^(z[k] − m)` and `m = maxₖ z[k]`, and
    /// `T·softmax(z)[j] − t[j]` with `T = Σⱼ t[j]`, which is 1 for probabilities: finite for every
    /// finite `z`.
    #[inline(always)]
    fn row<N: Number + Into<f64>>(self, z: &[N], t: &[N], scale: N, delta: &mut [N]) -> N {
        let zero = scale.of(0.0);
        let largest = z.iter().fold(scale.of(f64::NEG_INFINITY), |m, z| m.at_least(*z));
        let sum = z.iter().fold(zero, |sum, z| sum + (*z - largest).exp());
        let total = t.iter().fold(zero, |sum, t| sum + *t);
        let mut loss = zero;
        for ((z, t), delta) in z.iter().zip(t).zip(delta) {
            let z = *z - largest;
            loss = loss + scale * *t * (sum.ln() - z);
            *delta = scale * (total * z.exp() / sum - *t);
        }
        loss
    }
}
