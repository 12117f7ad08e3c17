//! `Permutation`: the order in which an epoch visits its samples.

/// Rounds of the Feistel network: enough that no order is seen in pictures of any size.
const ROUNDS: u32 = 6;

/// Up to so many samples are shuffled by exchanges: among few numbers a Feistel network of six rounds
/// prefers some orders.
const FEW: u32 = 16;

/// Positions that are encrypted at once: two or more vectors of every processor.
const AT_ONCE: usize = 32;

/// The order of the samples in an epoch: a keyed permutation of `0..len`.
///
/// It is computed position by position, and neither stored nor uploaded. It is a function of the number of
/// samples, the seed and the epoch, the same on every engine.
///
/// Up to 16 samples are shuffled by exchanges (Durstenfeld 1964, "Algorithm 235: random
/// permutation"), each position followed through them.
///
/// More go through a balanced Feistel network over the smallest even number of bits that holds `len`,
/// repeated until the result is below `len` (Black & Rogaway 2002, "Ciphers with arbitrary finite
/// domains"). Such networks are even permutations of their 4ⁿ numbers, so in half of the orders two
/// samples are exchanged at last.
///
/// Its twin on the GPU is in `shaders/shared/permutation.wgsl`.
///
/// ```
/// use impasto::Permutation;
///
/// let order = Permutation::new(5, 42, 1);
/// let mut samples: Vec<usize> = (0..5).map(|position| order.index(position)).collect();
/// samples.sort();
/// assert_eq!(samples, [0, 1, 2, 3, 4]);
/// assert_eq!(Permutation::identity(5).index(3), 3);
/// ```
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
        let position = position as u32;
        let sample = if self.len <= FEW { self.exchange(position) } else { self.walk(position) };
        sample as usize
    }

    /// Replaces positions by their samples, as [`index`](Self::index) does, several at a time. To be inlined
    /// where there are vector instructions.
    ///
    /// # Panics
    /// If a position is not below `len`.
    #[inline(always)]
    pub(crate) fn replace(&self, positions: &mut [u32]) {
        let most = positions.iter().copied().max().unwrap_or(0);
        assert!(
            positions.is_empty() || most < self.len,
            "position {most} in an order of {}",
            self.len
        );
        if self.half_bits == 0 {
            return;
        }
        if self.len <= FEW {
            for place in positions {
                *place = self.exchange(*place);
            }
            return;
        }
        for some in positions.chunks_mut(AT_ONCE) {
            // What is left over is a position too, since the walk ends only for those.
            let mut values = [some[0]; AT_ONCE];
            values[..some.len()].copy_from_slice(some);
            self.encrypt_some(&mut values, 0);
            while values.iter().fold(0, |most, value| most.max(*value)) >= self.len {
                self.encrypt_some(&mut values, self.len);
            }
            let swap = self.keys[0] >> 31;
            for value in &mut values {
                *value ^= if *value < 2 { swap } else { 0 };
            }
            some.copy_from_slice(&values[..some.len()]);
        }
    }

    /// [`encrypt`](Self::encrypt) of the values that are not below `least`.
    #[inline(always)]
    fn encrypt_some(&self, values: &mut [u32; AT_ONCE], least: u32) {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = ([0; AT_ONCE], [0; AT_ONCE]);
        for i in 0..AT_ONCE {
            (left[i], right[i]) = (values[i] >> self.half_bits, values[i] & mask);
        }
        for round in 0..ROUNDS {
            let key = self.key(round);
            for i in 0..AT_ONCE {
                (left[i], right[i]) = (right[i], left[i] ^ (mix(right[i] ^ key) & mask));
            }
        }
        for i in 0..AT_ONCE {
            let encrypted = (left[i] << self.half_bits) | right[i];
            values[i] = if values[i] >= least { encrypted } else { values[i] };
        }
    }

    /// `[len, half_bits, key, key]`: what the shader needs.
    #[cfg(feature = "gpu")]
    pub(crate) fn words(&self) -> [u32; 4] {
        [self.len, self.half_bits, self.keys[0], self.keys[1]]
    }

    /// Where `position` comes from in a shuffle that exchanges each position with one up to it.
    fn exchange(&self, position: u32) -> u32 {
        let mut value = position;
        for last in 1..self.len {
            // The upper 24 bits of a hash, as a fraction of `last + 1`.
            let other = ((mix(self.key(last)) >> 8) * (last + 1)) >> 24;
            if value == last {
                value = other;
            } else if value == other {
                value = last;
            }
        }
        value
    }

    /// Encrypts `position` until the result is below `len`; the top bit of a key exchanges samples 0
    /// and 1. Ends only for a position below `len`.
    fn walk(&self, position: u32) -> u32 {
        let mut value = self.encrypt(position);
        while value >= self.len {
            value = self.encrypt(value);
        }
        if value < 2 { value ^ (self.keys[0] >> 31) } else { value }
    }

    fn encrypt(&self, value: u32) -> u32 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ (mix(right ^ self.key(round)) & mask));
        }
        (left << self.half_bits) | right
    }

    /// The key of a round of the Feistel network, or of an exchange.
    #[inline(always)]
    fn key(&self, round: u32) -> u32 {
        self.keys[(round & 1) as usize].wrapping_add(round.wrapping_mul(0x9e37_79b9))
    }
}

/// `len` in 32 bits.
fn samples(len: usize) -> u32 {
    assert!(u32::try_from(len).is_ok(), "an order of {len} samples: it has at most 2³² − 1");
    len as u32
}

/// A 32-bit finaliser (Wellons 2018, "lowbias32").
#[inline(always)]
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
    fn several_positions_are_replaced_as_one_is() {
        for len in [1, 2, 5, 16, 17, 31, 33, 257, 1000, 10_000, (1 << 20) + 1, u32::MAX as usize] {
            let orders = [Permutation::identity(len), Permutation::new(len, 7, 1)];
            // A few, as many as are encrypted at once, one more, and many; from the first on and to the last.
            for order in
                orders.into_iter().chain((2..9).map(|epoch| Permutation::new(len, 7, epoch)))
            {
                for count in [0, 1, 3, 32, 33, 100] {
                    let count = count.min(len);
                    for first in [0, len - count] {
                        let expected: Vec<usize> =
                            (first..first + count).map(|position| order.index(position)).collect();
                        let mut got: Vec<u32> =
                            (first..first + count).map(|position| position as u32).collect();
                        order.replace(&mut got);
                        let got: Vec<usize> =
                            got.into_iter().map(|sample| sample as usize).collect();
                        assert_eq!(got, expected, "{count} of {len} from {first} on");
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "position 5 in an order of 5")]
    fn a_replaced_position_beyond_the_order_panics() {
        Permutation::new(5, 1, 1).replace(&mut [0, 5]);
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

    /// How far the χ² statistic of `counts` is from its mean under a uniform distribution, in
    /// standard deviations: Wilson & Hilferty 1931.
    fn deviation(counts: &[u32]) -> f64 {
        let expected = f64::from(counts.iter().sum::<u32>()) / counts.len() as f64;
        let chi_square: f64 =
            counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
        let freedom = (counts.len() - 1) as f64;
        let variance = 2.0 / (9.0 * freedom);
        ((chi_square / freedom).cbrt() - (1.0 - variance)) / variance.sqrt()
    }

    /// The position of `order` in the list of all orders of as many samples, sorted.
    fn rank(order: &[usize]) -> usize {
        order.iter().enumerate().fold(0, |rank, (position, sample)| {
            let smaller = order[position..].iter().filter(|other| *other < sample).count();
            rank * (order.len() - position) + smaller
        })
    }

    /// Whether an odd number of exchanges of two samples leads to `order`.
    fn is_odd(order: &[usize]) -> bool {
        let mut seen = vec![false; order.len()];
        let mut odd = false;
        for start in 0..order.len() {
            let mut sample = start;
            while !std::mem::replace(&mut seen[sample], true) {
                sample = order[sample];
                // A cycle of n samples is n − 1 exchanges.
                odd ^= sample != start;
            }
        }
        odd
    }

    /// An order for each of `count` epochs under one seed, then for epoch 1 under as many seeds.
    fn orders(len: usize, count: usize) -> [impl Iterator<Item = Vec<usize>>; 2] {
        [true, false].map(|vary_epoch| {
            (1..=count as u64).map(move |number| {
                let (seed, epoch) = if vary_epoch { (7, number) } else { (number, 1) };
                let permutation = Permutation::new(len, seed, epoch);
                (0..len).map(|position| permutation.index(position)).collect()
            })
        })
    }

    #[test]
    fn all_orders_of_few_samples_are_equally_likely() {
        for len in 2..=8 {
            let all: usize = (1..=len).product();
            for orders in orders(len, 10_000.max(10 * all)) {
                let mut counts = vec![0; all];
                orders.for_each(|order| counts[rank(&order)] += 1);
                let deviation = deviation(&counts);
                assert!(deviation < 3.5, "{len} samples: {deviation} standard deviations");
            }
        }
    }

    #[test]
    fn first_pairs_are_equally_likely() {
        for len in 9..=24 {
            for orders in orders(len, 500 * len * len) {
                let mut counts = vec![0; len * (len - 1)];
                for order in orders {
                    let second = order[1] - usize::from(order[1] > order[0]);
                    counts[order[0] * (len - 1) + second] += 1;
                }
                let deviation = deviation(&counts);
                assert!(deviation < 3.5, "{len} samples: {deviation} standard deviations");
            }
        }
    }

    #[test]
    fn even_and_odd_orders_are_equally_likely() {
        for len in (2..=64).chain([65, 100, 255, 256, 1000, 1024, 4096]) {
            for orders in orders(len, 1000) {
                let odd = orders.filter(|order| is_odd(order)).count();
                // 4½ standard deviations of 1,000 tosses.
                assert!((429..=571).contains(&odd), "{len} samples: {odd} of 1,000 orders are odd");
            }
        }
    }

    #[test]
    fn neighbors_are_scattered() {
        // The mean distance between successive samples of a random order of n is n/3.
        let permutation = Permutation::new(10_000, 3, 4);
        let distance: f64 = (1..10_000)
            .map(|p| (permutation.index(p) as f64 - permutation.index(p - 1) as f64).abs())
            .sum::<f64>()
            / 9_999.0;
        assert!((distance - 3333.0).abs() < 150.0, "{distance}");
    }
}
