//! Samples in host memory, and the order in which an epoch visits them.

use crate::error::{Error, Result, invalid};

/// The most samples: their numbers stay within 32 bits on every device.
const MOST_SAMPLES: usize = u32::MAX as usize;

/// Inputs and targets, sample by sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    inputs: Vec<f32>,
    targets: Vec<f32>,
    input_width: usize,
    target_width: usize,
}

impl Dataset {
    /// From flat rows: `inputs` is `[samples, input_width]`, `targets` is
    /// `[samples, target_width]`.
    ///
    /// # Errors
    /// A width of 0, lengths that are no whole samples or differ, no sample at all, or a number
    /// that is not finite.
    pub fn new(
        inputs: Vec<f32>,
        targets: Vec<f32>,
        input_width: usize,
        target_width: usize,
    ) -> Result<Self> {
        if input_width == 0 || target_width == 0 {
            return invalid("a sample needs at least 1 input and 1 target");
        }
        let samples = inputs.len() / input_width;
        if !inputs.len().is_multiple_of(input_width)
            || !targets.len().is_multiple_of(target_width)
            || samples != targets.len() / target_width
        {
            return invalid(format!(
                "{} input numbers in rows of {input_width} and {} target numbers in rows of \
                 {target_width} are not the same number of whole samples",
                inputs.len(),
                targets.len()
            ));
        }
        if samples == 0 {
            return invalid("there is no sample to learn from");
        }
        if samples > MOST_SAMPLES {
            return Err(Error::TooLarge {
                what: format!("a dataset of {samples} samples"),
                needed: inputs.len() as u64 * 4,
                limit: MOST_SAMPLES as u64 * input_width as u64 * 4,
                advice: "train on a part of it".into(),
            });
        }
        for (name, values, width) in
            [("input", &inputs, input_width), ("target", &targets, target_width)]
        {
            if let Some(position) = values.iter().position(|v| !v.is_finite()) {
                return invalid(format!(
                    "{name} {} of sample {} is {}",
                    position % width,
                    position / width,
                    values[position]
                ));
            }
        }
        Ok(Self { inputs, targets, input_width, target_width })
    }

    /// From one row for each sample.
    ///
    /// ```
    /// let xor = impasto::Dataset::from_rows(
    ///     &[[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]],
    ///     &[[0.0], [1.0], [1.0], [0.0]],
    /// )?;
    /// assert_eq!(xor.len(), 4);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_rows<const I: usize, const T: usize>(
        inputs: &[[f64; I]],
        targets: &[[f64; T]],
    ) -> Result<Self> {
        let single = |values: &[f64]| values.iter().map(|v| *v as f32).collect();
        Self::new(single(inputs.as_flattened()), single(targets.as_flattened()), I, T)
    }

    /// Number of samples, at least 1.
    #[allow(clippy::len_without_is_empty, reason = "a dataset is never empty")]
    pub fn len(&self) -> usize {
        self.inputs.len() / self.input_width
    }

    /// Inputs, `[len, input_width]`.
    pub fn inputs(&self) -> &[f32] {
        &self.inputs
    }

    /// Targets, `[len, target_width]`.
    pub fn targets(&self) -> &[f32] {
        &self.targets
    }

    /// Numbers in a sample's input.
    pub fn input_width(&self) -> usize {
        self.input_width
    }

    /// Numbers in a sample's target.
    pub fn target_width(&self) -> usize {
        self.target_width
    }

    /// Splits off `fraction` of the samples, chosen by `seed`: `(the rest, those held out)`.
    ///
    /// # Errors
    /// A fraction outside (0, 1), or one that leaves either side without a sample.
    pub fn split(&self, fraction: f64, seed: u64) -> Result<(Self, Self)> {
        if !(fraction > 0.0 && fraction < 1.0) {
            return invalid(format!("a held-out fraction of {fraction}: it must lie in (0, 1)"));
        }
        let held_out = (self.len() as f64 * fraction).round() as usize;
        if held_out == 0 || held_out == self.len() {
            return invalid(format!(
                "a held-out fraction of {fraction} of {} samples leaves nothing on one side",
                self.len()
            ));
        }
        let order = Permutation::new(self.len(), seed, u64::MAX);
        let take = |range: std::ops::Range<usize>| {
            let mut part = Self { inputs: Vec::new(), targets: Vec::new(), ..*self };
            for position in range {
                let sample = order.index(position as u32) as usize;
                part.inputs.extend_from_slice(self.input(sample));
                part.targets.extend_from_slice(self.target(sample));
            }
            part
        };
        Ok((take(held_out..self.len()), take(0..held_out)))
    }

    /// The inputs of one sample.
    pub(crate) fn input(&self, sample: usize) -> &[f32] {
        &self.inputs[sample * self.input_width..][..self.input_width]
    }

    /// The targets of one sample.
    pub(crate) fn target(&self, sample: usize) -> &[f32] {
        &self.targets[sample * self.target_width..][..self.target_width]
    }
}

/// Rounds of the Feistel network: enough that no order is seen in pictures of any size.
const ROUNDS: u32 = 6;

/// The order of an epoch's samples: a keyed permutation of `0..len`, computed position by
/// position, so that nobody has to store or upload it. A function of (len, seed, epoch) alone,
/// the same on every engine.
///
/// A balanced Feistel network over the smallest even number of bits that holds `len`, walked
/// until it lands below `len` (Black & Rogaway 2002, "Ciphers with arbitrary finite domains").
/// Its twin on the GPU is in `shaders/gather.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permutation {
    len: u32,
    half_bits: u32,
    keys: [u32; 2],
}

impl Permutation {
    /// The order of `epoch` under `seed`, for `len` samples (at most 2³² − 1).
    pub fn new(len: usize, seed: u64, epoch: u64) -> Self {
        let len = len as u32;
        let bits = 32 - len.saturating_sub(1).leading_zeros();
        let key = split_mix(split_mix(seed) ^ epoch);
        Self { len, half_bits: bits.div_ceil(2).max(1), keys: [key as u32, (key >> 32) as u32] }
    }

    /// The order in which nothing moves.
    pub fn identity(len: usize) -> Self {
        Self { len: len as u32, half_bits: 0, keys: [0, 0] }
    }

    /// Which sample stands at `position`, which must be below `len`.
    pub fn index(&self, position: u32) -> u32 {
        if self.half_bits == 0 {
            return position;
        }
        let mut value = self.encrypt(position);
        while value >= self.len {
            value = self.encrypt(value);
        }
        value
    }

    /// `[len, half_bits, key, key]`: what the shader needs.
    pub(crate) fn words(&self) -> [u32; 4] {
        [self.len, self.half_bits, self.keys[0], self.keys[1]]
    }

    fn encrypt(&self, value: u32) -> u32 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for round in 0..ROUNDS {
            let key = self.keys[(round & 1) as usize].wrapping_add(round.wrapping_mul(0x9e37_79b9));
            (left, right) = (right, left ^ (mix(right ^ key) & mask));
        }
        (left << self.half_bits) | right
    }
}

/// A 32-bit finaliser (Wellons 2018, "lowbias32").
fn mix(mut x: u32) -> u32 {
    x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

/// One output of SplitMix64 (Steele, Lea & Flood 2014).
fn split_mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_visited_once_in_an_order_of_its_own() {
        for len in [1, 2, 3, 4, 5, 16, 17, 257, 1000, 10_000] {
            let mut orders = Vec::new();
            for (seed, epoch) in [(0, 1), (0, 2), (1, 1)] {
                let permutation = Permutation::new(len, seed, epoch);
                let order: Vec<u32> = (0..len as u32).map(|p| permutation.index(p)).collect();
                let mut sorted = order.clone();
                sorted.sort_unstable();
                assert!(sorted.iter().copied().eq(0..len as u32), "{len} {seed} {epoch}");
                orders.push(order);
            }
            if len > 16 {
                assert!(orders[0] != orders[1] && orders[0] != orders[2], "{len}");
            }
        }
    }

    #[test]
    fn neighbours_are_scattered() {
        // The mean distance between successive samples of a random order of n is n/3.
        let permutation = Permutation::new(10_000, 3, 4);
        let distance: f64 = (1..10_000)
            .map(|p| (permutation.index(p) as f64 - permutation.index(p - 1) as f64).abs())
            .sum::<f64>()
            / 9_999.0;
        assert!((distance - 3333.0).abs() < 150.0, "{distance}");
    }

    #[test]
    fn a_split_keeps_every_sample_on_one_side() {
        let samples: Vec<f32> = (0..10).map(|i| i as f32).collect();
        let dataset = Dataset::new(samples.clone(), samples, 1, 1).expect("ten samples");
        let (rest, held_out) = dataset.split(0.3, 5).expect("3 of 10");
        assert_eq!((rest.len(), held_out.len()), (7, 3));
        let mut all: Vec<f32> = [rest.inputs(), held_out.inputs()].concat();
        all.sort_by(f32::total_cmp);
        assert!(all.iter().copied().eq((0..10).map(|i| i as f32)));
        assert_eq!(rest.inputs(), rest.targets());
        assert!(dataset.split(0.01, 0).is_err() && dataset.split(f64::NAN, 0).is_err());
    }

    #[test]
    fn unfit_samples_are_refused() {
        let message =
            |i: Vec<f32>, t: Vec<f32>| Dataset::new(i, t, 2, 1).expect_err("unfit").to_string();
        assert!(message(vec![], vec![]).contains("no sample"));
        assert!(message(vec![0.0; 4], vec![0.0; 3]).contains("whole samples"));
        assert!(message(vec![0.0; 3], vec![0.0]).contains("whole samples"));
        assert_eq!(
            message(vec![0.0, 0.0, 0.0, f32::NAN], vec![0.0; 2]),
            "input 1 of sample 1 is NaN"
        );
    }
}
