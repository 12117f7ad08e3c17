//! The symmetric mean absolute percentage error.

use super::{Formula, elementwise};
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// `|y − t| / ((|y| + |t|)/2 + epsilon)`, averaged over samples and outputs: as a fraction, not in
/// percent. Makridakis 1993.
///
/// The gradient takes the denominator as constant, as that of tiny-cuda-nn's `SMAPE` does.
#[derive(Clone, Copy, Debug)]
pub struct Smape {
    /// What keeps the denominator from 0, above 0; 0.01 by default.
    pub epsilon: f64,
}

impl Formula for Smape {
    const DEFAULT: Self = Self { epsilon: 0.01 };
    const ABOUT: About = About {
        formula: "|y − t|/((|y| + |t|)/2 + epsilon), mean over samples and outputs; the gradient takes \
                  the denominator as constant",
        source: "Makridakis 1993",
        pytorch: "",
        parameters: &[Parameter {
            name: "epsilon",
            meaning: "what keeps the denominator from 0",
            range: Range::Positive,
        }],
    };
    const WGSL: &'static str = include_str!("../../shaders/losses/smape.wgsl");

    #[inline(always)]
    fn row<N: Number + Into<f64>>(self, y: &[N], t: &[N], scale: N, delta: &mut [N]) -> N {
        elementwise(y, t, scale, delta, |y, t| {
            let error = y - t;
            let size = y.of(0.5) * (y.abs() + t.abs()) + y.of(self.epsilon);
            (error.abs() / size, error.sign() / size)
        })
    }
}
