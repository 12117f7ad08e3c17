//! `cargo xtask logo`: draws `logo.jpg`, the picture that the first example learns.
//!
//! A dab of thick paint: its peak curls over where the brush left it, and a palette knife has
//! drawn one furrow through it, from the left edge to a point on the right. Two flat colors,
//! 100×100 pixels; curves and sharp points, since a network finds the first easy and the second
//! hard.

use std::path::PathBuf;

use anyhow::{Context, Result};
use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};

use crate::outline::{Outline, is_inside};
use crate::workspace::root;

const SIDE: u32 = 100;

/// Vermilion. The sum of the channels, 286, is far below the 600 that parts paint from ground.
const PAINT: [u8; 3] = [200, 52, 34];

/// Primed canvas. The sum of the channels, 732, is far above 600.
const GROUND: [u8; 3] = [250, 246, 236];

/// Samples along each side of a pixel; the share that hits paint blends the edge.
const SAMPLES: u32 = 8;

/// High enough that the ripples of JPEG stay within a few levels of the two flat colors.
const JPEG_QUALITY: u8 = 98;

/// Draws the picture and writes it to `output`, or to `logo.jpg` in the root of the repository.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write(output: Option<PathBuf>) -> Result<()> {
    let path = output.unwrap_or_else(|| root().join("logo.jpg"));
    std::fs::write(&path, encode(&draw())?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("Drew {}", path.display());
    Ok(())
}

fn encode(picture: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)
        .encode_image(picture)
        .context("cannot encode the picture as JPEG")?;
    Ok(bytes)
}

fn draw() -> RgbImage {
    let dab = dab();
    let furrow = furrow();
    let mut hits = vec![0_u32; (SIDE * SIDE) as usize];
    for row in 0..SIDE * SAMPLES {
        let y = sample_center(row);
        let dab = dab.crossings(y);
        let furrow = furrow.crossings(y);
        for column in 0..SIDE * SAMPLES {
            let x = sample_center(column);
            if is_inside(x, &dab) && !is_inside(x, &furrow) {
                hits[(row / SAMPLES * SIDE + column / SAMPLES) as usize] += 1;
            }
        }
    }
    RgbImage::from_fn(SIDE, SIDE, |x, y| blend(hits[(y * SIDE + x) as usize]))
}

fn sample_center(index: u32) -> f64 {
    (f64::from(index) + 0.5) / f64::from(SAMPLES)
}

/// The color of a pixel of which `hits` samples are paint.
fn blend(hits: u32) -> Rgb<u8> {
    let all = SAMPLES * SAMPLES;
    let mix = |paint: u8, ground: u8| {
        let sum = hits * u32::from(paint) + (all - hits) * u32::from(ground);
        // The mean of two bytes is a byte.
        ((sum + all / 2) / all) as u8
    };
    Rgb(std::array::from_fn(|channel| mix(PAINT[channel], GROUND[channel])))
}

/// The paint: from the tip of the peak down its back, around the foot, and up into the hollow.
fn dab() -> Outline {
    Outline::new(
        (86.0, 21.0),
        &[
            [(73.0, 5.0), (51.0, 7.0), (39.0, 23.0)],
            [(28.0, 37.7), (9.0, 44.0), (9.0, 65.0)],
            [(9.0, 83.0), (28.0, 91.0), (50.0, 91.0)],
            [(73.0, 91.0), (92.0, 83.0), (92.0, 65.0)],
            [(92.0, 51.0), (81.0, 45.5), (70.5, 38.5)],
            [(60.0, 31.5), (66.0, 18.0), (86.0, 21.0)],
        ],
    )
}

/// What the knife took away: from beyond the left edge to a point on the right, and back below.
fn furrow() -> Outline {
    Outline::new(
        (0.0, 55.0),
        &[
            [(16.0, 72.0), (40.0, 72.0), (56.0, 65.0)],
            [(66.0, 60.5), (70.0, 55.0), (69.0, 47.0)],
            [(77.0, 56.0), (75.0, 67.0), (63.0, 74.5)],
            [(44.0, 86.0), (16.0, 83.0), (0.0, 65.0)],
            [(0.0, 61.0), (0.0, 59.0), (0.0, 55.0)],
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> RgbImage {
        image::load_from_memory(bytes).unwrap().to_rgb8()
    }

    fn largest_difference(a: &RgbImage, b: &RgbImage) -> u8 {
        assert_eq!(a.dimensions(), b.dimensions());
        let pairs = a.as_raw().iter().zip(b.as_raw());
        pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap()
    }

    fn is_paint(pixel: Rgb<u8>) -> bool {
        pixel.0.iter().map(|&channel| u32::from(channel)).sum::<u32>() <= 600
    }

    /// Pixels that no edge runs through must differ by a wide margin, and be flat.
    #[test]
    fn brightness_parts_paint_from_ground_after_jpeg() {
        let drawn = draw();
        let stored = decode(&encode(&drawn).unwrap());
        let mut flat = 0;
        for (before, after) in drawn.pixels().zip(stored.pixels()) {
            if before.0 == PAINT || before.0 == GROUND {
                flat += 1;
                assert_eq!(is_paint(*after), before.0 == PAINT);
                let off = before.0.iter().zip(after.0).map(|(a, b)| a.abs_diff(b));
                assert!(off.max().unwrap() <= 12, "{before:?} became {after:?}");
            }
        }
        assert!(flat > 9_000, "{flat}");
    }

    #[test]
    fn paint_covers_a_quarter_to_not_quite_half() {
        let drawn = draw();
        let paint = drawn.pixels().filter(|pixel| is_paint(**pixel)).count();
        assert!((2_500..4_500).contains(&paint), "{paint}");
    }

    #[test]
    fn the_committed_file_is_this_drawing() {
        let committed = std::fs::read(root().join("logo.jpg")).unwrap();
        let difference = largest_difference(&decode(&committed), &draw());
        assert!(
            difference <= 16,
            "logo.jpg differs by {difference} levels: run `cargo xtask logo`"
        );
    }
}
