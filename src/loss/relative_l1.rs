//! The absolute error relative to the output.

use super::{Formula, elementwise};
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// `|y − t| / (|y| + epsilon)`, averaged over samples and outputs. The gradient takes the denominator as
/// constant, as that of tiny-cuda-nn's `RelativeL1` does. Müller 2021.
#[derive(Clone, Copy, Debug)]
pub struct RelativeL1 {
    /// What keeps the denominator from 0, above 0; 0.01 by default.
    pub epsilon: f64,
}

impl Formula for RelativeL1 {
    const DEFAULT: Self = Self { epsilon: 0.01 };
    const ABOUT: About = About {
        formula: "|y − t|/(|y| + epsilon), mean over samples and outputs; the gradient takes the \
                  denominator as constant",
        source: "tiny-cuda-nn, Müller 2021",
        pytorch: "",
        parameters: &[Parameter {
            name: "epsilon",
            meaning: "what keeps the denominator from 0",
            range: Range::Positive,
        }],
    };
    const WGSL: &'static str = include_str!("../../shaders/losses/relative-l1.wgsl");

    #[inline(always)]
    fn row<N: Number + Into<f64>>(self, y: &[N], t: &[N], scale: N, delta: &mut [N]) -> N {
        elementwise(y, t, scale, delta, |y, t| {
            let error = y - t;
            let size = y.abs() + y.of(self.epsilon);
            (error.abs() / size, error.sign() / size)
        })
    }
}
