//! Smaller copies of a picture, which take less time to learn.

use super::options::Options;
use super::values::Size;
use image::imageops::{FilterType, resize};
use image::{ImageBuffer, Rgba};
use impasto::{Error, Picture, Result};

/// Pixels of a picture that is filtered as it is.
const MOST_FILTERED: usize = 1 << 24;

/// The copy that the options ask for; nothing if that is the picture itself.
pub fn copy(picture: &Picture, options: &Options) -> Result<Option<Picture>> {
    let (width, height) = (picture.width(), picture.height());
    let size = match (options.resize, options.max_pixels) {
        (Some(Size { width: w, height: h }), _) if w > width || h > height => {
            return Err(Error::Setting(format!(
                "--resize {w}x{h} would enlarge the picture, which has {width}×{height} pixels: choose a smaller size"
            )));
        }
        (Some(size), _) => size,
        (None, Some(0)) => {
            return Err(Error::Setting(
                "--max-pixels 0 leaves nothing to learn: allow at least 1".into(),
            ));
        }
        (None, Some(most)) => within(width, height, most),
        (None, None) => return Ok(None),
    };
    if (size.width, size.height) == (width, height) {
        return Ok(None);
    }
    // The filter takes 16 bytes a pixel. Of a large picture it is given the means of squares.
    let across = picture.width() / size.width;
    let factor = across.min(picture.height() / size.height) / 2;
    if width * height > MOST_FILTERED && factor > 1 {
        return shrink(&picture.reduced(factor)?, size).map(Some);
    }
    shrink(picture, size).map(Some)
}

/// The largest size of the same shape with at most so many pixels.
fn within(width: usize, height: usize, most: usize) -> Size {
    if width * height <= most {
        return Size { width, height };
    }
    let scale = (most as f64 / (width * height) as f64).sqrt();
    let side = |pixels: usize| ((pixels as f64 * scale) as usize).max(1);
    let (w, h) = (side(width), side(height));
    // A side of 1 may have been rounded up.
    Size { width: w.min((most / h).max(1)), height: h.min((most / w).max(1)) }
}

/// A copy of that size, by cubic convolution. Colors count as much as they are opaque.
fn shrink(picture: &Picture, Size { width, height }: Size) -> Result<Picture> {
    let (channels, maximum) = (picture.channels(), f32::from(picture.maximum()));
    let has_alpha = channels.is_multiple_of(2);
    let colors = channels - usize::from(has_alpha);
    let mut values = Vec::with_capacity(4 * picture.width() * picture.height());
    for pixel in picture.pixels() {
        let alpha = if has_alpha { f32::from(pixel[colors]) / maximum } else { 1.0 };
        let mut padded = [0.0, 0.0, 0.0, alpha];
        for (color, value) in padded.iter_mut().zip(&pixel[..colors]) {
            *color = f32::from(*value) / maximum * alpha;
        }
        values.extend(padded);
    }
    let (from, to) = ((picture.width(), picture.height()), (width as u32, height as u32));
    let image = ImageBuffer::<Rgba<f32>, _>::from_raw(from.0 as u32, from.1 as u32, values);
    // The buffer has the size of the picture.
    let small = resize(&image.unwrap_or_default(), to.0, to.1, FilterType::CatmullRom);
    let mut values = Vec::with_capacity(channels * width * height);
    for Rgba([r, g, b, alpha]) in small.pixels().copied() {
        let opaque = if has_alpha { alpha.max(f32::MIN_POSITIVE) } else { 1.0 };
        let padded = [r, g, b].map(|color| f64::from(color / opaque));
        values.extend(&padded[..colors]);
        values.extend(has_alpha.then_some(f64::from(alpha)));
    }
    // Clamps what the filter overshoots.
    Picture::from_unit(width, height, channels, picture.maximum(), &values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_keeps_the_shape_and_has_no_more_pixels() {
        for (width, height, most, expected) in [
            (4000, 3000, 1_000_000, (1154, 866)),
            (100, 100, 10_000, (100, 100)),
            (100, 100, 9_999, (99, 99)),
            (10_000, 1, 100, (100, 1)),
            (3, 7, 1, (1, 1)),
        ] {
            let size = within(width, height, most);
            assert_eq!((size.width, size.height), expected, "{width}×{height}");
            assert!(size.width * size.height <= most);
        }
    }

    #[test]
    fn colors_behind_nothing_do_not_show() {
        // Opaque black beside transparent white.
        let values = [[0, 255], [255, 0], [0, 255], [255, 0]].concat();
        let picture = Picture::new(4, 1, 2, 255, values).expect("4×1");
        let small = shrink(&picture, Size { width: 1, height: 1 }).expect("1×1");
        let [gray, alpha] = [small.values()[0], small.values()[1]];
        assert!(gray < 3 && (120..136).contains(&alpha), "{gray} {alpha}");
    }
}
