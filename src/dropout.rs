//! Dropout: which outputs of a layer a training step leaves out.
//!
//! Srivastava et al. 2014, in the inverted form: in training, an output is 0 with the probability of
//! the layer's [rate](crate::Layer::dropout) and divided by 1 − rate otherwise, so that its mean stays
//! the same. Predictions and evaluations drop nothing.
//!
//! A mask is a function of seed, step, layer, sample and neuron alone. So it is neither stored nor
//! uploaded, and all engines drop the same outputs. Its twin is `shaders/shared/dropout.wgsl`.

use crate::error::{Result, invalid_setting};

/// The masks of a training step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Masks {
    key: [u32; 2],
}

impl Masks {
    /// The masks of step number `step`, counted from 1, of a run with this seed.
    pub(crate) fn new(seed: u64, step: u64) -> Self {
        let key = mix_64(mix_64(seed) ^ step);
        Self { key: [key as u32, (key >> 32) as u32] }
    }

    /// The key from which the kernels compute the masks.
    #[cfg(feature = "gpu")]
    pub(crate) fn words(self) -> [u32; 2] {
        self.key
    }

    /// The mask of the sample at `row` of the step's batch in layer `layer`, both counted from 0.
    #[inline(always)]
    pub(crate) fn of(self, layer: usize, row: usize) -> Mask {
        Mask { key: mix(mix(self.key[0] ^ layer as u32) ^ row as u32) ^ self.key[1] }
    }
}

/// The mask of a sample in a layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mask {
    key: u32,
}

impl Mask {
    /// Whether the output of neuron `neuron` is kept: with probability 1 − `threshold` / 2³².
    #[inline(always)]
    pub(crate) fn keeps(self, neuron: u32, threshold: u32) -> bool {
        // Neighbors differ in more than their lowest bits.
        mix(self.key ^ neuron.wrapping_mul(0x9e37_79b9)) >= threshold
    }
}

/// The threshold of a rate: outputs whose hash is below it are dropped.
pub(crate) fn threshold(rate: f64) -> u32 {
    (rate * 4_294_967_296.0).round() as u32
}

/// The factor of the outputs that are kept, 1 / (1 − rate).
pub(crate) fn factor(rate: f64) -> f64 {
    1.0 / (1.0 - rate)
}

/// An error unless `rate` can be the rate of layer number `layer`, counted from 1.
pub(crate) fn check(layer: usize, rate: f64) -> Result<()> {
    if (0.0..1.0).contains(&rate) {
        Ok(())
    } else {
        invalid_setting(format!("layer {layer} has a dropout rate of {rate}: it must be in [0, 1)"))
    }
}

/// A hash of 32 bits. Different numbers have different hashes.
/// Wellons 2018, "Prospecting for hash functions", `lowbias32`.
#[inline(always)]
fn mix(x: u32) -> u32 {
    let x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    let x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

/// A hash of 64 bits: the output function of SplitMix64 (Steele, Lea & Flood 2014).
fn mix_64(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `count` pairs of outputs: how often the first, the second, and both are kept.
    fn kept(count: u32, threshold: u32, pair: impl Fn(u32) -> [(Mask, u32); 2]) -> [f64; 3] {
        let mut sums = [0_u32; 3];
        for i in 0..count {
            let [a, b] = pair(i).map(|(mask, neuron)| mask.keeps(neuron, threshold));
            sums[0] += u32::from(a);
            sums[1] += u32::from(b);
            sums[2] += u32::from(a && b);
        }
        sums.map(|sum| f64::from(sum) / f64::from(count))
    }

    #[test]
    fn outputs_are_dropped_at_their_rate_and_independently() {
        const COUNT: u32 = 100_000;
        for rate in [0.1, 0.5, 0.9] {
            let (threshold, keep) = (threshold(rate), 1.0 - rate);
            let at =
                |step: u64, layer: usize, i: u32| Masks::new(7, step).of(layer, i as usize / 100);
            let neuron = |i: u32| i % 100;
            // Neighbors of a kind: neurons, samples, layers, steps, seeds.
            let here = |i: u32| (at(3, 0, i), neuron(i));
            let pairs: [&dyn Fn(u32) -> [(Mask, u32); 2]; 5] = [
                &|i| [here(i), (at(3, 0, i), neuron(i) + 1)],
                &|i| [here(i), (at(3, 0, i + 100), neuron(i))],
                &|i| [here(i), (at(3, 1, i), neuron(i))],
                &|i| [here(i), (at(4, 0, i), neuron(i))],
                &|i| [here(i), (Masks::new(8, 3).of(0, i as usize / 100), neuron(i))],
            ];
            for (kind, pair) in pairs.iter().enumerate() {
                let [a, b, both] = kept(COUNT, threshold, pair);
                // Five standard deviations.
                let tolerance = |p: f64| 5.0 * (p * (1.0 - p) / f64::from(COUNT)).sqrt();
                for (got, expected) in [(a, keep), (b, keep), (both, keep * keep)] {
                    let off = (got - expected).abs();
                    assert!(off < tolerance(expected), "{rate}, pair {kind}: {got} {expected}");
                }
            }
        }
    }

    #[test]
    fn no_rate_drops_nothing() {
        let mask = Masks::new(1, 1).of(2, 3);
        assert!((0..100_000).all(|neuron| mask.keeps(neuron, threshold(0.0))));
        assert_eq!((threshold(0.5), factor(0.0), factor(0.75)), (1 << 31, 1.0, 4.0));
    }
}
