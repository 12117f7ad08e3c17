//! The inputs, scaled and shifted.

use super::{Computation, Formula};
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// `scale·x + offset` of each input. The encoding `Identity` of tiny-cuda-nn.
#[derive(Clone, Copy, Debug)]
pub struct Scaled {
    /// The factor, not 0; 1 by default.
    pub scale: f64,
    /// What is added; 0 by default.
    pub offset: f64,
}

impl Formula for Scaled {
    const DEFAULT: Self = Self { scale: 1.0, offset: 0.0 };
    const ABOUT: About = About {
        formula: "scale·x + offset of each input x",
        source: "Müller 2021, tiny-cuda-nn, encoding Identity",
        pytorch: "",
        parameters: &[
            Parameter { name: "scale", meaning: "factor", range: Range::Finite },
            Parameter { name: "offset", meaning: "what is added", range: Range::Finite },
        ],
    };
    const WGSL: &'static str = include_str!("../../shaders/encodings/scaled.wgsl");

    fn outputs(self, inputs: usize) -> usize {
        inputs
    }

    fn computation(self) -> Computation {
        Computation::Direct
    }

    #[inline(always)]
    fn encode<N: Number>(self, x: &[N], y: &mut [N]) {
        for (x, y) in x.iter().zip(y) {
            *y = x.times_plus(x.of(self.scale), x.of(self.offset));
        }
    }

    #[inline(always)]
    fn input_gradient<N: Number>(self, x: &[N], delta: &[N], gradient: &mut [N]) {
        for ((x, delta), gradient) in x.iter().zip(delta).zip(gradient) {
            *gradient = delta.times_plus(x.of(self.scale), *gradient);
        }
    }
}
