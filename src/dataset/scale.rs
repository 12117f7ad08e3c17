//! A note on inputs far from unit scale.

use super::{Dataset, Samples};

/// The root mean squares of inputs that networks learn well from.
const USUAL: std::ops::RangeInclusive<f64> = 0.01..=10.0;

/// The most samples that are looked at.
const LOOKED_AT: usize = 4096;

impl Dataset {
    /// A line for the user if the largest input, by its root mean square, is far from 1. The places of pixels never are.
    pub(crate) fn scale_note(&self) -> Option<String> {
        if matches!(self.samples(), Samples::Pixels(_)) || self.len() == 0 {
            return None;
        }
        let (mut inputs, mut targets) =
            (vec![0.0_f32; self.input_width()], vec![0.0_f32; self.target_width()]);
        let mut squares = vec![0.0; inputs.len()];
        let stride = self.len().div_ceil(LOOKED_AT);
        let looked_at = (0..self.len()).step_by(stride);
        let count = looked_at.len() as f64;
        for sample in looked_at {
            self.read(sample, &mut inputs, &mut targets);
            for (sum, input) in squares.iter_mut().zip(&inputs) {
                *sum += f64::from(*input) * f64::from(*input);
            }
        }
        let sizes = squares.iter().map(|sum| (sum / count).sqrt());
        let (input, size) = sizes.enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
        (size > 0.0 && !USUAL.contains(&size)).then(|| {
            format!(
                "the inputs are far from unit scale: the root mean square of input {input} is {size:.3}, and networks \
                 learn badly from such numbers; Standardizer scales them"
            )
        })
    }
}
