//! The squared error relative to the luminance of the output.

use super::Formula;
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// `(y − t)² / (L² + epsilon)`, averaged over samples and outputs, with the luminance `L`. Müller 2021.
///
/// `L = 0.299y₁ + 0.587y₂ + 0.114y₃` is that of the first three outputs, plus that of the next three where
/// there are six or more. The gradient takes the denominator as constant, as that of tiny-cuda-nn's
/// `RelativeL2Luminance` does.
#[derive(Clone, Copy, Debug)]
pub struct RelativeL2Luminance {
    /// What keeps the denominator from 0, above 0; 0.01 by default.
    pub epsilon: f64,
}

impl Formula for RelativeL2Luminance {
    const DEFAULT: Self = Self { epsilon: 0.01 };
    const ABOUT: About = About {
        formula: "(y − t)²/(L² + epsilon), L = 0.299y₁ + 0.587y₂ + 0.114y₃ (with y₁ + y₄, y₂ + y₅, \
                  y₃ + y₆ for six outputs or more), mean over samples and outputs; the gradient takes \
                  the denominator as constant",
        source: "tiny-cuda-nn, Müller 2021",
        pytorch: "",
        parameters: &[Parameter {
            name: "epsilon",
            meaning: "what keeps the denominator from 0",
            range: Range::Positive,
        }],
    };
    const WGSL: &'static str = include_str!("../../shaders/losses/relative-l2-luminance.wgsl");
    const LEAST_OUTPUTS: usize = 3;

    #[inline(always)]
    fn row<N: Number + Into<f64>>(self, y: &[N], t: &[N], scale: N, delta: &mut [N]) -> N {
        let weights = [0.299, 0.587, 0.114, 0.299, 0.587, 0.114];
        let counted = if y.len() < 6 { 3 } else { 6 };
        let weighted = y.iter().zip(weights).take(counted);
        let luminance = weighted.fold(scale.of(0.0), |sum, (y, weight)| sum + *y * y.of(weight));
        let size = luminance.times_plus(luminance, scale.of(self.epsilon));
        let mut loss = scale.of(0.0);
        for ((y, t), delta) in y.iter().zip(t).zip(delta) {
            let error = *y - *t;
            let part = scale * error / size;
            loss = loss + part * error;
            *delta = part + part;
        }
        loss
    }
}
