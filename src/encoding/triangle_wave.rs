//! Triangle waves of the inputs, in octaves.

use super::{Computation, Formula};
use crate::error::{Result, invalid_setting};
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// The most octaves: of more, f32 keeps no digit of the phase.
const MOST_OCTAVES: usize = 24;

/// `4·|u − ⌊u⌋ − ½| − 1` with `u = 2ᵏ⁻¹x + k/4` for `k = 0 … octaves − 1` of each input. Müller et al. 2021
/// (neural radiance caching), section 3.3, with the phases of tiny-cuda-nn.
#[derive(Clone, Copy, Debug)]
pub struct TriangleWave {
    /// Octaves of each input, 1 to 24; 12 by default.
    pub octaves: usize,
}

impl TriangleWave {
    /// The place in its period, in [0, 1), of the wave of octave `k` at `x`.
    fn phase(x: f64, k: usize) -> f64 {
        let turns = x * (k as f64 - 1.0).exp2() + k as f64 / 4.0;
        turns - turns.floor()
    }
}

impl Formula for TriangleWave {
    const DEFAULT: Self = Self { octaves: 12 };
    const ABOUT: About = About {
        formula: "4·|u − ⌊u⌋ − ½| − 1 with u = 2ᵏ⁻¹x + k/4 for k = 0 … octaves − 1 of each input x",
        source: "Müller et al. 2021, section 3.3",
        pytorch: "",
        parameters: &[Parameter {
            name: "octaves",
            meaning: "octaves of each input, at most 24",
            range: Range::Positive,
        }],
    };
    const WGSL: &'static str = include_str!("../../shaders/encodings/triangle-wave.wgsl");

    fn outputs(self, inputs: usize) -> usize {
        inputs.saturating_mul(self.octaves)
    }

    fn computation(self) -> Computation {
        Computation::Direct
    }

    #[inline(always)]
    fn encode<N: Number>(self, x: &[N], y: &mut [N]) {
        for (x, y) in x.iter().zip(y.chunks_exact_mut(self.octaves)) {
            for (k, y) in y.iter_mut().enumerate() {
                *y = x.each(|x| 4.0 * (Self::phase(x, k) - 0.5).abs() - 1.0);
            }
        }
    }

    #[inline(always)]
    fn input_gradient<N: Number>(self, x: &[N], delta: &[N], gradient: &mut [N]) {
        let deltas = delta.chunks_exact(self.octaves);
        for ((x, deltas), gradient) in x.iter().zip(deltas).zip(gradient) {
            for (k, delta) in deltas.iter().enumerate() {
                let steep = (k as f64 + 1.0).exp2();
                let slope = x.each(|x| if Self::phase(x, k) < 0.5 { -steep } else { steep });
                *gradient = delta.times_plus(slope, *gradient);
            }
        }
    }

    fn check(self) -> Result<()> {
        if self.octaves > MOST_OCTAVES {
            return invalid_setting(format!(
                "a triangle wave of {} octaves: it must have 1 to {MOST_OCTAVES}",
                self.octaves
            ));
        }
        Ok(())
    }
}
