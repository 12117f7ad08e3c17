//! Squareplus.

use super::Formula;
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// `f(z) = (z + √(z² + b))/2`. Barron 2021.
#[derive(Clone, Copy, Debug)]
pub struct Squareplus {
    /// How wide the bend at 0 is, above 0; 4 by default (0.04 is tiny-cuda-nn's).
    pub b: f64,
}

impl Squareplus {
    /// `√(z² + b)`, and `f(z) − max(z, 0) = b/2/(|z| + √(z² + b))`, which does not subtract nearly equal
    /// numbers.
    #[inline(always)]
    fn parts<N: Number>(self, z: N) -> (N, N) {
        let root = z.times_plus(z, z.of(self.b)).sqrt();
        (root, z.of(0.5 * self.b) / (z.abs() + root))
    }
}

impl Formula for Squareplus {
    const DEFAULT: Self = Self { b: 4.0 };
    const ABOUT: About = About {
        formula: "f(z) = (z + √(z² + b))/2",
        source: "Barron 2021",
        pytorch: "",
        parameters: &[Parameter {
            name: "b",
            meaning: "how wide the bend at 0 is",
            range: Range::Positive,
        }],
    };
    const WGSL: &'static str = include_str!("../../shaders/activations/squareplus.wgsl");

    #[inline(always)]
    fn value<N: Number>(self, z: N) -> N {
        let zero = z.of(0.0);
        z.below(zero, zero, z) + self.parts(z).1
    }

    /// `(1 + z/√(z² + b))/2`.
    #[inline(always)]
    fn slope<N: Number>(self, z: N) -> N {
        let (root, above) = self.parts(z);
        let small = above / root;
        z.below(z.of(0.0), small, z.of(1.0) - small)
    }
}
