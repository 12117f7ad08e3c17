//! The squared error relative to the output.

use super::{Formula, elementwise};
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// `(y − t)² / (y² + epsilon)`, averaged over samples and outputs. The gradient takes the denominator as
/// constant, as that of tiny-cuda-nn's `RelativeL2` does. Lehtinen et al. 2018.
#[derive(Clone, Copy, Debug)]
pub struct RelativeL2 {
    /// What keeps the denominator from 0, above 0; 0.01 by default.
    pub epsilon: f64,
}

impl Formula for RelativeL2 {
    const DEFAULT: Self = Self { epsilon: 0.01 };
    const ABOUT: About = About {
        formula: "(y − t)²/(y² + epsilon), mean over samples and outputs; the gradient takes the \
                  denominator as constant",
        source: "Lehtinen et al. 2018",
        pytorch: "",
        parameters: &[Parameter {
            name: "epsilon",
            meaning: "what keeps the denominator from 0",
            range: Range::Positive,
        }],
    };
    const WGSL: &'static str = include_str!("../../shaders/losses/relative-l2.wgsl");

    #[inline(always)]
    fn row<N: Number + Into<f64>>(self, y: &[N], t: &[N], scale: N, delta: &mut [N]) -> N {
        elementwise(y, t, scale, delta, |y, t| {
            let error = y - t;
            let part = error / y.times_plus(y, y.of(self.epsilon));
            (part * error, part + part)
        })
    }
}
