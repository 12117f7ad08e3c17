//! The Gaussian function.

use super::Formula;
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// `f(z) = e^(−z²/(2·sigma²))`. Ramasinghe & Lucey 2022.
#[derive(Clone, Copy, Debug)]
pub struct Gaussian {
    /// The width of the bell, above 0; 1 by default.
    pub sigma: f64,
}

impl Formula for Gaussian {
    const DEFAULT: Self = Self { sigma: 1.0 };
    const ABOUT: About = About {
        formula: "f(z) = e^(−z²/(2·sigma²))",
        source: "Ramasinghe & Lucey 2022",
        pytorch: "",
        parameters: &[Parameter {
            name: "sigma",
            meaning: "the width of the bell",
            range: Range::Positive,
        }],
    };
    const WGSL: &'static str = include_str!("../../shaders/activations/gaussian.wgsl");

    #[inline(always)]
    fn value<N: Number>(self, z: N) -> N {
        let u = z / z.of(self.sigma);
        (z.of(-0.5) * u * u).exp()
    }

    /// `−z/sigma²·f(z)`.
    #[inline(always)]
    fn slope<N: Number>(self, z: N) -> N {
        let sigma = z.of(self.sigma);
        let u = z / sigma;
        -(u / sigma) * (z.of(-0.5) * u * u).exp()
    }
}
