//! SiLU, also called Swish.

use super::Formula;
use crate::family::About;
use crate::number::Number;

/// `f(z) = z·σ(z)`. Elfwing, Uchibe & Doya 2018.
#[derive(Clone, Copy, Debug)]
pub struct Silu;

impl Formula for Silu {
    const DEFAULT: Self = Self;
    const ABOUT: About = About {
        formula: "f(z) = z·σ(z)",
        source: "Elfwing, Uchibe & Doya 2018",
        pytorch: "torch.nn.SiLU",
        parameters: &[],
    };
    const WGSL: &'static str = include_str!("../../shaders/activations/silu.wgsl");

    #[inline(always)]
    fn value<N: Number>(self, z: N) -> N {
        z * z.sigmoid()
    }

    #[inline(always)]
    fn slope<N: Number>(self, z: N) -> N {
        let (s, one) = (z.sigmoid(), z.of(1.0));
        s * (one + z * (one - s))
    }
}
