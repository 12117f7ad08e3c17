//! FINER.

use super::Formula;
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// `f(z) = sin(omega·(|z| + 1)·z)`, a sine whose frequency grows with `|z|`. Liu et al. 2024.
#[derive(Clone, Copy, Debug)]
pub struct Finer {
    /// The frequency near 0, above 0; 30 by default.
    pub omega: f64,
}

impl Formula for Finer {
    const DEFAULT: Self = Self { omega: 30.0 };
    const ABOUT: About = About {
        formula: "f(z) = sin(omega·(|z| + 1)·z)",
        source: "Liu et al. 2024",
        pytorch: "",
        parameters: &[Parameter {
            name: "omega",
            meaning: "the frequency near 0",
            range: Range::Positive,
        }],
    };
    const WGSL: &'static str = include_str!("../../shaders/activations/finer.wgsl");

    #[inline(always)]
    fn value<N: Number>(self, z: N) -> N {
        let size = z.abs() + z.of(1.0);
        (z.of(self.omega) * size * z).sin_cos().0
    }

    /// `omega·(2|z| + 1)·cos(omega·(|z| + 1)·z)`.
    #[inline(always)]
    fn slope<N: Number>(self, z: N) -> N {
        let (omega, one) = (z.of(self.omega), z.of(1.0));
        let size = z.abs() + one;
        omega * (size + size - one) * (omega * size * z).sin_cos().1
    }
}
