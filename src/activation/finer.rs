//! FINER, a sine of variable frequency.

use super::{Formula, siren, within};
use crate::family::{About, Parameter, Range};
use crate::initialization::Initialization;
use crate::number::Number;

/// The largest initial bias of the first layer, k in Liu et al. 2024. The value is a choice of this crate: with
/// 5, the first layer's waves have up to 11 times the frequency at 0, enough for a picture of 100 pixels.
const FIRST_BIAS: f64 = 5.0;

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

    /// The weights of SIREN; wide biases in the first layer, so that samples meet many frequencies.
    fn initialization(
        self,
        fan_in: usize,
        first: bool,
    ) -> Option<(Initialization, Initialization)> {
        let (weights, biases) = siren(self.omega, fan_in, first);
        Some((weights, if first { within(FIRST_BIAS) } else { biases }))
    }
}
