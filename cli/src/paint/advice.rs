//! Whether a picture looks like a photograph, which another preset learns better.

use impasto::Picture;
use std::collections::HashSet;

/// Pictures of at most so many pixels are learned well enough by any preset: 256².
const SMALL: usize = 1 << 16;

/// A drawing has fewer colors, or large areas without texture.
const COLORS: usize = 100;

/// The share of pixels in the texture of a photograph.
const TEXTURE: f64 = 0.25;

/// Pixels along the longer side of a picture whose texture is looked for from one pixel to the next.
const SHARP: usize = 512;

/// The least bend of the colors in a row, of 255, that is texture. Rounding bends those of a gradient by up to 2.
const BEND: u32 = 3;

/// The line for a picture that another preset than the default learns better.
pub fn preset(picture: &Picture) -> Option<&'static str> {
    let is_large = picture.width() * picture.height() > SMALL;
    (is_large && has_many_colors(picture) && has_texture(picture)).then_some(
        "note: this looks like a photograph, which --preset hash learns better and --preset siren with fewer parameters",
    )
}

fn has_many_colors(picture: &Picture) -> bool {
    let mut colors = HashSet::new();
    picture.pixels().any(|pixel| colors.insert(pixel) && colors.len() > COLORS)
}

/// Whether a large share of the pixels is not on a line between those to the left and the right: the next ones, and in
/// pictures of more than 1,024 pixels along a side those further away, since such photographs are smooth from pixel to pixel.
fn has_texture(picture: &Picture) -> bool {
    let scale = u32::from(picture.maximum()) / 255;
    let apart = (picture.width().max(picture.height()) / SHARP).max(1);
    let reach = apart * picture.channels();
    let (mut bent, mut counted) = (0_usize, 0_usize);
    let mut values = Vec::new();
    for row in 0..picture.height() {
        picture.read_row(row, &mut values);
        for place in reach..values.len().saturating_sub(reach) {
            let [left, here, right] =
                [place - reach, place, place + reach].map(|i| u32::from(values[i]));
            bent += usize::from((left + right).abs_diff(2 * here) >= BEND * scale);
            counted += 1;
        }
    }
    bent as f64 > TEXTURE * counted as f64
}
