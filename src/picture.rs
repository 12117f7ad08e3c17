//! `Picture`: image files, pixels, samples, paintings and comparison sheets.

mod color;
mod decoded;
#[cfg(not(target_arch = "wasm32"))]
mod files;
mod hidden;
mod jpeg;
pub(crate) mod mask;
pub(crate) mod multiscale;
mod painting;
mod png_end;
pub(crate) mod quality;
mod range;
mod read;
#[cfg(feature = "safetensors")]
mod saved;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod stream;
pub(crate) mod subject;
mod tiff;
pub(crate) mod video;

use crate::dataset::{Dataset, Places};
use crate::error::{Error, Result, invalid_shape};
use color::Meaning;

/// The most pixels a picture may have: 8,192 × 8,192.
const MOST_PIXELS: u64 = 1 << 26;

/// A picture of 1 to 4 channels (gray, gray and alpha, RGB, RGBA) and 8 or 16 bits each.
///
/// ```
/// use impasto::Picture;
///
/// // A red and a white pixel.
/// let picture = Picture::new(2, 1, 3, 255, vec![255, 0, 0, 255, 255, 255])?;
/// assert_eq!(picture.maximum(), 255);
/// let white = picture.pixels().filter(|pixel| pixel.iter().all(|value| *value == 255)).count();
/// assert_eq!((white, picture.values().len()), (1, 6));
/// # Ok::<(), impasto::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    channels: usize,
    maximum: u16,
    values: Vec<u16>,
}

impl Picture {
    /// A picture from its values row by row, `[height, width, channels]`, each at most `maximum`, which is
    /// 255 or 65,535.
    ///
    /// # Errors
    /// No pixel, more than 67 million (8,192 × 8,192), other than 1 to 4 channels, another maximum, another
    /// number of values, or a value above `maximum`.
    pub fn new(
        width: usize,
        height: usize,
        channels: usize,
        maximum: u16,
        values: Vec<u16>,
    ) -> Result<Self> {
        Self::check_size(width, height)?;
        if !(1..=4).contains(&channels) {
            return invalid_shape(format!("a picture of {channels} channels: it has 1 to 4"));
        }
        if maximum != 255 && maximum != 65_535 {
            return invalid_shape(format!("a largest value of {maximum}: it is 255 or 65535"));
        }
        if values.len() != width * height * channels || values.iter().any(|v| *v > maximum) {
            return invalid_shape(format!(
                "{} values are no picture of {width}×{height} with {channels} channels up to {maximum}",
                values.len()
            ));
        }
        Ok(Self { width, height, channels, maximum, values })
    }

    /// Whether a picture may have this size.
    ///
    /// # Errors
    /// No pixel, or more than 67 million (8,192 × 8,192).
    pub fn check_size(width: usize, height: usize) -> Result<()> {
        check_size("the picture", width as u64, height as u64)
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Numbers in a pixel, 1 to 4.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Whether the last channel is alpha.
    pub(crate) fn has_alpha(&self) -> bool {
        self.channels.is_multiple_of(2)
    }

    /// The value of white: 255 or 65,535.
    pub fn maximum(&self) -> u16 {
        self.maximum
    }

    /// The values row by row, `[height, width, channels]`.
    pub fn values(&self) -> &[u16] {
        &self.values
    }

    /// The pixels, row by row.
    pub fn pixels(&self) -> impl Iterator<Item = &[u16]> {
        self.values.chunks_exact(self.channels)
    }

    /// A dataset of one sample for each pixel. The inputs are the place of the pixel
    /// ([`coordinates`](Self::coordinates)), and the targets are its channels in [0, 1]. With 8 bits a
    /// channel, the dataset takes 4 bytes a pixel.
    ///
    /// # Errors
    /// None for a picture; the type is that of [`Dataset::new`].
    pub fn to_dataset(&self, centered: bool) -> Result<Dataset> {
        self.to_dataset_at(Places::square(self.width, self.height, centered))
    }

    /// [`to_dataset`](Self::to_dataset) with pixels at these places.
    fn to_dataset_at(&self, places: Places) -> Result<Dataset> {
        if self.maximum == 255 {
            // `new` saw to it that no value is above the maximum.
            let bytes = self.values.iter().map(|v| *v as u8);
            return Dataset::from_pixels_at(places, bytes, self.channels);
        }
        let maximum = f32::from(self.maximum);
        let targets = self.values.iter().map(|v| f32::from(*v) / maximum).collect();
        let inputs = (0..self.width * self.height)
            .flat_map(|pixel| places.at(pixel))
            .map(|c| c as f32)
            .collect();
        Dataset::new(inputs, targets, 2, self.channels)
    }

    /// The center of a pixel, x to the right and y down, with one scale for both axes. The longer axis spans
    /// [0, 1], or [-1, 1] if `centered` (for a network without an encoding). The shorter one begins at 0 too,
    /// or has its middle there.
    pub fn coordinates(pixel: usize, width: usize, height: usize, centered: bool) -> [f64; 2] {
        Places::square(width, height, centered).at(pixel)
    }

    /// The picture with the channels `values`, `[height, width, channels]`, in [0, 1]. Values outside are
    /// clamped.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_unit(
        width: usize,
        height: usize,
        channels: usize,
        maximum: u16,
        values: &[f64],
    ) -> Result<Self> {
        let values = values.iter().map(|value| level(*value, maximum)).collect();
        Self::new(width, height, channels, maximum, values)
    }

    /// The same picture in sRGB, if its values are those of this ICC profile, and what there is to say about it. For
    /// pictures that another library decoded; [`load`](Self::load) converts by itself.
    ///
    /// ```
    /// let gray = impasto::Picture::new(1, 1, 1, 255, vec![128])?;
    /// let (same, note) = gray.clone().converted_to_srgb(b"no profile");
    /// assert_eq!(same, gray);
    /// assert!(note.is_some_and(|note| note.contains("unconverted")));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    #[must_use]
    pub fn converted_to_srgb(mut self, profile: &[u8]) -> (Self, Option<String>) {
        let meaning = Meaning::of_profile(profile);
        let note = meaning.to_srgb(&mut self.values, self.channels, self.maximum);
        (self, note)
    }

    /// Pictures of the same height, channels and bits side by side, with a white gap of
    /// `gap` pixels between them.
    ///
    /// # Errors
    /// No picture, pictures that do not match, or a sheet wider than 2³² − 1 pixels.
    pub fn beside(pictures: &[&Self], gap: usize) -> Result<Self> {
        let Some(first) = pictures.first() else {
            return invalid_shape("no picture to set side by side");
        };
        if pictures.iter().any(|p| {
            (p.height, p.channels, p.maximum) != (first.height, first.channels, first.maximum)
        }) {
            return invalid_shape(
                "pictures of different heights, channels or bits do not go side by side",
            );
        }
        let width = pictures.iter().map(|p| p.width).sum::<usize>() + gap * (pictures.len() - 1);
        if u32::try_from(width).is_err() {
            return invalid_shape(format!("a sheet {width} pixels wide: it can be 2³² − 1"));
        }
        let mut values = Vec::with_capacity(width * first.height * first.channels);
        for row in 0..first.height {
            for (position, picture) in pictures.iter().enumerate() {
                if position > 0 {
                    values.extend(std::iter::repeat_n(first.maximum, gap * first.channels));
                }
                let stride = picture.width * picture.channels;
                values.extend_from_slice(&picture.values[row * stride..][..stride]);
            }
        }
        // Not `new`: a sheet of large pictures has more pixels than one of them may have.
        let (height, channels, maximum) = (first.height, first.channels, first.maximum);
        Ok(Self { width, height, channels, maximum, values })
    }

    /// `|self − other|·factor`, channel by channel, at most white. The difference of a color is multiplied by
    /// the alpha of `self`, and that of alpha is added to all colors if it is larger: what cannot be seen does
    /// not differ. The result is opaque.
    ///
    /// # Errors
    /// Pictures of different shapes.
    pub fn difference(&self, other: &Self, factor: u32) -> Result<Self> {
        self.check_same_shape(other)?;
        let (colors, maximum) =
            (self.channels - usize::from(self.has_alpha()), u32::from(self.maximum));
        let mut values = Vec::with_capacity(self.values.len());
        for (own, others) in self.pixels().zip(other.pixels()) {
            let apart = |i: usize| u32::from(own[i].abs_diff(others[i]));
            let (alpha, least) = if self.has_alpha() {
                (u32::from(own[colors]), apart(colors))
            } else {
                (maximum, 0)
            };
            let value = |i: usize| {
                // Rounded to the nearest level.
                let visible = (apart(i) * alpha + maximum / 2) / maximum;
                visible.max(least).saturating_mul(factor).min(maximum) as u16
            };
            values.extend((0..colors).map(value));
            if self.has_alpha() {
                values.push(self.maximum);
            }
        }
        Self::new(self.width, self.height, self.channels, self.maximum, values)
    }

    fn check_same_shape(&self, other: &Self) -> Result<()> {
        let shape = |p: &Self| (p.width, p.height, p.channels, p.maximum);
        if shape(self) == shape(other) {
            Ok(())
        } else {
            invalid_shape(format!(
                "pictures of {}×{} and {}×{} pixels, {} and {} channels, cannot be compared",
                self.width, self.height, other.width, other.height, self.channels, other.channels
            ))
        }
    }
}

/// The level of a number in [0, 1], to which others are clamped.
fn level(value: f64, maximum: u16) -> u16 {
    (value.clamp(0.0, 1.0) * f64::from(maximum)).round() as u16
}

/// An error unless `what` has at least one pixel and not too many.
fn check_size(what: &str, width: u64, height: u64) -> Result<()> {
    let pixels = width.saturating_mul(height);
    if pixels == 0 {
        return invalid_shape(format!("{what} is {width}×{height}: it needs at least 1 pixel"));
    }
    if pixels > MOST_PIXELS {
        return Err(Error::TooLarge {
            what: format!("{what} of {width}×{height} pixels"),
            needed: pixels.saturating_mul(4),
            limit: MOST_PIXELS * 4,
            advice: "make it smaller, at most 67 million pixels".into(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_pixel_centers() {
        assert_eq!(Picture::coordinates(0, 2, 1, false), [0.25, 0.25]);
        assert_eq!(Picture::coordinates(3, 2, 2, true), [0.5, 0.5]);
    }

    #[test]
    fn pixels_are_square_in_pictures_of_any_shape() {
        for (width, height) in [(512, 32), (32, 512), (7, 5), (100, 100)] {
            for centered in [false, true] {
                let at = |pixel| Picture::coordinates(pixel, width, height, centered);
                let ([x, y], [right, _], [_, below]) = (at(0), at(1), at(width));
                assert!(((right - x) - (below - y)).abs() < 1e-12, "{width}×{height}");
                let last = at(width * height - 1);
                let longest = usize::from(width <= height);
                let sum = at(0)[longest] + last[longest];
                assert!((sum - if centered { 0.0 } else { 1.0 }).abs() < 1e-12);
                // Of 8 bits, computed from the numbers of the pixels, and of 16, in rows.
                for maximum in [255, 65_535] {
                    let picture = Picture::new(width, height, 1, maximum, vec![0; width * height]);
                    let dataset = picture.expect("a picture").to_dataset(centered);
                    let (rows, _) = dataset.expect("samples").rows(0..width * height);
                    for (pixel, row) in rows.chunks(2).enumerate() {
                        let place = at(pixel);
                        for (found, expected) in row.iter().zip(place) {
                            assert!((f64::from(*found) - expected).abs() < 1e-6);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_square_picture_has_the_places_that_it_always_had() {
        assert_eq!(Picture::coordinates(5, 4, 4, true), [-0.25, -0.25]);
        assert_eq!(Places::square(100, 100, true), Places::stretched(100, 100, true));
        assert_eq!(Places::stretched(4, 2, true).at(5), [-0.25, 0.5]);
    }

    #[test]
    fn sheets_and_differences() {
        let a = Picture::new(1, 1, 2, 255, vec![10, 7]).expect("1×1");
        let b = Picture::new(1, 1, 2, 255, vec![90, 200]).expect("1×1");
        // The alpha differs by 193, and of the color little can be seen.
        assert_eq!(a.difference(&b, 1).expect("same shape").values(), [193, 255]);
        assert_eq!(a.difference(&b, 4).expect("same shape").values(), [255, 255]);
        let hidden = |gray| Picture::new(1, 1, 2, 255, vec![gray, 0]).expect("1×1");
        assert_eq!(hidden(0).difference(&hidden(9), 4).expect("same").values(), [0, 255]);
        assert_eq!(
            Picture::beside(&[&a, &b], 1).expect("a sheet").values(),
            [10, 7, 255, 255, 90, 200]
        );
        let c = Picture::new(1, 1, 1, 255, vec![0]).expect("1×1");
        assert!(a.difference(&c, 1).is_err() && Picture::beside(&[&a, &c], 0).is_err());
        assert!(Picture::new(0, 1, 1, 255, vec![]).is_err());
    }

    #[test]
    fn unit_values_are_clamped_and_rounded() {
        let picture = Picture::from_unit(3, 1, 1, 255, &[-1.0, 0.5, 2.0]).expect("3×1");
        assert_eq!(picture.values(), [0, 128, 255]);
    }
}
