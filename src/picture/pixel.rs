//! `Pixel`: the values of a pixel.

use crate::dataset::Levels;
use std::ops::Deref;

/// The values of a pixel, 1 to 4. It is used as the slice of them.
///
/// ```
/// let picture = impasto::Picture::new(1, 1, 3, 255, vec![10, 20, 30])?;
/// let sums = picture.pixels().map(|pixel| pixel.iter().sum::<u16>());
/// assert!(sums.eq([60]));
/// # Ok::<(), impasto::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pixel {
    /// 0 behind the channels.
    values: [u16; 4],
    channels: usize,
}

impl Pixel {
    /// The `channels` numbers of a pixel.
    #[inline]
    pub(super) fn of(levels: &Levels, pixel: usize, channels: usize) -> Self {
        let mut values = [0; 4];
        for (channel, value) in values[..channels].iter_mut().enumerate() {
            *value = levels.get(pixel * channels + channel);
        }
        Self { values, channels }
    }
}

impl Deref for Pixel {
    type Target = [u16];
    #[inline]
    fn deref(&self) -> &[u16] {
        &self.values[..self.channels]
    }
}
