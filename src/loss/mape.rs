//! The mean absolute percentage error.

use super::{Formula, elementwise};
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// `|y − t| / (|t| + epsilon)`, averaged over samples and outputs: as a fraction, not in percent.
/// Makridakis et al. 1982.
#[derive(Clone, Copy, Debug)]
pub struct Mape {
    /// What keeps the denominator from 0, above 0; 0.01 by default.
    pub epsilon: f64,
}

impl Formula for Mape {
    const DEFAULT: Self = Self { epsilon: 0.01 };
    const ABOUT: About = About {
        formula: "|y − t|/(|t| + epsilon), mean over samples and outputs",
        source: "Makridakis et al. 1982",
        pytorch: "",
        parameters: &[Parameter {
            name: "epsilon",
            meaning: "what keeps the denominator from 0",
            range: Range::Positive,
        }],
    };
    const WGSL: &'static str = include_str!("../../shaders/losses/mape.wgsl");

    #[inline(always)]
    fn row<N: Number + Into<f64>>(self, y: &[N], t: &[N], scale: N, delta: &mut [N]) -> N {
        elementwise(y, t, scale, delta, |y, t| {
            let error = y - t;
            let size = t.abs() + t.of(self.epsilon);
            (error.abs() / size, error.sign() / size)
        })
    }
}
