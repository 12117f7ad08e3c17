//! The colors of pixels that are fully transparent.
//!
//! A file contains a color for each pixel, also where nothing of it can be seen. There it is often noise or
//! black. A network would spend its capacity on it. So it learns a smooth continuation of the visible colors
//! there instead, and its alpha channel is learned everywhere.

use super::{Picture, Pixel};
use crate::error::Result;
use crate::memory::{Need, SMALLER};
use std::borrow::Cow;
use std::sync::Arc;

/// The most cells in which colors are spread.
const MOST_CELLS: usize = 1 << 20;

/// Colors by place: sums of color times weight, and the weights, `[height, width, 4]`.
struct Cells {
    width: usize,
    height: usize,
    values: Vec<[f32; 4]>,
}

impl Cells {
    fn at(&self, x: usize, y: usize) -> [f32; 4] {
        self.values[y.min(self.height - 1) * self.width + x.min(self.width - 1)]
    }

    /// Sums of 2×2 cells, with weights of at most 1.
    fn halved(&self) -> Self {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let cell = |i: usize| {
            let (x, y) = (2 * (i % width), 2 * (i / width));
            let mut sum = [0.0; 4];
            for (x, y) in [(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)] {
                if x < self.width && y < self.height {
                    sum.iter_mut().zip(self.at(x, y)).for_each(|(sum, value)| *sum += value);
                }
            }
            let scale = 1.0 / f32::max(sum[3], 1.0);
            sum.map(|value| value * scale)
        };
        Self { width, height, values: (0..width * height).map(cell).collect() }
    }

    /// The color between the centers of cells, at a place in cells.
    fn between(&self, x: f32, y: f32) -> [f32; 4] {
        let split = |place: f32| {
            let from_center = f32::max(place - 0.5, 0.0);
            (from_center as usize, from_center.fract())
        };
        let ((x, right), (y, down)) = (split(x), split(y));
        let mix = |a: [f32; 4], b: [f32; 4], t: f32| [0, 1, 2, 3].map(|i| a[i] + t * (b[i] - a[i]));
        let upper = mix(self.at(x, y), self.at(x + 1, y), right);
        let lower = mix(self.at(x, y + 1), self.at(x + 1, y + 1), right);
        mix(upper, lower, down)
    }

    /// The same with a color in every cell: its own as far as its weight goes, the rest from the cells
    /// around. The colors are divided by their weights.
    fn filled(self) -> Self {
        let mut levels = vec![self];
        while let Some(last) = levels.last().filter(|last| last.width * last.height > 1) {
            let halved = last.halved();
            levels.push(halved);
        }
        let Some(mut coarse) = levels.pop() else {
            return Self { width: 0, height: 0, values: vec![] };
        };
        for value in &mut coarse.values {
            let weight = f32::max(value[3], f32::MIN_POSITIVE);
            *value = value.map(|v| v / weight);
        }
        while let Some(mut fine) = levels.pop() {
            for (i, value) in fine.values.iter_mut().enumerate() {
                let (x, y) = ((i % fine.width) as f32 + 0.5, (i / fine.width) as f32 + 0.5);
                let around = coarse.between(x / 2.0, y / 2.0);
                let rest = 1.0 - f32::min(value[3], 1.0);
                *value = [0, 1, 2, 3].map(|k| value[k] + rest * around[k]);
            }
            coarse = fine;
        }
        coarse
    }
}

impl Picture {
    /// The same, with the colors of the visible pixels around in place of those that cannot be seen.
    pub(super) fn without_hidden_colors(&self) -> Result<Cow<'_, Self>> {
        let channels = self.channels;
        let alpha_of = |pixel: &Pixel| pixel[channels - 1];
        if !self.has_alpha() || self.pixels().all(|pixel| alpha_of(&pixel) > 0) {
            return Ok(Cow::Borrowed(self));
        }
        // A cell is one pixel, or a square of them in large pictures.
        let side = (1..=self.width.max(self.height))
            .find(|side| self.width.div_ceil(*side) * self.height.div_ceil(*side) <= MOST_CELLS);
        let side = side.unwrap_or(1);
        let (width, height) = (self.width.div_ceil(side), self.height.div_ceil(side));
        // The copy, and cells of each size, halved again and again.
        let mut need = Need::default();
        need.add(1, self.levels.bytes(), SMALLER);
        need.add(size_of::<[f32; 4]>(), 2 * width * height, SMALLER);
        need.check("a copy without the colors that cannot be seen")?;
        let mut cells = Cells { width, height, values: vec![[0.0; 4]; width * height] };
        let maximum = f32::from(self.maximum());
        for (i, pixel) in self.pixels().enumerate() {
            let cell = i / self.width / side * width + i % self.width / side;
            let alpha = f32::from(alpha_of(&pixel)) / maximum;
            let cell = &mut cells.values[cell];
            for (sum, color) in cell.iter_mut().zip(&pixel[..channels - 1]) {
                *sum += alpha * f32::from(*color) / maximum;
            }
            cell[3] += alpha;
        }
        for cell in &mut cells.values {
            let scale = 1.0 / f32::max(cell[3], 1.0);
            *cell = cell.map(|value| value * scale);
        }
        let cells = cells.filled();
        let mut changed = (*self.levels).clone();
        for (i, pixel) in self.pixels().enumerate() {
            if alpha_of(&pixel) > 0 {
                continue;
            }
            let place = |index: usize| (index as f32 + 0.5) / side as f32;
            let color = cells.between(place(i % self.width), place(i / self.width));
            for (channel, color) in color.into_iter().take(channels - 1).enumerate() {
                let level = (color.clamp(0.0, 1.0) * maximum).round() as u16;
                changed.set(i * channels + channel, level);
            }
        }
        Ok(Cow::Owned(Self { levels: Arc::new(changed), ..self.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hidden_colors_change_and_become_smooth() {
        // Red on the left, blue on the right, noise between that cannot be seen.
        let (width, height) = (32, 8);
        let pixel = |i: usize| match i % width {
            0..8 => [200, 10, 10, 255],
            8..24 => [(i * 89 % 256) as u16, (i * 57 % 256) as u16, (i * 31 % 256) as u16, 0],
            _ => [10, 10, 200, 128],
        };
        let values = (0..width * height).flat_map(pixel).collect();
        let picture = Picture::new(width, height, 4, 255, values).expect("a picture");
        let smooth = picture.without_hidden_colors().expect("memory");
        for (before, after) in picture.pixels().zip(smooth.pixels()) {
            assert_eq!(before[3], after[3]);
            assert!(before[3] == 0 || before == after);
            // Between the visible colors, all of which have little green.
            assert!((9..=11).contains(&after[1]), "{after:?}");
            assert!((9..=201).contains(&after[0]) && (9..=201).contains(&after[2]), "{after:?}");
        }
        let row: Vec<i32> = smooth.pixels().take(width).map(|pixel| i32::from(pixel[0])).collect();
        assert!(row.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 80), "{row:?}");
        // Nothing to do, and nothing to see.
        let opaque = Picture::new(1, 1, 2, 255, vec![7, 255]).expect("a pixel");
        assert!(matches!(opaque.without_hidden_colors(), Ok(Cow::Borrowed(_))));
        let empty = Picture::new(2, 1, 2, 65_535, vec![7, 0, 9, 0]).expect("two pixels");
        assert_eq!(*empty.without_hidden_colors().expect("memory").values(), [0; 4]);
    }
}
