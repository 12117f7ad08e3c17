//! Input encodings: what stands before the first layer.
//!
//! Every encoding so far is a set of waves over the inputs, so all of them are one matrix of
//! frequencies, in turns (full periods) for each unit of input, and one kernel:
//! `out[2f] = sin(2π Σᵢ B[f, i]·xᵢ)`, `out[2f + 1] = cos(…)`. See
//! [`reference::fourier_encoding`](crate::reference::fourier_encoding).

use crate::error::{Result, invalid};
use crate::random::gaussian;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// How a network's inputs are turned into those of its first layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// The inputs as they are.
    Identity,
    /// `sin(2ᵏπx), cos(2ᵏπx)` for `k = 0 … octaves − 1` of each input. Mildenhall et al. 2020
    /// (NeRF), eq. 4.
    Frequency {
        /// Octaves of each input, 1 to 24; NeRF takes 10.
        octaves: usize,
    },
    /// `sin(2πBx), cos(2πBx)` with `B` drawn from normal(0, scale). Tancik et al. 2020, section 6.
    Fourier {
        /// Rows of `B`, at least 1; the paper takes 256.
        features: usize,
        /// Standard deviation of `B`'s entries, above 0; the paper's pictures do best near 10.
        scale: f64,
        /// Seed of `B`.
        seed: u64,
    },
}

impl Encoding {
    /// Each encoding with the defaults that `paint` uses.
    pub const ALL: [Self; 3] = [
        Self::Identity,
        Self::Frequency { octaves: 6 },
        Self::Fourier { features: 64, scale: 4.0, seed: 1 },
    ];

    /// The name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Frequency { .. } => "frequency",
            Self::Fourier { .. } => "fourier",
        }
    }

    /// The encoding of that [`name`](Self::name), with its defaults.
    ///
    /// # Errors
    /// An unknown name; the message lists those there are.
    pub fn from_name(name: &str) -> Result<Self> {
        match Self::ALL.into_iter().find(|e| e.name() == name) {
            Some(encoding) => Ok(encoding),
            None => invalid(format!(
                "there is no encoding '{name}': choose one of {}",
                Self::ALL.map(Self::name).join(", ")
            )),
        }
    }

    /// How many numbers the first layer is given for `inputs` inputs.
    pub fn outputs(self, inputs: usize) -> usize {
        match self {
            Self::Identity => inputs,
            Self::Frequency { octaves } => inputs.saturating_mul(octaves).saturating_mul(2),
            Self::Fourier { features, .. } => features.saturating_mul(2),
        }
    }

    /// The matrix of frequencies, `[features, inputs]`, in turns for each unit of input, rounded
    /// to f32 so that every engine computes with the same numbers. `None` for the identity.
    pub fn frequencies(self, inputs: usize) -> Option<Vec<f32>> {
        match self {
            Self::Identity => None,
            Self::Frequency { octaves } => {
                let mut matrix = vec![0.0; inputs * octaves * inputs];
                for input in 0..inputs {
                    for octave in 0..octaves {
                        // sin(2ᵏπx) is 2ᵏ⁻¹ turns for each unit of x.
                        let row = input * octaves + octave;
                        matrix[row * inputs + input] = (octave as f32 - 1.0).exp2();
                    }
                }
                Some(matrix)
            }
            Self::Fourier { features, scale, seed } => {
                let mut random = ChaCha8Rng::seed_from_u64(seed);
                Some(
                    (0..features * inputs)
                        .map(|_| (scale * gaussian(&mut random)) as f32)
                        .collect(),
                )
            }
        }
    }

    /// Whether the constants make sense.
    pub(crate) fn check(self) -> Result<()> {
        match self {
            Self::Frequency { octaves } if !(1..=24).contains(&octaves) => {
                invalid(format!("a frequency encoding of {octaves} octaves: it must have 1 to 24"))
            }
            Self::Fourier { features: 0, .. } => {
                invalid("a Fourier encoding needs at least 1 feature")
            }
            Self::Fourier { scale, .. } if !(scale.is_finite() && scale > 0.0) => {
                invalid(format!("the scale of a Fourier encoding is {scale}: it must be above 0"))
            }
            _ => Ok(()),
        }
    }
}

impl std::str::FromStr for Encoding {
    type Err = crate::Error;
    fn from_str(name: &str) -> Result<Self> {
        Self::from_name(name)
    }
}
