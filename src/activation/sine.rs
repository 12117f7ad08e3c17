//! The sine of SIREN.

use super::{Formula, siren};
use crate::family::{About, Parameter, Range};
use crate::initialization::Initialization;
use crate::number::Number;

/// `f(z) = sin(omega·z)`: SIREN. Sitzmann et al. 2020.
#[derive(Clone, Copy, Debug)]
pub struct Sine {
    /// The frequency, above 0; 30 by default, as in the paper (1 in tiny-cuda-nn).
    pub omega: f64,
}

impl Formula for Sine {
    const DEFAULT: Self = Self { omega: 30.0 };
    const ABOUT: About = About {
        formula: "f(z) = sin(omega·z)",
        source: "Sitzmann et al. 2020",
        pytorch: "torch.sin",
        parameters: &[Parameter {
            name: "omega",
            meaning: "the frequency",
            range: Range::Positive,
        }],
    };
    const WGSL: &'static str = include_str!("../../shaders/activations/sine.wgsl");

    #[inline(always)]
    fn value<N: Number>(self, z: N) -> N {
        (z.of(self.omega) * z).sin_cos().0
    }

    #[inline(always)]
    fn slope<N: Number>(self, z: N) -> N {
        let omega = z.of(self.omega);
        omega * (omega * z).sin_cos().1
    }

    fn initialization(
        self,
        fan_in: usize,
        first: bool,
    ) -> Option<(Initialization, Initialization)> {
        Some(siren(self.omega, fan_in, first))
    }
}
