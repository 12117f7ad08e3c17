//! Numbers of any range as levels of 16 bits.

use super::color::encoded;

/// The values that files mean by white, if their largest number is close to it.
const WHITES: [f64; 4] = [1.0, 255.0, 65_535.0, 4_294_967_295.0];

/// Levels from 0 to 65,535 of `[pixels, channels]`, and notes about what black and white are. Nothing is
/// clamped: the range of the numbers is found, by itself for an alpha channel.
pub(super) fn levels(values: &[f32], channels: usize) -> Result<(Vec<u16>, Vec<String>), String> {
    let mut notes = Vec::new();
    let mut levels = vec![0; values.len()];
    let has_alpha = channels.is_multiple_of(2);
    for (is_alpha, name) in [(false, "values"), (true, "alpha values")] {
        if is_alpha && !has_alpha {
            continue;
        }
        let is_here = |i: usize| (has_alpha && i % channels == channels - 1) == is_alpha;
        let here = || values.iter().enumerate().filter(|(i, _)| is_here(*i));
        let (least, most) = here().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), (_, v)| {
            (a.min(f64::from(*v)), b.max(f64::from(*v)))
        });
        if let Some((i, value)) = here().find(|(_, v)| !v.is_finite()) {
            let pixel = i / channels;
            return Err(format!(
                "pixel {pixel} has a value of {value}: replace what is not finite, or convert the picture to PNG"
            ));
        }
        let (black, white) = range(least, most);
        if (black, white) != (0.0, 1.0) {
            notes.push(format!(
                "its {name} run from {least} to {most}: {black} is read as 0 and {white} as 1"
            ));
        }
        for (i, value) in here() {
            let unit = (f64::from(*value) - black) / (white - black);
            levels[i] = (unit * 65_535.0).round() as u16;
        }
    }
    Ok((levels, notes))
}

/// The numbers that are black and white where numbers run from `least` to `most`.
fn range(least: f64, most: f64) -> (f64, f64) {
    let black = least.min(0.0);
    let known =
        WHITES.into_iter().find(|white| most <= *white && (*white == 1.0 || most > white / 2.0));
    match known {
        Some(white) if black == 0.0 => (black, white),
        // A range that begins below 0 has its own end too.
        _ if most > black => (black, most),
        _ => (black, black + 1.0),
    }
}

/// Levels from 0 to 65,535 of light, `[pixels, channels]`, as sRGB. An alpha channel is no light. The note
/// says how many pixels are brighter than white, which they become.
pub(super) fn of_light(
    values: &[f32],
    channels: usize,
) -> Result<(Vec<u16>, Option<String>), String> {
    let has_alpha = channels.is_multiple_of(2);
    let mut bright = 0_usize;
    let mut brightest = 1.0_f32;
    let mut levels = Vec::with_capacity(values.len());
    for (number, pixel) in values.chunks_exact(channels).enumerate() {
        let mut is_bright = false;
        for (i, value) in pixel.iter().enumerate() {
            if !value.is_finite() {
                return Err(format!(
                    "pixel {number} has a value of {value}: replace what is not finite, or convert the picture to PNG"
                ));
            }
            let is_alpha = has_alpha && i == channels - 1;
            is_bright |= *value > 1.0 && !is_alpha;
            let unit = f64::from(value.clamp(0.0, 1.0));
            let unit = if is_alpha { unit } else { encoded(unit) };
            brightest = brightest.max(if is_alpha { 0.0 } else { *value });
            levels.push((unit * 65_535.0).round() as u16);
        }
        bright += usize::from(is_bright);
    }
    let pixels = values.len() / channels;
    let note = (bright > 0).then(|| {
        format!(
            "{bright} of {pixels} pixels are brighter than white, by a factor of up to {brightest}, and \
             become white: divide the light by that to keep them apart"
        )
    });
    Ok((levels, note))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_and_nothing_is_clamped() {
        assert_eq!(range(0.0, 0.4), (0.0, 1.0));
        assert_eq!(range(0.1, 254.2), (0.0, 255.0));
        assert_eq!(range(0.0, 90.0), (0.0, 90.0));
        assert_eq!(range(0.0, 1.25), (0.0, 1.25));
        assert_eq!(range(0.0, 60_000.0), (0.0, 65_535.0));
        assert_eq!(range(-1.0, 1.0), (-1.0, 1.0));
        assert_eq!(range(-2.0, -2.0), (-2.0, -1.0));
        let (found, notes) = levels(&[0.0, 1.0, 200.0, 0.0], 2).expect("numbers");
        assert_eq!((found[0], found[1], found[3]), (0, 65_535, 0));
        assert_eq!(found[2], (200.0_f64 / 255.0 * 65_535.0).round() as u16);
        assert_eq!(notes, ["its values run from 0 to 200: 0 is read as 0 and 255 as 1"]);
        assert!(levels(&[f32::NAN], 1).is_err_and(|why| why.contains("NaN")));
    }

    #[test]
    fn light_becomes_srgb() {
        let (found, note) = of_light(&[0.0, 0.5, 1.0], 3).expect("numbers");
        // The middle is 187.52 of 255.
        assert_eq!((found.clone(), note), (vec![0, 48_192, 65_535], None));
        let (found, note) = of_light(&[4.0, 0.5], 2).expect("numbers");
        assert_eq!(found, [65_535, 32_768]);
        assert!(note.is_some_and(|note| note.contains("1 of 1 pixels") && note.contains('4')));
    }
}
