//! `Mask`: how much each pixel of a picture counts.

use super::Picture;
use super::quality::{Noise, Row, row_of, similarity};
use crate::error::{Result, invalid_data, invalid_shape};
use crate::memory::{self, SMALLER};
use std::sync::Arc;

/// How much each pixel of a picture counts, from 0 to 1.
///
/// A mask is made of a picture: white counts 1, black 0, and gray in between. A pixel that counts 0 is not learned, and
/// its error does not matter.
///
/// ```
/// use impasto::{Encoding, Mask, Picture, Subject};
///
/// // The left pixel counts, the right one does not, the one in the middle counts a fifth.
/// let mask = Mask::new(&Picture::new(3, 1, 1, 255, vec![255, 51, 0])?)?;
/// assert_eq!(mask.weights(), [1.0, 0.2, 0.0]);
///
/// let picture = Picture::new(3, 1, 1, 255, vec![10, 20, 30])?;
/// let subject = Subject::new(&picture, Encoding::Identity, false);
/// let dataset = subject.masked_dataset(&picture, &mask)?;
/// assert_eq!(dataset.weights(0..3), [1.0, 0.2, 0.0]);
///
/// // Only the last pixel differs.
/// let other = Picture::new(3, 1, 1, 255, vec![10, 20, 99])?;
/// assert_eq!(mask.psnr(&picture, &other)?, f64::INFINITY);
/// assert_eq!(mask.ssim(&picture, &other)?, 1.0);
/// assert_eq!(mask.pixel_accuracy(&picture, &other)?, 1.0);
/// # Ok::<(), impasto::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    width: usize,
    height: usize,
    /// Row by row, from 0 to 1. A clone and the samples of a picture share them.
    weights: Arc<Vec<f32>>,
}

impl Mask {
    /// The mask in a picture: of each pixel the mean of its colors in [0, 1], times its alpha.
    ///
    /// # Errors
    /// Every pixel is black or transparent, so that none counts, or too little memory.
    pub fn new(picture: &Picture) -> Result<Self> {
        let maximum = f64::from(picture.maximum());
        let colors = picture.channels - usize::from(picture.has_alpha());
        let weight = |pixel: &[u16]| {
            let sum: f64 = pixel[..colors].iter().map(|value| f64::from(*value)).sum();
            let alpha = pixel.get(colors).map_or(1.0, |alpha| f64::from(*alpha) / maximum);
            (sum / maximum / colors as f64 * alpha) as f32
        };
        let mut weights: Vec<f32> =
            memory::room(picture.width * picture.height, "a mask", SMALLER)?;
        weights.extend(picture.pixels().map(|pixel| weight(&pixel)));
        if weights.iter().all(|weight| *weight == 0.0) {
            return invalid_data("the mask is black everywhere, so no pixel counts");
        }
        Ok(Self { width: picture.width, height: picture.height, weights: Arc::new(weights) })
    }

    /// Pixels in a row, and rows.
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// How much each pixel counts, row by row, `[height, width]`.
    pub fn weights(&self) -> Vec<f64> {
        // To the digits that f32 has, so that a fifth is 0.2.
        self.weights.iter().map(|weight| (f64::from(*weight) * 1e7).round() / 1e7).collect()
    }

    /// The same numbers, to be shared.
    pub(super) fn shared(&self) -> &Arc<Vec<f32>> {
        &self.weights
    }

    /// How much each pixel of a row counts.
    pub(super) fn row(&self, row: usize) -> &[f32] {
        &self.weights[row * self.width..][..self.width]
    }

    /// An error unless this is a mask for `picture`.
    pub(super) fn check(&self, picture: &Picture) -> Result<()> {
        if (self.width, self.height) == (picture.width, picture.height) {
            return Ok(());
        }
        invalid_shape(format!(
            "the mask has {}×{} pixels and the picture {}×{}: they must have the same size",
            self.width, self.height, picture.width, picture.height
        ))
    }

    /// [`psnr`](crate::psnr) with pixels weighted by the mask, beside the weights of alpha.
    ///
    /// # Errors
    /// Pictures of different shapes, or of another size than the mask.
    pub fn psnr(&self, a: &Picture, b: &Picture) -> Result<f64> {
        self.check(a)?;
        a.check_same_shape(b)?;
        let (mut own, mut others, mut noise) = (Vec::new(), Vec::new(), Noise::new(a));
        for row in 0..a.height {
            a.read_row(row, &mut own);
            b.read_row(row, &mut others);
            noise.add(&own, &others, Some(self.row(row)));
        }
        Ok(noise.psnr())
    }

    /// [`ssim`](crate::ssim) with pixels weighted by the mask, as by alpha: what does not count is black in both
    /// pictures, and a window is weighted by its mean of the mask.
    ///
    /// # Errors
    /// Pictures of different shapes, or of another size than the mask.
    pub fn ssim(&self, a: &Picture, b: &Picture) -> Result<f64> {
        self.check(a)?;
        a.check_same_shape(b)?;
        let of = |channel: usize| {
            let row = |row: usize| self.masked(row_of(a, b, channel, row), row);
            similarity(a.width, a.height, a.maximum(), row).whole
        };
        Ok((0..a.channels).map(of).sum::<f64>() / a.channels as f64)
    }

    /// A row of two pictures, each pixel multiplied by its weight.
    pub(super) fn masked(&self, [x, y, alpha]: Row, row: usize) -> Row {
        let weights = self.row(row);
        let times = |numbers: Vec<f64>| -> Vec<f64> {
            numbers.into_iter().zip(weights).map(|(n, weight)| n * f64::from(*weight)).collect()
        };
        let alpha = if alpha.is_empty() { vec![1.0; self.width] } else { alpha };
        [times(x), times(y), times(alpha)]
    }

    /// [`pixel_accuracy`](crate::pixel_accuracy) with pixels weighted by the mask.
    ///
    /// # Errors
    /// Pictures of different shapes, or of another size than the mask.
    pub fn pixel_accuracy(&self, a: &Picture, b: &Picture) -> Result<f64> {
        self.check(a)?;
        a.check_same_shape(b)?;
        let (mut equal, mut all) = (0.0, 0.0);
        for ((a, b), weight) in a.pixels().zip(b.pixels()).zip(self.weights.iter()) {
            let weight = f64::from(*weight);
            equal += if a == b { weight } else { 0.0 };
            all += weight;
        }
        Ok(equal / all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pixel_accuracy, psnr, ssim};

    fn noise(width: usize, height: usize, channels: usize, seed: usize) -> Picture {
        let values = (0..width * height * channels).map(|i| ((i + seed) * 7919 % 251) as u16);
        Picture::new(width, height, channels, 255, values.collect()).expect("a picture")
    }

    fn mask(width: usize, height: usize, weight: impl Fn(usize) -> u16) -> Mask {
        let values = (0..width * height).map(weight).collect();
        Mask::new(&Picture::new(width, height, 1, 255, values).expect("a picture")).expect("a mask")
    }

    #[test]
    fn a_white_mask_changes_no_measure() {
        for channels in 1..=4 {
            let (a, b) = (noise(24, 18, channels, 0), noise(24, 18, channels, 3));
            let white = mask(24, 18, |_| 255);
            let pairs = [
                (white.psnr(&a, &b), psnr(&a, &b)),
                (white.ssim(&a, &b), ssim(&a, &b)),
                (white.pixel_accuracy(&a, &b), pixel_accuracy(&a, &b)),
            ];
            for (masked, plain) in pairs {
                let (masked, plain) = (masked.expect("same shape"), plain.expect("same shape"));
                assert!((masked - plain).abs() < 1e-9, "{channels}: {masked} and {plain}");
            }
        }
    }

    #[test]
    fn what_the_mask_hides_does_not_count_and_gray_counts_in_part() {
        let (width, height) = (32, 20);
        let left = |i: usize| i % width < 16;
        let half = mask(width, height, |i| if left(i) { 255 } else { 0 });
        for channels in 1..=4 {
            let (a, other) = (noise(width, height, channels, 0), noise(width, height, channels, 5));
            let values = a.pixels().zip(other.pixels()).enumerate();
            let values = values.flat_map(|(i, (a, b))| if left(i) { a } else { b }.to_vec());
            let b = Picture::new(width, height, channels, 255, values.collect()).expect("same");
            assert_eq!(half.psnr(&a, &b).expect("same shape"), f64::INFINITY);
            assert!((half.ssim(&a, &b).expect("same shape") - 1.0).abs() < 1e-12);
            assert_eq!(half.pixel_accuracy(&a, &b).expect("same shape"), 1.0);
            assert!(half.ssim(&b, &other).expect("same shape") < 0.9);
        }
        let gray = |values| Picture::new(2, 1, 1, 255, values).expect("a picture");
        let fifth = mask(2, 1, |i| [255, 51][i]);
        let found = fifth.psnr(&gray(vec![0, 0]), &gray(vec![0, 30])).expect("same shape");
        let mean: f64 = 0.2 * 900.0 / 1.2;
        assert!((found - 10.0 * (255.0_f64.powi(2) / mean).log10()).abs() < 1e-6, "{found}");
        let found = fifth.pixel_accuracy(&gray(vec![0, 0]), &gray(vec![0, 30]));
        assert!((found.expect("same shape") - 1.0 / 1.2).abs() < 1e-6);
    }

    #[test]
    fn colors_and_alpha_of_a_mask_become_one_number() {
        let picture = Picture::new(2, 1, 4, 255, vec![255, 0, 51, 255, 255, 255, 255, 51]);
        let weights = Mask::new(&picture.expect("a picture")).expect("a mask").weights();
        assert_eq!(weights, [0.4, 0.2]);
    }

    #[test]
    fn unfit_masks_are_refused() {
        let black = Mask::new(&Picture::new(2, 1, 1, 255, vec![0, 0]).expect("a picture"));
        let message = black.expect_err("black").to_string();
        assert_eq!(message, "the mask is black everywhere, so no pixel counts");
        let (a, mask) = (noise(3, 2, 1, 0), mask(2, 3, |_| 9));
        assert_eq!(mask.size(), (2, 3));
        let message = mask.psnr(&a, &a).expect_err("unfit").to_string();
        assert!(message.contains("the mask has 2×3 pixels and the picture 3×2"), "{message}");
        assert!(mask.ssim(&a, &a).is_err() && mask.pixel_accuracy(&a, &a).is_err());
    }
}
