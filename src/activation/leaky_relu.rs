//! Leaky ReLU.

use super::{Backward, Formula};
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// `f(z) = z` above 0 and `slope·z` elsewhere. Maas, Hannun & Ng 2013.
#[derive(Clone, Copy, Debug)]
pub struct LeakyRelu {
    /// The slope left of 0, in [0, 1]; 0.01 by default.
    pub slope: f64,
}

impl Formula for LeakyRelu {
    const DEFAULT: Self = Self { slope: 0.01 };
    const ABOUT: About = About {
        formula: "f(z) = z above 0, slope·z elsewhere",
        source: "Maas, Hannun & Ng 2013",
        pytorch: "torch.nn.LeakyReLU",
        parameters: &[Parameter {
            name: "slope",
            meaning: "the slope left of 0",
            range: Range::Unit,
        }],
    };
    const WGSL: &'static str = include_str!("../../shaders/activations/leaky-relu.wgsl");

    #[inline(always)]
    fn value<N: Number>(self, z: N) -> N {
        z.below(z.of(0.0), z * z.of(self.slope), z)
    }

    #[inline(always)]
    fn slope<N: Number>(self, z: N) -> N {
        z.of(0.0).below(z, z.of(1.0), z.of(self.slope))
    }

    fn backward(self) -> Backward {
        Backward::Rectifier { below: self.slope }
    }
}
