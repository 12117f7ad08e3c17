//! Pictures that the tests draw, the same on every machine.

#![allow(dead_code, reason = "each test takes the pictures it needs")]

use impasto::Picture;

/// All of them in small, by name.
pub fn all() -> Vec<(&'static str, Picture)> {
    vec![
        ("gradient", gradient(32, 24)),
        ("text", text("IMPASTO")),
        ("stones", stones(48, 40)),
        ("disc", soft_disc(40, 40)),
        ("deep", deep_gradient(40, 16)),
        ("odd", stones(37, 23)),
        ("row", gradient(19, 1)),
        ("column", deep_gradient(1, 17)),
        ("dot", dot()),
    ]
}

/// A smooth gradient, RGB of 8 bits: red to the right, green down, blue against both.
pub fn gradient(width: usize, height: usize) -> Picture {
    draw(width, height, 3, 255, |x, y| vec![x, y, 1.0 - 0.5 * (x + y)])
}

/// A gradient in gray of 16 bits, with levels that 8 bits do not have.
pub fn deep_gradient(width: usize, height: usize) -> Picture {
    draw(width, height, 1, 65_535, |x, y| vec![0.7 * x + 0.3 * y])
}

/// Black letters on white, gray of 8 bits: sharp edges. Draws the letters of `IMPASTO`; any other
/// sign is a space.
pub fn text(line: &str) -> Picture {
    const SCALE: usize = 3;
    let letters: Vec<[&str; 5]> = line.chars().map(letter).collect();
    let (width, height) = (SCALE * (4 * letters.len() + 1), SCALE * 7);
    let mut values = vec![255; width * height];
    for y in SCALE..6 * SCALE {
        for x in 0..width {
            let (column, row) = (x / SCALE, y / SCALE - 1);
            let inked = column.checked_sub(1).is_some_and(|column| {
                letters[column / 4][row].as_bytes().get(column % 4) == Some(&b'#')
            });
            if inked {
                values[y * width + x] = 0;
            }
        }
    }
    Picture::new(width, height, 1, 255, values).expect("a line of text")
}

/// Something like a photograph of stones, RGB of 8 bits: four octaves of noise, lit from the upper
/// left, darker towards the corners.
pub fn stones(width: usize, height: usize) -> Picture {
    let ground = |x: f64, y: f64| -> f64 {
        let octave = |k: i32| {
            let scale = 4.0 * f64::from(k).exp2();
            noise(scale * x, scale * y, k as u32) / f64::from(k + 1).exp2()
        };
        (0..4).map(octave).sum()
    };
    draw(width, height, 3, 255, |x, y| {
        let (step, center) = (0.01, [x - 0.5, y - 0.5]);
        let slope = (ground(x, y) - ground(x + step, y + step)) / step;
        let vignette = 1.0 - 0.8 * (center[0] * center[0] + center[1] * center[1]);
        let light = (0.3 + 0.5 * ground(x, y) + 0.05 * slope) * vignette;
        vec![light, 0.92 * light + 0.02, 0.8 * light + 0.05]
    })
}

/// A colored disc with a soft edge, RGBA of 8 bits.
pub fn soft_disc(width: usize, height: usize) -> Picture {
    draw(width, height, 4, 255, |x, y| {
        let radius = (x - 0.5).hypot(y - 0.5);
        vec![0.9, 0.4 + 0.5 * y, 0.2, (4.0 * (0.45 - radius)).clamp(0.0, 1.0)]
    })
}

/// One pixel, RGB of 8 bits.
pub fn dot() -> Picture {
    Picture::new(1, 1, 3, 255, vec![200, 120, 40]).expect("one pixel")
}

/// The picture whose channels at a place, both in [0, 1], are those of `color`.
fn draw(
    width: usize,
    height: usize,
    channels: usize,
    maximum: u16,
    color: impl Fn(f64, f64) -> Vec<f64>,
) -> Picture {
    let values: Vec<f64> = (0..width * height)
        .flat_map(|pixel| {
            let place = |index: usize, size: usize| (index as f64 + 0.5) / size as f64;
            color(place(pixel % width, width), place(pixel / width, height))
        })
        .collect();
    Picture::from_unit(width, height, channels, maximum, &values).expect("a picture")
}

/// Value noise in [0, 1]: a random number at each whole place, blended smoothly between them.
fn noise(x: f64, y: f64, seed: u32) -> f64 {
    let at = |column: f64, row: f64| {
        let mut bits = (column as u32)
            .wrapping_mul(0x9E37_79B1)
            .wrapping_add((row as u32).wrapping_mul(0x85EB_CA77))
            .wrapping_add(seed.wrapping_mul(0xC2B2_AE3D));
        for (shift, factor) in [(15, 0x2C1B_3C6D), (12, 0x297A_2D39)] {
            bits = (bits ^ (bits >> shift)).wrapping_mul(factor);
        }
        f64::from(bits ^ (bits >> 15)) / f64::from(u32::MAX)
    };
    let smooth = |t: f64| t * t * (3.0 - 2.0 * t);
    let (column, row) = (x.floor(), y.floor());
    let (across, down) = (smooth(x - column), smooth(y - row));
    let blend = |a: f64, b: f64, t: f64| a + t * (b - a);
    blend(
        blend(at(column, row), at(column + 1.0, row), across),
        blend(at(column, row + 1.0), at(column + 1.0, row + 1.0), across),
        down,
    )
}

/// The rows of a letter.
fn letter(sign: char) -> [&'static str; 5] {
    match sign {
        'A' => [" # ", "# #", "###", "# #", "# #"],
        'I' => ["###", " # ", " # ", " # ", "###"],
        'M' => ["# #", "###", "###", "# #", "# #"],
        'O' => ["###", "# #", "# #", "# #", "###"],
        'P' => ["###", "# #", "###", "#  ", "#  "],
        'S' => ["###", "#  ", "###", "  #", "###"],
        'T' => ["###", " # ", " # ", " # ", " # "],
        _ => ["   "; 5],
    }
}
