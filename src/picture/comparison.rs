//! `Comparison`: a painting compared with a picture while it is painted.

use super::Picture;
use super::mask::Mask;
use super::quality::{Noise, Windows, channel_of};
use super::reduction::Reduction;
use crate::error::{Result, invalid_setting, invalid_shape};

/// The widest picture whose SSIM is computed: it keeps 11 rows of six numbers of 8 bytes for each channel.
const WIDEST: usize = 1 << 17;

/// Compares a painting with a picture of the same size, a few rows at a time, so that the painting need not be
/// in memory. It computes [`psnr`](crate::psnr) and [`ssim`](crate::ssim), and on request a sheet of smaller
/// copies.
///
/// ```
/// use impasto::{Comparison, Picture, psnr};
///
/// let picture = Picture::new(2, 2, 1, 255, vec![10, 20, 30, 40])?;
/// let painting = Picture::new(2, 2, 1, 255, vec![11, 19, 30, 44])?;
/// let mut comparison = Comparison::new(&picture, Some(2))?;
/// comparison.add(&[11, 19])?;
/// comparison.add(&[30, 44])?;
/// assert_eq!(comparison.psnr(), psnr(&picture, &painting)?);
/// // The picture, the painting and their difference.
/// let [before, after, difference] = comparison.into_sheet()?.ok_or("it was asked for")?;
/// assert_eq!((before.values()[0], after.values()[0], difference.values()[0]), (25, 26, 6));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Comparison<'a> {
    picture: &'a Picture,
    mask: Option<&'a Mask>,
    /// Rows that came.
    rows: usize,
    noise: Noise,
    /// Of each channel, unless rows are too long.
    windows: Vec<Windows>,
    sheet: Option<[Reduction; 3]>,
    least: Vec<u16>,
    most: Vec<u16>,
    row: Vec<u16>,
    apart: Vec<u16>,
}

impl<'a> Comparison<'a> {
    /// With this picture. `sheet` is how many times smaller the copies of a sheet are, if there is to be one.
    ///
    /// # Errors
    /// Copies that are 0 times smaller, or too little memory for them.
    pub fn new(picture: &'a Picture, sheet: Option<usize>) -> Result<Self> {
        let (width, height, channels) = (picture.width, picture.height, picture.channels);
        let maximum = picture.maximum();
        let sheet = match sheet {
            Some(0) => return invalid_setting("a sheet cannot be 0 times smaller: 1 is the least"),
            Some(factor) => {
                let copy = || Reduction::new((width, height), channels, maximum, factor);
                Some([copy()?, copy()?, copy()?])
            }
            None => None,
        };
        let compared = if width > WIDEST { 0 } else { channels };
        Ok(Self {
            picture,
            mask: None,
            rows: 0,
            noise: Noise::new(picture),
            windows: (0..compared).map(|_| Windows::new(width, height, maximum)).collect(),
            sheet,
            least: vec![u16::MAX; channels],
            most: vec![0; channels],
            row: Vec::new(),
            apart: Vec::new(),
        })
    }

    /// The same comparison with pixels weighted by a mask, as in [`Mask::psnr`] and [`Mask::ssim`]. Call it before
    /// [`add`](Self::add).
    ///
    /// ```
    /// use impasto::{Comparison, Mask, Picture};
    ///
    /// let picture = Picture::new(2, 1, 1, 255, vec![10, 20])?;
    /// let mask = Mask::new(&Picture::new(2, 1, 1, 255, vec![255, 0])?)?;
    /// let mut comparison = Comparison::new(&picture, None)?.with_mask(&mask)?;
    /// comparison.add(&[10, 99])?;
    /// assert_eq!(comparison.psnr(), f64::INFINITY);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// A mask of another size than the picture, or a call after [`add`](Self::add).
    pub fn with_mask(self, mask: &'a Mask) -> Result<Self> {
        mask.check(self.picture)?;
        if self.rows > 0 {
            return invalid_setting(
                "a mask after the first row of a painting: call with_mask before add",
            );
        }
        Ok(Self { mask: Some(mask), ..self })
    }

    /// Takes the next rows of the painting, `[rows, width, channels]`.
    ///
    /// # Errors
    /// No whole rows, or more of them than the picture has.
    pub fn add(&mut self, painted: &[u16]) -> Result<()> {
        let picture = self.picture;
        let stride = picture.width * picture.channels;
        let rows = painted.len() / stride;
        if !painted.len().is_multiple_of(stride) || rows > picture.height - self.rows {
            return invalid_shape(format!(
                "{} values after {} rows are no rows of a painting of {}×{} pixels",
                painted.len(),
                self.rows,
                picture.width,
                picture.height
            ));
        }
        for painted in painted.chunks_exact(stride) {
            picture.read_row(self.rows, &mut self.row);
            let (number, mask) = (self.rows, self.mask);
            self.noise.add(&self.row, painted, mask.map(|mask| mask.row(number)));
            for (channel, windows) in self.windows.iter_mut().enumerate() {
                let row = channel_of(picture, &self.row, painted, channel);
                windows.add(&match mask {
                    Some(mask) => mask.masked(row, number),
                    None => row,
                });
            }
            if let Some([before, after, difference]) = &mut self.sheet {
                picture.difference_of(&self.row, painted, 4, &mut self.apart);
                before.add(&self.row);
                after.add(painted);
                difference.add(&self.apart);
            }
            for pixel in painted.chunks_exact(picture.channels) {
                for (channel, value) in pixel.iter().enumerate() {
                    self.least[channel] = self.least[channel].min(*value);
                    self.most[channel] = self.most[channel].max(*value);
                }
            }
            self.rows += 1;
        }
        Ok(())
    }

    /// The [`psnr`](crate::psnr) of the rows that came, in dB; infinite before the first pixel that counts.
    pub fn psnr(&self) -> f64 {
        self.noise.psnr()
    }

    /// The [`ssim`](crate::ssim), after all rows; nothing for pictures of more than 131,072 columns.
    pub fn ssim(&self) -> Option<f64> {
        let channels = self.picture.channels;
        let similarities = self.windows.iter().map(|windows| windows.similarity().whole);
        (self.windows.len() == channels).then(|| similarities.sum::<f64>() / channels as f64)
    }

    /// The largest difference between two values of a channel of the painting.
    pub fn contrast(&self) -> u16 {
        let ranges = self.least.iter().zip(&self.most);
        ranges.map(|(least, most)| most.saturating_sub(*least)).max().unwrap_or(0)
    }

    /// Smaller copies of the picture, of the painting and of their [difference](Picture::difference) times 4,
    /// after all rows, if they were asked for.
    ///
    /// # Errors
    /// Rows are missing.
    pub fn into_sheet(self) -> Result<Option<[Picture; 3]>> {
        let Some([before, after, difference]) = self.sheet else { return Ok(None) };
        Ok(Some([before.finish()?, after.finish()?, difference.finish()?]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::quality::{psnr, ssim};

    #[test]
    fn rows_give_the_bits_of_whole_pictures() {
        for (channels, maximum) in (1..=4).flat_map(|c| [(c, 255), (c, 65_535)]) {
            let picture = |seed: usize| {
                let value = |i: usize| ((i + seed) * 7919 % 251) as u16 * (maximum / 255);
                let values = (0..37 * 23 * channels).map(value).collect();
                Picture::new(37, 23, channels, maximum, values).expect("a picture")
            };
            let (before, after) = (picture(0), picture(5));
            let mut comparison = Comparison::new(&before, Some(1)).expect("memory");
            let values = after.values();
            let (first, rest) = values.split_at(7 * 37 * channels);
            comparison.add(first).expect("7 rows");
            comparison.add(rest).expect("16 rows");
            assert!(comparison.add(&values[..37 * channels]).is_err());
            let weights = (0..37 * 23).map(|i| (i % 256) as u8).collect();
            let mask = Picture::from_bytes(37, 23, 1, weights).expect("a picture");
            let mask = Mask::new(&mask).expect("a mask");
            let masked = Comparison::new(&before, None).expect("memory").with_mask(&mask);
            let mut masked = masked.expect("the same size");
            masked.add(&values).expect("all rows");
            assert_eq!(masked.psnr(), mask.psnr(&before, &after).expect("same shape"));
            assert_eq!(masked.ssim(), Some(mask.ssim(&before, &after).expect("same shape")));
            assert_eq!(comparison.psnr(), psnr(&before, &after).expect("same shape"));
            assert_eq!(comparison.ssim(), Some(ssim(&before, &after).expect("same shape")));
            assert_eq!(comparison.contrast(), 250 * (maximum / 255));
            let sheet = comparison.into_sheet().expect("all rows").expect("a sheet");
            let difference = before.difference(&after, 4).expect("same shape");
            if before.has_alpha() {
                // A color that cannot be seen is none.
                assert!(sheet[2] == difference);
            } else {
                assert!(sheet == [before.clone(), after.clone(), difference]);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let picture = Picture::new(3, 2, 1, 255, vec![0; 6]).expect("3×2");
        assert!(Comparison::new(&picture, Some(0)).is_err());
        let mut comparison = Comparison::new(&picture, Some(2)).expect("memory");
        assert!(comparison.add(&[0; 4]).is_err());
        comparison.add(&[0; 3]).expect("a row");
        let mask = |size: usize| Mask::new(&Picture::from_bytes(size, 2, 1, vec![9; 2 * size])?);
        let (mask, other) = (mask(3).expect("a mask"), mask(2).expect("a mask"));
        assert!(Comparison::new(&picture, None).expect("memory").with_mask(&other).is_err());
        assert!(comparison.with_mask(&mask).is_err());
        let mut comparison = Comparison::new(&picture, Some(2)).expect("memory");
        comparison.add(&[0; 3]).expect("a row");
        assert!(comparison.into_sheet().is_err());
        let wide = Picture::new(WIDEST + 1, 1, 1, 255, vec![0; WIDEST + 1]).expect("a line");
        assert_eq!(Comparison::new(&wide, None).expect("memory").ssim(), None);
    }
}
