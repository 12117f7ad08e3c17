//! `Picture`: image files, pixels, samples, paintings and comparison sheets.

mod color;
pub(crate) mod comparison;
mod decoded;
#[cfg(not(target_arch = "wasm32"))]
mod files;
mod finite;
mod hidden;
mod jpeg;
pub(crate) mod mask;
pub(crate) mod multiscale;
mod painting;
mod pixel;
mod png_end;
mod promise;
pub(crate) mod quality;
mod range;
mod read;
mod reduction;
#[cfg(feature = "safetensors")]
mod saved;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod stream;
pub(crate) mod subject;
mod tiff;
pub(crate) mod video;

use crate::dataset::{Dataset, Levels, Places};
use crate::error::{Error, Result, invalid_shape};
use crate::memory::{self, SMALLER};
use color::Meaning;
pub use pixel::Pixel;
use std::borrow::Cow;
use std::sync::Arc;

/// The most pixels a picture may have: 32,768 × 32,768, and 8,192 × 8,192 where addresses have 32 bits. Fuzzing has the
/// smaller limit too, since it counts memory that is reserved as memory that is used.
const MOST_PIXELS: u64 = if usize::BITS < 64 || cfg!(fuzzing) { 1 << 26 } else { 1 << 30 };

/// A picture of 1 to 4 channels (gray, gray and alpha, RGB, RGBA) and 8 or 16 bits each.
///
/// A channel takes one or two bytes. A clone shares the pixels, and so does a [dataset](Self::to_dataset).
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
    /// `[height, width, channels]`.
    levels: Arc<Levels>,
}

impl Picture {
    /// A picture from its values row by row, `[height, width, channels]`, each at most `maximum`, which is
    /// 255 or 65,535.
    ///
    /// # Errors
    /// No pixel, more than 2³⁰ (32,768 × 32,768; 2²⁶ where addresses have 32 bits), other than 1 to 4
    /// channels, another maximum, another number of values, a value above `maximum`, or too little memory.
    pub fn new(
        width: usize,
        height: usize,
        channels: usize,
        maximum: u16,
        values: Vec<u16>,
    ) -> Result<Self> {
        if maximum != 255 && maximum != 65_535 {
            return invalid_shape(format!("a largest value of {maximum}: it is 255 or 65535"));
        }
        if values.iter().any(|v| *v > maximum) {
            return invalid_shape(format!("a value above {maximum}, which is white"));
        }
        let levels = if maximum == 255 {
            let what = format_args!("{} values of a picture", values.len());
            let bytes = values.into_iter().map(|v| v as u8);
            Levels::Bytes(memory::collect(bytes, what, SMALLER)?)
        } else {
            Levels::Words(values)
        };
        Self::of_levels(width, height, channels, levels)
    }

    /// A picture of 8 bits from its values row by row, `[height, width, channels]`. They are not copied.
    ///
    /// ```
    /// let picture = impasto::Picture::from_bytes(2, 1, 1, vec![0, 255])?;
    /// assert_eq!((picture.maximum(), picture.bytes()), (255, Some(&[0, 255][..])));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_bytes(
        width: usize,
        height: usize,
        channels: usize,
        bytes: Vec<u8>,
    ) -> Result<Self> {
        Self::of_levels(width, height, channels, Levels::Bytes(bytes))
    }

    fn of_levels(width: usize, height: usize, channels: usize, levels: Levels) -> Result<Self> {
        Self::check_size(width, height)?;
        if !(1..=4).contains(&channels) {
            return invalid_shape(format!("a picture of {channels} channels: it has 1 to 4"));
        }
        if levels.len() != width * height * channels {
            return invalid_shape(format!(
                "{} values are no picture of {width}×{height} with {channels} channels",
                levels.len()
            ));
        }
        Ok(Self { width, height, channels, levels: Arc::new(levels) })
    }

    /// Whether a picture may have this size.
    ///
    /// # Errors
    /// No pixel, or more than 2³⁰ (32,768 × 32,768; 2²⁶ where addresses have 32 bits).
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
        self.levels.maximum()
    }

    /// The values row by row, `[height, width, channels]`. Those of 8 bits are copied, since they are stored as
    /// [`bytes`](Self::bytes).
    pub fn values(&self) -> Cow<'_, [u16]> {
        match &*self.levels {
            Levels::Bytes(bytes) => bytes.iter().map(|v| u16::from(*v)).collect(),
            Levels::Words(words) => Cow::Borrowed(words),
        }
    }

    /// The values row by row, `[height, width, channels]`, if they have 8 bits.
    pub fn bytes(&self) -> Option<&[u8]> {
        match &*self.levels {
            Levels::Bytes(bytes) => Some(bytes),
            Levels::Words(_) => None,
        }
    }

    /// The values of a row in place of those in `values`: `[width, channels]`.
    ///
    /// ```
    /// let picture = impasto::Picture::new(1, 2, 3, 255, vec![1, 2, 3, 4, 5, 6])?;
    /// let mut row = Vec::new();
    /// picture.read_row(1, &mut row);
    /// assert_eq!(row, [4, 5, 6]);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there is no such row, as indexing a slice does.
    pub fn read_row(&self, row: usize, values: &mut Vec<u16>) {
        let stride = self.width * self.channels;
        self.levels.copy(row * stride..(row + 1) * stride, values);
    }

    /// The pixels, row by row.
    pub fn pixels(&self) -> impl Iterator<Item = Pixel> {
        (0..self.width * self.height).map(|pixel| Pixel::of(&self.levels, pixel, self.channels))
    }

    /// A dataset of one sample for each pixel. The inputs are the place of the pixel
    /// ([`coordinates`](Self::coordinates)), and the targets are its channels in [0, 1]. The dataset shares the
    /// pixels of the picture.
    ///
    /// # Errors
    /// None for a picture; the type is that of [`Dataset::new`].
    pub fn to_dataset(&self, centered: bool) -> Result<Dataset> {
        self.to_dataset_at(Places::square(self.width, self.height, centered))
    }

    /// [`to_dataset`](Self::to_dataset) with pixels at these places.
    fn to_dataset_at(&self, places: Places) -> Result<Dataset> {
        Dataset::from_levels(places, Arc::clone(&self.levels), self.channels)
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
        if maximum != 255 && maximum != 65_535 {
            return invalid_shape(format!("a largest value of {maximum}: it is 255 or 65535"));
        }
        let mut levels = Levels::with_capacity(maximum, values.len())?;
        levels.extend(values.iter().map(|value| level(*value, maximum)));
        Self::of_levels(width, height, channels, levels)
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
        let note = meaning.to_srgb(Arc::make_mut(&mut self.levels), self.channels);
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
            (p.height, p.channels, p.maximum()) != (first.height, first.channels, first.maximum())
        }) {
            return invalid_shape(
                "pictures of different heights, channels or bits do not go side by side",
            );
        }
        let width = pictures.iter().map(|p| p.width).sum::<usize>() + gap * (pictures.len() - 1);
        if u32::try_from(width).is_err() {
            return invalid_shape(format!("a sheet {width} pixels wide: it can be 2³² − 1"));
        }
        let (height, channels, maximum) = (first.height, first.channels, first.maximum());
        let mut levels = Levels::with_capacity(maximum, width * height * channels)?;
        let mut values = Vec::new();
        for row in 0..height {
            for (position, picture) in pictures.iter().enumerate() {
                if position > 0 {
                    levels.extend(std::iter::repeat_n(maximum, gap * channels));
                }
                picture.read_row(row, &mut values);
                levels.extend(values.iter().copied());
            }
        }
        // Not `of_levels`: a sheet of large pictures has more pixels than one of them may have.
        Ok(Self { width, height, channels, levels: Arc::new(levels) })
    }

    /// `|self − other|·factor`, channel by channel, at most white. The difference of a color is multiplied by
    /// the alpha of `self`, and that of alpha is added to all colors if it is larger: what cannot be seen does
    /// not differ. The result is opaque.
    ///
    /// # Errors
    /// Pictures of different shapes.
    pub fn difference(&self, other: &Self, factor: u32) -> Result<Self> {
        self.check_same_shape(other)?;
        let mut levels = Levels::with_capacity(self.maximum(), self.levels.len())?;
        let (mut own, mut others, mut apart) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..self.height {
            self.read_row(row, &mut own);
            other.read_row(row, &mut others);
            self.difference_of(&own, &others, factor, &mut apart);
            levels.extend(apart.iter().copied());
        }
        Self::of_levels(self.width, self.height, self.channels, levels)
    }

    /// The [`difference`](Self::difference) of some pixels of this picture and of another, in place of the
    /// values in `apart`.
    fn difference_of(&self, own: &[u16], others: &[u16], factor: u32, apart: &mut Vec<u16>) {
        let (colors, maximum) =
            (self.channels - usize::from(self.has_alpha()), u32::from(self.maximum()));
        apart.clear();
        let pixels = own.chunks_exact(self.channels).zip(others.chunks_exact(self.channels));
        for (own, others) in pixels {
            let distance = |i: usize| u32::from(own[i].abs_diff(others[i]));
            let (alpha, least) = if self.has_alpha() {
                (u32::from(own[colors]), distance(colors))
            } else {
                (maximum, 0)
            };
            let value = |i: usize| {
                // Rounded to the nearest level.
                let visible = (distance(i) * alpha + maximum / 2) / maximum;
                visible.max(least).saturating_mul(factor).min(maximum) as u16
            };
            apart.extend((0..colors).map(value));
            if self.has_alpha() {
                apart.push(self.maximum());
            }
        }
    }

    fn check_same_shape(&self, other: &Self) -> Result<()> {
        let shape = |p: &Self| (p.width, p.height, p.channels, p.maximum());
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
            needed: pixels,
            limit: MOST_PIXELS,
            advice: format!("make it smaller, at most {MOST_PIXELS} pixels"),
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
        assert_eq!(*a.difference(&b, 1).expect("same shape").values(), [193, 255]);
        assert_eq!(*a.difference(&b, 4).expect("same shape").values(), [255, 255]);
        let hidden = |gray| Picture::new(1, 1, 2, 255, vec![gray, 0]).expect("1×1");
        assert_eq!(*hidden(0).difference(&hidden(9), 4).expect("same").values(), [0, 255]);
        assert_eq!(
            *Picture::beside(&[&a, &b], 1).expect("a sheet").values(),
            [10, 7, 255, 255, 90, 200]
        );
        let c = Picture::new(1, 1, 1, 255, vec![0]).expect("1×1");
        assert!(a.difference(&c, 1).is_err() && Picture::beside(&[&a, &c], 0).is_err());
        assert!(Picture::new(0, 1, 1, 255, vec![]).is_err());
    }

    #[test]
    fn unit_values_are_clamped_and_rounded() {
        let picture = Picture::from_unit(3, 1, 1, 255, &[-1.0, 0.5, 2.0]).expect("3×1");
        assert_eq!(*picture.values(), [0, 128, 255]);
    }
}
