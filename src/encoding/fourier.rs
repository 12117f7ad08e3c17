//! Random Fourier features of the inputs.

use super::{Computation, Formula};
use crate::family::{About, Parameter, Range};
use crate::random::gaussian;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

/// `sin(2πBx), cos(2πBx)` with `B` drawn from normal(0, scale). Tancik et al. 2020, section 6.
#[derive(Clone, Copy, Debug)]
pub struct Fourier {
    /// Rows of `B`, at least 1; 64 by default, the paper takes 256.
    pub features: usize,
    /// Standard deviation of `B`'s entries, above 0; 4 by default, the paper's pictures do best near
    /// 10.
    pub scale: f64,
    /// Seed of `B`; 1 by default.
    pub seed: u64,
}

impl Formula for Fourier {
    const DEFAULT: Self = Self { features: 64, scale: 4.0, seed: 1 };
    const ABOUT: About = About {
        formula: "sin(2πBx), cos(2πBx) with B [features, inputs] drawn from normal(0, scale)",
        source: "Tancik et al. 2020, section 6",
        pytorch: "",
        parameters: &[
            Parameter { name: "features", meaning: "rows of B", range: Range::Positive },
            Parameter {
                name: "scale",
                meaning: "standard deviation of the entries of B",
                range: Range::Positive,
            },
            Parameter { name: "seed", meaning: "seed of B", range: Range::NotNegative },
        ],
    };

    fn outputs(self, _: usize) -> usize {
        self.features.saturating_mul(2)
    }

    fn computation(self) -> Computation {
        Computation::Waves
    }

    fn frequencies(self, inputs: usize) -> Vec<f32> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let draw = |_| (self.scale * gaussian(&mut random)) as f32;
        (0..self.features * inputs).map(draw).collect()
    }
}
