//! Sines and cosines of the inputs, in octaves.

use super::{Computation, Formula};
use crate::error::{Result, invalid_setting};
use crate::family::{About, Parameter, Range};

/// The most octaves: of more, f32 keeps no digit of the phase.
const MOST_OCTAVES: usize = 24;

/// `sin(2ᵏπx), cos(2ᵏπx)` for `k = 0 … octaves − 1` of each input. Mildenhall et al. 2020 (NeRF),
/// eq. 4.
#[derive(Clone, Copy, Debug)]
pub struct Frequency {
    /// Octaves of each input, 1 to 24; 6 by default, NeRF takes 10.
    pub octaves: usize,
}

impl Formula for Frequency {
    const DEFAULT: Self = Self { octaves: 6 };
    const ABOUT: About = About {
        formula: "sin(2ᵏπx), cos(2ᵏπx) for k = 0 … octaves − 1 of each input x",
        source: "Mildenhall et al. 2020, eq. 4",
        pytorch: "",
        parameters: &[Parameter {
            name: "octaves",
            meaning: "octaves of each input, at most 24",
            range: Range::Positive,
        }],
    };

    fn outputs(self, inputs: usize) -> usize {
        inputs.saturating_mul(self.octaves).saturating_mul(2)
    }

    fn computation(self) -> Computation {
        Computation::Waves
    }

    fn frequencies(self, inputs: usize) -> Vec<f32> {
        let mut matrix = vec![0.0; inputs * self.octaves * inputs];
        for input in 0..inputs {
            for octave in 0..self.octaves {
                // sin(2ᵏπx) is 2ᵏ⁻¹ turns for each unit of x.
                let row = input * self.octaves + octave;
                matrix[row * inputs + input] = (octave as f32 - 1.0).exp2();
            }
        }
        matrix
    }

    fn check(self) -> Result<()> {
        if self.octaves > MOST_OCTAVES {
            return invalid_setting(format!(
                "a frequency encoding of {} octaves: it must have 1 to {MOST_OCTAVES}",
                self.octaves
            ));
        }
        Ok(())
    }
}
