//! `Levels`: the channels of pixels, of 8 or 16 bits each.

#[cfg(feature = "pictures")]
use crate::error::Result;
#[cfg(feature = "pictures")]
use crate::memory;

/// Numbers of pixels, row by row, `[height, width, channels]`, in as many bits as they need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Levels {
    /// 0 to 255.
    Bytes(Vec<u8>),
    /// 0 to 65,535.
    #[cfg_attr(not(feature = "pictures"), allow(dead_code, reason = "only pictures have 16 bits"))]
    Words(Vec<u16>),
}

/// How the pixels of a picture are in words of 32 bits, for a device.
#[cfg(feature = "gpu")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Packing {
    /// Bits of a channel, 8 or 16.
    pub(crate) bits: u32,
    /// Words of a pixel, 1 or 2.
    pub(crate) pitch: u32,
}

#[cfg(feature = "gpu")]
impl Packing {
    /// Up to four channels of 8 bits.
    #[cfg(test)]
    pub(crate) const BYTES: Self = Self { bits: 8, pitch: 1 };
    /// Three or four channels of 16 bits.
    #[cfg(test)]
    pub(crate) const WORDS: Self = Self { bits: 16, pitch: 2 };
}

impl Levels {
    /// How many there are, those of all pixels.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bytes(values) => values.len(),
            Self::Words(values) => values.len(),
        }
    }

    /// The bytes that they take.
    #[cfg(feature = "pictures")]
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Bytes(values) => values.len(),
            Self::Words(values) => 2 * values.len(),
        }
    }

    /// Writes the `channels` numbers of a pixel to the beginning of `units`, in [0, 1].
    #[inline]
    pub(super) fn read(&self, pixel: usize, channels: usize, units: &mut [f32]) {
        let units = &mut units[..channels];
        match self {
            Self::Bytes(values) => {
                let values = &values[pixel * channels..][..channels];
                for (unit, value) in units.iter_mut().zip(values) {
                    *unit = f32::from(*value) / 255.0;
                }
            }
            Self::Words(values) => {
                let values = &values[pixel * channels..][..channels];
                for (unit, value) in units.iter_mut().zip(values) {
                    *unit = f32::from(*value) / 65_535.0;
                }
            }
        }
    }

    /// How pixels of so many channels are in words.
    #[cfg(feature = "gpu")]
    pub(super) fn packing(&self, channels: usize) -> Packing {
        let bits = match self {
            Self::Bytes(_) => 8,
            Self::Words(_) => 16,
        };
        Packing { bits, pitch: (channels as u32 * bits).div_ceil(32) }
    }

    /// The words of the pixels of `range`, `[range, pitch]`. The first channel is in the lowest bits.
    #[cfg(feature = "gpu")]
    pub(super) fn words(&self, channels: usize, range: std::ops::Range<usize>) -> Vec<u32> {
        fn join<T: Copy + Into<u32>>(values: &[T], bits: u32) -> u32 {
            values.iter().rev().fold(0, |word, value| word << bits | (*value).into())
        }
        let numbers = range.start * channels..range.end * channels;
        match self {
            Self::Bytes(values) => {
                values[numbers].chunks_exact(channels).map(|pixel| join(pixel, 8)).collect()
            }
            Self::Words(values) => values[numbers]
                .chunks_exact(channels)
                .flat_map(|pixel| pixel.chunks(2).map(|pair| join(pair, 16)))
                .collect(),
        }
    }
}

/// What pictures need beside what datasets need.
#[cfg(feature = "pictures")]
impl Levels {
    /// None yet, up to `maximum`, 255 or else 65,535, with space for so many.
    ///
    /// # Errors
    /// There is no memory for them.
    pub(crate) fn with_capacity(maximum: u16, count: usize) -> Result<Self> {
        let (what, advice) = (format_args!("a picture of {count} numbers"), "make it smaller");
        if maximum == 255 {
            memory::room(count, what, advice).map(Self::Bytes)
        } else {
            memory::room(count, what, advice).map(Self::Words)
        }
    }

    /// The value of white: 255 or 65,535.
    pub(crate) fn maximum(&self) -> u16 {
        match self {
            Self::Bytes(_) => 255,
            Self::Words(_) => 65_535,
        }
    }

    /// Appends values, which are not above the maximum.
    pub(crate) fn extend(&mut self, values: impl IntoIterator<Item = u16>) {
        match self {
            Self::Bytes(bytes) => bytes.extend(values.into_iter().map(|value| value as u8)),
            Self::Words(words) => words.extend(values),
        }
    }

    /// The number at a position.
    #[inline]
    pub(crate) fn get(&self, position: usize) -> u16 {
        match self {
            Self::Bytes(values) => values[position].into(),
            Self::Words(values) => values[position],
        }
    }

    /// Replaces the number at a position by one that is not above the maximum.
    pub(crate) fn set(&mut self, position: usize, value: u16) {
        match self {
            Self::Bytes(values) => values[position] = value as u8,
            Self::Words(values) => values[position] = value,
        }
    }

    /// The numbers of a range in place of those in `values`.
    pub(crate) fn copy(&self, range: std::ops::Range<usize>, values: &mut Vec<u16>) {
        values.clear();
        match self {
            Self::Bytes(bytes) => values.extend(bytes[range].iter().map(|v| u16::from(*v))),
            Self::Words(words) => values.extend_from_slice(&words[range]),
        }
    }
}

#[cfg(all(test, feature = "gpu"))]
mod tests {
    use super::*;

    #[test]
    fn channels_are_in_words_from_the_lowest_bits_on() {
        let bytes = Levels::Bytes(vec![1, 2, 3, 4, 5, 6]);
        assert_eq!(bytes.packing(3), Packing::BYTES);
        assert_eq!(bytes.words(3, 0..2), [0x0003_0201, 0x0006_0504]);
        assert_eq!(bytes.words(1, 4..6), [5, 6]);
        let words = Levels::Words(vec![0x1111, 0x2222, 0x3333, 0x4444, 0x5555, 0x6666]);
        assert_eq!(words.packing(3), Packing::WORDS);
        assert_eq!(words.packing(2), Packing { bits: 16, pitch: 1 });
        assert_eq!(words.words(3, 1..2), [0x5555_4444, 0x6666]);
        assert_eq!(words.words(2, 0..3), [0x2222_1111, 0x4444_3333, 0x6666_5555]);
        let mut units = [0.0; 3];
        words.read(1, 3, &mut units);
        assert_eq!(units, [0x4444_u16, 0x5555, 0x6666].map(|v| f32::from(v) / 65_535.0));
    }
}
