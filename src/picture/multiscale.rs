//! MS-SSIM: the structural similarity of two pictures at several scales.

use super::Picture;
use super::quality::{row_of, similarity};
use crate::error::{Result, invalid_shape};
use crate::memory::{Need, SMALLER};

/// The exponent of each scale. Wang, Simoncelli & Bovik 2003, section 3.2.
const EXPONENTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

/// The least width and height: the window of 11 pixels fits into the smallest scale.
const LEAST: usize = 11 << (EXPONENTS.len() - 1);

/// Structural similarity at five scales (MS-SSIM), 1 for equal pictures. Wang, Simoncelli & Bovik 2003, eq. 7.
///
/// Each scale has half the width and height of the one before, rounded up; a pixel is the mean of 2×2. At the first four
/// scales contrast and structure are compared, at the last luminance too. The similarities of the scales, 0 where
/// they are negative, are raised to 0.0448, 0.2856, 0.3001, 0.2363 and 0.1333 and multiplied. The result is the mean
/// over the channels. Windows, constants and the treatment of alpha are those of [`ssim`](crate::ssim).
///
/// ```
/// use impasto::{Picture, ms_ssim};
///
/// let ramp = |step: usize| {
///     let values = (0..200 * 176).map(|i| (i % 200 / step * step) as u16).collect();
///     Picture::new(200, 176, 1, 255, values)
/// };
/// assert_eq!(ms_ssim(&ramp(1)?, &ramp(1)?)?, 1.0);
/// assert!(ms_ssim(&ramp(1)?, &ramp(50)?)? < 0.9);
/// # Ok::<(), impasto::Error>(())
/// ```
///
/// # Errors
/// Pictures of different shapes, a side of less than 176 pixels, or too little memory.
pub fn ms_ssim(a: &Picture, b: &Picture) -> Result<f64> {
    a.check_same_shape(b)?;
    if a.width.min(a.height) < LEAST {
        return invalid_shape(format!(
            "a picture of {}×{} pixels: MS-SSIM needs at least {LEAST}×{LEAST}",
            a.width, a.height
        ));
    }
    // Of a channel two planes and their weights, and the next scale of each, a quarter as large.
    let mut need = Need::default();
    need.add(size_of::<f64>(), 4 * a.width * a.height, SMALLER);
    need.check("MS-SSIM")?;
    let sum: f64 = (0..a.channels).map(|channel| of_channel(a, b, channel)).sum();
    Ok(sum / a.channels as f64)
}

fn of_channel(a: &Picture, b: &Picture, channel: usize) -> f64 {
    let (mut width, mut height) = (a.width, a.height);
    // The weights are empty where all pixels count alike.
    let counts = row_of(a, b, channel, 0).map(|row| row.len() * height);
    let mut planes = counts.map(Vec::with_capacity);
    for row in 0..height {
        for (plane, row) in planes.iter_mut().zip(row_of(a, b, channel, row)) {
            plane.extend(row);
        }
    }
    let last = EXPONENTS.len() - 1;
    let mut product = 1.0;
    for (scale, exponent) in EXPONENTS.into_iter().enumerate() {
        if scale > 0 {
            for plane in planes.iter_mut().filter(|plane| !plane.is_empty()) {
                *plane = halved(plane, width, height);
            }
            (width, height) = (width.div_ceil(2), height.div_ceil(2));
        }
        let found = similarity(width, height, a.maximum(), |row| {
            planes.each_ref().map(|plane| plane.chunks(width).nth(row).unwrap_or_default().to_vec())
        });
        let similarity = if scale == last { found.whole } else { found.contrast };
        product *= similarity.max(0.0).powf(exponent);
    }
    product
}

/// The means of 2×2 pixels. At an odd edge the last pixels count twice.
fn halved(plane: &[f64], width: usize, height: usize) -> Vec<f64> {
    let mut halved = Vec::with_capacity(width.div_ceil(2) * height.div_ceil(2));
    for top in (0..height).step_by(2) {
        let bottom = (top + 1).min(height - 1);
        for left in (0..width).step_by(2) {
            let right = (left + 1).min(width - 1);
            let pixel = |row: usize, column: usize| plane[row * width + column];
            let sum =
                pixel(top, left) + pixel(top, right) + pixel(bottom, left) + pixel(bottom, right);
            halved.push(sum / 4.0);
        }
    }
    halved
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::quality::ssim;

    #[derive(serde::Deserialize)]
    struct Fixture {
        cases: Vec<Case>,
    }

    #[derive(serde::Deserialize)]
    struct Case {
        width: usize,
        height: usize,
        channels: usize,
        maximum: u16,
        noise: u64,
        ms_ssim: f64,
        /// Of the package pytorch-msssim, in single precision; for even sizes down to the last scale.
        pytorch_msssim: Option<f64>,
    }

    /// The picture of a fixture, as `tests/fixtures/make/pictures.py` draws it.
    fn drawn(case: &Case, noise: u64) -> Picture {
        let mut values = Vec::new();
        let mut state = 1_u64;
        for row in 0..case.height as u64 {
            for column in 0..case.width as u64 {
                for channel in 0..case.channels as u64 {
                    state = (state * 1_103_515_245 + 12_345) % (1 << 31);
                    let smooth = (column * (3 + channel) + row * 2) % 256;
                    let edge = if (column / 16 + row / 24).is_multiple_of(2) { 0 } else { 60 };
                    let value = (smooth * 3 / 4 + edge + (state >> 16) % (1 + noise)).min(255);
                    values.push((value * u64::from(case.maximum) / 255) as u16);
                }
            }
        }
        Picture::new(case.width, case.height, case.channels, case.maximum, values)
            .expect("a picture")
    }

    #[test]
    fn agrees_with_other_programs() {
        let text = include_str!("../../tests/fixtures/ms_ssim.json");
        let fixture: Fixture = serde_json::from_str(text).expect("the fixture");
        assert!(fixture.cases.len() >= 4);
        assert!(fixture.cases.iter().any(|case| case.pytorch_msssim.is_some()));
        for case in fixture.cases {
            let found = ms_ssim(&drawn(&case, 0), &drawn(&case, case.noise)).expect("same shape");
            assert!((found - case.ms_ssim).abs() < 1e-9, "{found} and {}", case.ms_ssim);
            if let Some(single) = case.pytorch_msssim {
                assert!((found - single).abs() < 1e-4, "{found} and {single}");
            }
        }
    }

    #[test]
    fn pictures_that_are_too_small_or_differ_in_shape_are_refused() {
        let picture = |width, height| {
            Picture::new(width, height, 1, 255, vec![7; width * height]).expect("a picture")
        };
        let error = ms_ssim(&picture(175, 300), &picture(175, 300)).expect_err("too small");
        assert!(error.to_string().contains("at least 176×176"), "{error}");
        assert!(ms_ssim(&picture(176, 180), &picture(180, 176)).is_err());
        assert_eq!(ms_ssim(&picture(176, 176), &picture(176, 176)).expect("large enough"), 1.0);
    }

    #[test]
    fn a_color_that_cannot_be_seen_does_not_count() {
        let picture = |hidden: u16, alpha: u16| {
            let pixel = |i: usize| {
                let value = (i * 37 % 256) as u16;
                if i % 200 < 100 { [value, 255] } else { [(value + hidden) % 256, alpha] }
            };
            let values = (0..200 * 200).flat_map(pixel).collect();
            Picture::new(200, 200, 2, 255, values).expect("a picture")
        };
        let of = |a: &Picture, b: &Picture| ms_ssim(a, b).expect("same shape");
        assert!((of(&picture(0, 0), &picture(99, 0)) - 1.0).abs() < 1e-12);
        assert!(of(&picture(0, 255), &picture(99, 255)) < 0.99);
        assert!(ssim(&picture(0, 0), &picture(99, 0)).expect("same shape") > 1.0 - 1e-12);
    }

    #[test]
    fn a_plane_is_halved_with_its_edges() {
        assert_eq!(halved(&[1.0, 2.0, 5.0, 3.0, 4.0, 7.0], 3, 2), [2.5, 6.0]);
        assert_eq!(halved(&[1.0, 2.0, 3.0], 1, 3), [1.5, 3.0]);
    }
}
