//! Smaller copies of large pictures, whose pixels are the means of squares.

use super::Picture;
use crate::dataset::Levels;
use crate::error::{Result, invalid_setting};

/// A copy that is a whole number of times smaller, made row by row. A color counts as much as it is opaque.
#[derive(Debug)]
pub(super) struct Reduction {
    /// The size of what comes.
    width: usize,
    height: usize,
    channels: usize,
    factor: usize,
    /// Rows that came.
    rows: usize,
    /// Of the squares that the last rows are in: for each channel the sum, and the weights of the colors,
    /// `[small width, channels + 1]`.
    sums: Vec<f64>,
    levels: Levels,
}

impl Reduction {
    /// Of a picture of this kind and size. At the edges, squares are cut off.
    ///
    /// # Errors
    /// There is no memory for it.
    pub(super) fn new(
        (width, height): (usize, usize),
        channels: usize,
        maximum: u16,
        factor: usize,
    ) -> Result<Self> {
        // A larger one gives the same picture of one pixel.
        let factor = factor.min(width.max(height));
        let (wide, high) = (width.div_ceil(factor), height.div_ceil(factor));
        let levels = Levels::with_capacity(maximum, wide * high * channels)?;
        let sums = vec![0.0; wide * (channels + 1)];
        Ok(Self { width, height, channels, factor, rows: 0, sums, levels })
    }

    /// Takes the next row, `[width, channels]`.
    pub(super) fn add(&mut self, row: &[u16]) {
        let Self { channels, factor, .. } = *self;
        let has_alpha = channels.is_multiple_of(2);
        let colors = channels - usize::from(has_alpha);
        let squares = row.chunks(factor * channels).zip(self.sums.chunks_exact_mut(channels + 1));
        for (pixels, sums) in squares {
            for pixel in pixels.chunks_exact(channels) {
                let weight = if has_alpha { f64::from(pixel[colors]) } else { 1.0 };
                for (sum, color) in sums.iter_mut().zip(&pixel[..colors]) {
                    *sum += weight * f64::from(*color);
                }
                if has_alpha {
                    sums[colors] += weight;
                }
                sums[channels] += 1.0;
            }
        }
        self.rows += 1;
        if self.rows.is_multiple_of(factor) || self.rows == self.height {
            for sums in self.sums.chunks_exact_mut(channels + 1) {
                let weight = if has_alpha { sums[colors] } else { sums[channels] };
                let color = |sum: f64| if weight > 0.0 { sum / weight } else { 0.0 };
                let alpha = has_alpha.then(|| sums[colors] / sums[channels]);
                let means = sums[..colors].iter().map(|sum| color(*sum)).chain(alpha);
                self.levels.extend(means.map(|mean| mean.round() as u16));
                sums.fill(0.0);
            }
        }
    }

    /// The copy, after all rows.
    pub(super) fn finish(self) -> Result<Picture> {
        let (width, height) = (self.width.div_ceil(self.factor), self.height.div_ceil(self.factor));
        Picture::of_levels(width, height, self.channels, self.levels)
    }
}

impl Picture {
    /// A copy that is `factor` times smaller in both directions, rounded up. A pixel is the mean of a square,
    /// in which colors count as much as they are opaque.
    ///
    /// ```
    /// let picture = impasto::Picture::new(3, 1, 1, 255, vec![10, 20, 90])?;
    /// assert_eq!(*picture.reduced(2)?.values(), [15, 90]);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// A factor of 0, or too little memory.
    pub fn reduced(&self, factor: usize) -> Result<Self> {
        if factor == 0 {
            return invalid_setting(
                "a picture cannot be 0 times smaller: the factor is at least 1",
            );
        }
        let (size, kind) = ((self.width, self.height), (self.channels, self.maximum()));
        let mut reduction = Reduction::new(size, kind.0, kind.1, factor)?;
        let mut values = Vec::new();
        for row in 0..self.height {
            self.read_row(row, &mut values);
            reduction.add(&values);
        }
        reduction.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_means_of_squares_which_the_edges_cut_off() {
        let values = vec![10, 30, 7, 20, 40, 9, 1, 2, 100];
        let picture = Picture::new(3, 3, 1, 255, values).expect("3×3");
        let small = picture.reduced(2).expect("2×2");
        assert_eq!((small.width(), small.height()), (2, 2));
        assert_eq!(*small.values(), [25, 8, 2, 100]);
        assert!(picture.reduced(1).expect("the same") == picture);
        assert_eq!(*picture.reduced(9).expect("1×1").values(), [24]);
        assert!(picture.reduced(0).is_err());
    }

    #[test]
    fn colors_count_as_much_as_they_are_opaque() {
        let values = vec![60_000, 30_000, 0, 10_000, 500, 0, 700, 0];
        let picture = Picture::new(4, 1, 2, 65_535, values).expect("4×1");
        assert_eq!(*picture.reduced(2).expect("2×1").values(), [45_000, 20_000, 0, 0]);
    }
}
