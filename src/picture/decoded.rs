//! The pixels of a file before they are a picture.

use super::color::Meaning;
use super::{Picture, range};
use crate::dataset::Levels;

/// Numbers as a file contains them.
pub(super) enum Numbers {
    /// 0 to 255.
    Bytes(Vec<u8>),
    /// 0 to 65,535.
    Words(Vec<u16>),
    /// Any.
    Floats(Vec<f32>),
}

/// Does the same with each kind of numbers.
macro_rules! with_values {
    ($numbers:expr, $values:ident => $result:expr) => {
        match $numbers {
            Numbers::Bytes($values) => Numbers::Bytes($result),
            Numbers::Words($values) => Numbers::Words($result),
            Numbers::Floats($values) => Numbers::Floats($result),
        }
    };
}

impl Numbers {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Bytes(values) => values.len(),
            Self::Words(values) => values.len(),
            Self::Floats(values) => values.len(),
        }
    }

    /// Numbers in planes, `[planes, pixels]`, as `[pixels, planes]`.
    pub(super) fn interleaved(self, planes: usize) -> Self {
        fn interleaved<T: Copy>(values: &[T], planes: usize) -> Vec<T> {
            let pixels = values.len() / planes;
            (0..pixels * planes).map(|i| values[i % planes * pixels + i / planes]).collect()
        }
        with_values!(self, values => interleaved(&values, planes))
    }

    /// The first `kept` of `samples` numbers of each pixel.
    pub(super) fn first_of(self, samples: usize, kept: usize) -> Self {
        fn first<T: Copy>(values: &[T], samples: usize, kept: usize) -> Vec<T> {
            values.chunks_exact(samples).flat_map(|pixel| pixel[..kept].iter().copied()).collect()
        }
        if samples <= kept {
            return self;
        }
        with_values!(self, values => first(&values, samples, kept))
    }
}

/// Pixels of a file, row by row, `[height, width, channels]`.
pub(super) struct Decoded {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) channels: usize,
    pub(super) numbers: Numbers,
    pub(super) meaning: Meaning,
}

impl Decoded {
    /// The same with colors that were multiplied by alpha divided by it.
    pub(super) fn unmultiplied(mut self) -> Self {
        fn divide<T: Copy>(
            values: &mut [T],
            channels: usize,
            most: f64,
            to: impl Fn(T) -> f64,
            from: impl Fn(f64) -> T,
        ) {
            for pixel in values.chunks_exact_mut(channels) {
                let alpha = to(pixel[channels - 1]) / most;
                if alpha > 0.0 {
                    for value in &mut pixel[..channels - 1] {
                        *value = from((to(*value) / alpha).min(most));
                    }
                }
            }
        }
        let channels = self.channels;
        match &mut self.numbers {
            Numbers::Bytes(v) => divide(v, channels, 255.0, f64::from, |x| x.round() as u8),
            Numbers::Words(v) => divide(v, channels, 65_535.0, f64::from, |x| x.round() as u16),
            Numbers::Floats(v) => {
                divide(v, channels, 1.0, f64::from, |x| x as f32);
            }
        }
        self
    }

    /// The picture in sRGB, upright by an orientation of EXIF, and what there is to say about it.
    pub(super) fn into_picture(self, orientation: u8) -> Result<(Picture, Vec<String>), String> {
        let Self { width, height, channels, numbers, meaning } = self;
        let mut notes = Vec::new();
        let mut levels = match numbers {
            Numbers::Bytes(values) => Levels::Bytes(values),
            Numbers::Words(values) => Levels::Words(values),
            Numbers::Floats(values) if matches!(meaning, Meaning::Linear) => {
                let (levels, note) = range::of_light(&values, channels)?;
                notes.extend(note);
                Levels::Words(levels)
            }
            Numbers::Floats(values) => {
                let (levels, found) = range::levels(&values, channels)?;
                notes.extend(found);
                Levels::Words(levels)
            }
        };
        match &mut levels {
            Levels::Bytes(values) => values.truncate(width * height * channels),
            Levels::Words(values) => values.truncate(width * height * channels),
        }
        notes.extend(meaning.to_srgb(&mut levels, channels));
        let levels = match levels {
            Levels::Bytes(values) => {
                Levels::Bytes(turned(values, (width, height), channels, orientation))
            }
            Levels::Words(values) => {
                Levels::Words(turned(values, (width, height), channels, orientation))
            }
        };
        let is_upright = !(5..=8).contains(&orientation);
        let (width, height) = if is_upright { (width, height) } else { (height, width) };
        let picture = Picture::of_levels(width, height, channels, levels)
            .map_err(|error| error.to_string())?;
        Ok((picture, notes))
    }
}

/// Pixels turned and mirrored as a value of EXIF says: 1 is upright. From 5 to 8 width and height are exchanged.
fn turned<T: Copy>(
    values: Vec<T>,
    (width, height): (usize, usize),
    channels: usize,
    orientation: u8,
) -> Vec<T> {
    if !(2..=8).contains(&orientation) {
        return values;
    }
    let (right, low) = (width - 1, height - 1);
    let (wide, high) = if orientation < 5 { (width, height) } else { (height, width) };
    let mut placed = Vec::with_capacity(values.len());
    for y in 0..high {
        for x in 0..wide {
            let (column, row) = match orientation {
                2 => (right - x, y),
                3 => (right - x, low - y),
                4 => (x, low - y),
                5 => (y, x),
                6 => (y, low - x),
                7 => (right - y, low - x),
                _ => (right - y, x),
            };
            placed.extend_from_slice(&values[(row * width + column) * channels..][..channels]);
        }
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orientations_are_those_of_exif() {
        // 1 2 3
        // 4 5 6
        for (orientation, (width, values)) in [
            (1, (3, [1, 2, 3, 4, 5, 6])),
            (2, (3, [3, 2, 1, 6, 5, 4])),
            (3, (3, [6, 5, 4, 3, 2, 1])),
            (4, (3, [4, 5, 6, 1, 2, 3])),
            (5, (2, [1, 4, 2, 5, 3, 6])),
            (6, (2, [4, 1, 5, 2, 6, 3])),
            (7, (2, [6, 3, 5, 2, 4, 1])),
            (8, (2, [3, 6, 2, 5, 1, 4])),
            (9, (3, [1, 2, 3, 4, 5, 6])),
        ] {
            let numbers = Numbers::Words(vec![1, 2, 3, 4, 5, 6]);
            let meaning = Meaning::Srgb;
            let decoded = Decoded { width: 3, height: 2, channels: 1, numbers, meaning };
            let (turned, _) = decoded.into_picture(orientation).expect("a picture");
            assert_eq!((turned.width(), &*turned.values()), (width, &values[..]), "{orientation}");
        }
    }

    #[test]
    fn colors_are_divided_by_an_alpha_that_was_multiplied_in() {
        let numbers = Numbers::Bytes(vec![64, 128, 7, 0]);
        let decoded = Decoded { width: 2, height: 1, channels: 2, numbers, meaning: Meaning::Srgb };
        let (picture, notes) = decoded.unmultiplied().into_picture(1).expect("a picture");
        assert_eq!((&*picture.values(), notes.len()), (&[128, 128, 7, 0][..], 0));
    }
}
