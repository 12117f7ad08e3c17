//! The order in which an epoch visits its samples.

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
    /// The order of `epoch` under `seed`, for `len` samples.
    ///
    /// # Panics
    /// If `len` is above 2³² − 1. No [`Dataset`](crate::Dataset) has more samples.
    pub fn new(len: usize, seed: u64, epoch: u64) -> Self {
        let len = samples(len);
        let bits = 32 - len.saturating_sub(1).leading_zeros();
        let key = split_mix(split_mix(seed) ^ epoch);
        Self { len, half_bits: bits.div_ceil(2).max(1), keys: [key as u32, (key >> 32) as u32] }
    }

    /// The order in which every sample keeps its place.
    ///
    /// # Panics
    /// If `len` is above 2³² − 1.
    pub fn identity(len: usize) -> Self {
        Self { len: samples(len), half_bits: 0, keys: [0, 0] }
    }

    /// The sample at `position`.
    ///
    /// # Panics
    /// If `position` is not below `len`, as indexing a slice does.
    #[inline]
    pub fn index(&self, position: usize) -> usize {
        assert!(position < self.len as usize, "position {position} in an order of {}", self.len);
        if self.half_bits == 0 {
            return position;
        }
        // Cycle walking ends only if it starts below `len`.
        let mut value = self.encrypt(position as u32);
        while value >= self.len {
            value = self.encrypt(value);
        }
        value as usize
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

/// `len` in 32 bits.
fn samples(len: usize) -> u32 {
    assert!(u32::try_from(len).is_ok(), "an order of {len} samples: it has at most 2³² − 1");
    len as u32
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
                let order: Vec<usize> = (0..len).map(|p| permutation.index(p)).collect();
                let mut sorted = order.clone();
                sorted.sort_unstable();
                assert!(sorted.iter().copied().eq(0..len), "{len} {seed} {epoch}");
                orders.push(order);
            }
            if len > 16 {
                assert!(orders[0] != orders[1] && orders[0] != orders[2], "{len}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "position 5 in an order of 5")]
    fn a_position_beyond_the_order_panics() {
        Permutation::new(5, 1, 1).index(5);
    }

    #[test]
    #[should_panic(expected = "position 3 in an order of 3")]
    fn a_position_beyond_the_identity_panics() {
        Permutation::identity(3).index(3);
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    #[should_panic(expected = "an order of 4294967296 samples")]
    fn a_length_beyond_32_bits_panics() {
        Permutation::new(1 << 32, 1, 1);
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
}
