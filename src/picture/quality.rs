//! PSNR, SSIM and pixel accuracy of two pictures.

use super::Picture;
use crate::error::Result;

/// Half the window of SSIM, in pixels: scikit-image's `int(3.5·σ + 0.5)` for σ = 1.5.
const RADIUS: usize = 5;

/// Standard deviation of SSIM's Gaussian window, in pixels.
const SIGMA: f64 = 1.5;

/// Peak signal-to-noise ratio in dB: `10·log₁₀(maximum² / mean (a − b)²)` over all pixels and
/// channels. Infinite for equal pictures.
///
/// In pictures with an alpha channel the mean is weighted: a color by the alpha that it has in `a`, and alpha
/// by 1. Colors that cannot be seen do not count.
///
/// # Errors
/// Pictures of different shapes.
pub fn psnr(a: &Picture, b: &Picture) -> Result<f64> {
    a.check_same_shape(b)?;
    let (mut own, mut others, mut noise) = (Vec::new(), Vec::new(), Noise::new(a));
    for row in 0..a.height {
        a.read_row(row, &mut own);
        b.read_row(row, &mut others);
        noise.add(&own, &others, None);
    }
    Ok(noise.psnr())
}

/// The squared error of pixels that come a few at a time.
#[derive(Debug)]
pub(super) struct Noise {
    channels: usize,
    has_alpha: bool,
    maximum: f64,
    sum: f64,
    weights: f64,
}

impl Noise {
    /// Of a picture and another of its kind.
    pub(super) fn new(picture: &Picture) -> Self {
        let (channels, has_alpha) = (picture.channels, picture.has_alpha());
        Self { channels, has_alpha, maximum: picture.maximum().into(), sum: 0.0, weights: 0.0 }
    }

    /// Takes values of both, `[pixels, channels]`, with the weights of the pixels if a mask gives them some.
    pub(super) fn add(&mut self, own: &[u16], others: &[u16], mask: Option<&[f32]>) {
        if !self.has_alpha && mask.is_none() {
            for (own, others) in own.iter().zip(others) {
                self.sum += square(*own, *others);
            }
            self.weights += own.len() as f64;
            return;
        }
        let squares = |own: &[u16], others: &[u16]| -> f64 {
            own.iter().zip(others).map(|(a, b)| square(*a, *b)).sum()
        };
        let pixels = own.chunks_exact(self.channels).zip(others.chunks_exact(self.channels));
        for (pixel, (own, others)) in pixels.enumerate() {
            let counts = mask.map_or(1.0, |mask| f64::from(mask[pixel]));
            let (sum, weights) = match (own, others) {
                ([colors @ .., alpha], [others @ .., other_alpha]) if self.has_alpha => {
                    let weight = f64::from(*alpha) / self.maximum;
                    let sum = weight * squares(colors, others) + square(*alpha, *other_alpha);
                    (sum, weight * colors.len() as f64 + 1.0)
                }
                _ => (squares(own, others), own.len() as f64),
            };
            self.sum += counts * sum;
            self.weights += counts * weights;
        }
    }

    /// The peak signal-to-noise ratio in dB.
    pub(super) fn psnr(&self) -> f64 {
        // Without a pixel that counts, nothing differs.
        let mean = if self.weights > 0.0 { self.sum / self.weights } else { 0.0 };
        10.0 * (self.maximum.powi(2) / mean).log10()
    }
}

fn square(a: u16, b: u16) -> f64 {
    f64::from(a.abs_diff(b)).powi(2)
}

/// Structural similarity (SSIM), 1 for equal pictures. Wang et al. 2004, eq. 13.
///
/// The window is Gaussian, of 11×11 pixels, with σ = 1.5. The similarity is averaged over the channels and
/// over the pixels whose window is within the picture. It is scikit-image's `structural_similarity` with
/// `gaussian_weights=True, sigma=1.5, use_sample_covariance=False`. In a picture smaller than the window the
/// window shrinks to the largest odd size that fits.
///
/// In pictures with an alpha channel both colors are multiplied by the alpha of `a`, and the similarity of a
/// window is weighted by the mean of that alpha in it. Colors that cannot be seen do not count. The alpha
/// channel itself counts everywhere.
///
/// # Errors
/// Pictures of different shapes.
pub fn ssim(a: &Picture, b: &Picture) -> Result<f64> {
    a.check_same_shape(b)?;
    let sum: f64 = (0..a.channels).map(|channel| ssim_of_channel(a, b, channel)).sum();
    Ok(sum / a.channels as f64)
}

/// Pixel accuracy: the fraction of the pixels that are equal in all channels.
///
/// # Errors
/// Pictures of different shapes.
pub fn pixel_accuracy(a: &Picture, b: &Picture) -> Result<f64> {
    a.check_same_shape(b)?;
    let equal = a.pixels().zip(b.pixels()).filter(|(a, b)| a == b).count();
    Ok(equal as f64 / (a.width * a.height) as f64)
}

/// A row of two pictures: x, y, and the weight of each pixel, or nothing where all count alike.
pub(super) type Row = [Vec<f64>; 3];

/// The similarity of two channels.
pub(super) struct Similarity {
    /// Luminance, contrast and structure: SSIM.
    pub(super) whole: f64,
    /// Contrast and structure alone.
    pub(super) contrast: f64,
}

fn ssim_of_channel(a: &Picture, b: &Picture, channel: usize) -> f64 {
    similarity(a.width, a.height, a.maximum(), |row| row_of(a, b, channel, row)).whole
}

/// A row of a channel of both pictures, colors multiplied by the alpha of `a`.
pub(super) fn row_of(a: &Picture, b: &Picture, channel: usize, row: usize) -> Row {
    let (mut own, mut others) = (Vec::new(), Vec::new());
    a.read_row(row, &mut own);
    b.read_row(row, &mut others);
    channel_of(a, &own, &others, channel)
}

/// A channel of a row of two pictures of the kind of `picture`, colors multiplied by the alpha of the first.
pub(super) fn channel_of(picture: &Picture, own: &[u16], others: &[u16], channel: usize) -> Row {
    let channels = picture.channels;
    let pixels = |row: &[u16], channel: usize| -> Vec<f64> {
        row.iter().skip(channel).step_by(channels).map(|v| f64::from(*v)).collect()
    };
    let (x, y) = (pixels(own, channel), pixels(others, channel));
    if !picture.has_alpha() || channel + 1 == channels {
        return [x, y, Vec::new()];
    }
    let mut alpha = pixels(own, channels - 1);
    for alpha in &mut alpha {
        *alpha /= f64::from(picture.maximum());
    }
    [times(&x, &alpha), times(&y, &alpha), alpha]
}

fn times(x: &[f64], y: &[f64]) -> Vec<f64> {
    x.iter().zip(y).map(|(x, y)| x * y).collect()
}

/// Rows of the weighted means across, of x, y, x², y², xy, and the weight: as many as a window is high.
type Rows = [Vec<f64>; 6];

/// The similarity of two channels, averaged over the windows.
pub(super) fn similarity(
    width: usize,
    height: usize,
    maximum: u16,
    mut row: impl FnMut(usize) -> Row,
) -> Similarity {
    let mut windows = Windows::new(width, height, maximum);
    (0..height).for_each(|number| windows.add(&row(number)));
    windows.similarity()
}

/// The similarity of two channels that come row by row. Keeps as many rows as a window is high, so that the
/// height of the pictures does not matter.
#[derive(Debug)]
pub(super) struct Windows {
    across: Vec<f64>,
    down: Vec<f64>,
    constants: [f64; 2],
    kept: Vec<Rows>,
    /// The weighted means down of the rows that are kept.
    means: Rows,
    sum: f64,
    contrasts: f64,
    weights: f64,
}

impl Windows {
    pub(super) fn new(width: usize, height: usize, maximum: u16) -> Self {
        let (across, down) = (window(width), window(height));
        let constant = |share: f64| (share * f64::from(maximum)).powi(2);
        Self {
            constants: [constant(0.01), constant(0.03)],
            kept: Vec::with_capacity(down.len()),
            means: Rows::default(),
            across,
            down,
            sum: 0.0,
            contrasts: 0.0,
            weights: 0.0,
        }
    }

    /// Takes the next row.
    pub(super) fn add(&mut self, row: &Row) {
        let rows = narrowed(row, &self.across);
        let (down, kept, [c1, c2]) = (&self.down, &mut self.kept, self.constants);
        if kept.len() < down.len() {
            kept.push(rows);
        } else {
            kept.rotate_left(1);
            kept[down.len() - 1] = rows;
        }
        if kept.len() < down.len() {
            return;
        }
        let is_weighted = !kept[0][5].is_empty();
        let means = &mut self.means;
        for (k, means) in means.iter_mut().enumerate() {
            weigh(down.iter().zip(&*kept).map(|(weight, rows)| (*weight, &rows[k][..])), means);
        }
        let [x, y, xx, yy, xy, alpha] = means.each_ref().map(|means| &means[..]);
        for (column, (&mx, &my)) in x.iter().zip(y).enumerate() {
            let (vx, vy) = (xx[column] - mx * mx, yy[column] - my * my);
            let cov = xy[column] - mx * my;
            let similarity = (2.0 * mx * my + c1) * (2.0 * cov + c2)
                / ((mx * mx + my * my + c1) * (vx + vy + c2));
            let weight = if is_weighted { alpha[column] } else { 1.0 };
            self.sum += weight * similarity;
            self.contrasts += weight * (2.0 * cov + c2) / (vx + vy + c2);
            self.weights += weight;
        }
    }

    /// The similarity of the rows that came.
    pub(super) fn similarity(&self) -> Similarity {
        if self.weights > 0.0 {
            Similarity { whole: self.sum / self.weights, contrast: self.contrasts / self.weights }
        } else {
            // A picture of which nothing can be seen has no color that differs.
            Similarity { whole: 1.0, contrast: 1.0 }
        }
    }
}

/// The weighted means across of a row, for each pixel whose window lies within it.
fn narrowed([x, y, weight]: &Row, across: &[f64]) -> Rows {
    let narrow = |row: &[f64]| -> Vec<f64> {
        let mut means = Vec::new();
        let columns = (row.len() + 1).saturating_sub(across.len());
        // Pixel by pixel of the windows, which the compiler makes vectors of.
        // A row without weights is empty.
        let shifted = |i: usize| row.get(i..i + columns).unwrap_or_default();
        weigh(across.iter().enumerate().map(|(i, weight)| (*weight, shifted(i))), &mut means);
        means
    };
    let [xx, yy, xy] = [times(x, x), times(y, y), times(x, y)].map(|row| narrow(&row));
    [narrow(x), narrow(y), xx, yy, xy, narrow(weight)]
}

/// The weighted sum of rows, number by number, in place of the numbers in `sums`.
fn weigh<'a>(rows: impl Iterator<Item = (f64, &'a [f64])>, sums: &mut Vec<f64>) {
    sums.clear();
    for (weight, row) in rows {
        // What a sum of numbers begins with.
        sums.resize(row.len(), -0.0);
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += weight * value;
        }
    }
}

/// Gaussian weights that sum to 1, over the largest odd window that fits into `size`.
fn window(size: usize) -> Vec<f64> {
    let radius = RADIUS.min((size - 1) / 2);
    let weight = |i: usize| (-0.5 * (i.abs_diff(radius) as f64 / SIGMA).powi(2)).exp();
    let weights: Vec<f64> = (0..=2 * radius).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        a: Vec<u16>,
        b: Vec<u16>,
        psnr_db: f64,
        ssim: f64,
    }

    #[test]
    fn agrees_with_scikit_image() {
        let text = include_str!("../../tests/fixtures/ssim.json");
        let fixture: Fixture = serde_json::from_str(text).expect("the fixture");
        assert!(fixture.cases.len() >= 4);
        for case in fixture.cases {
            // It knows no alpha channel: each channel is a picture.
            let channel = |values: &[u16], channel: usize| {
                let values = values.iter().skip(channel).step_by(case.channels).copied().collect();
                Picture::new(case.width, case.height, 1, case.maximum, values).expect("a picture")
            };
            let (mut noise, mut similarity) = (0.0, 0.0);
            for i in 0..case.channels {
                let (a, b) = (channel(&case.a, i), channel(&case.b, i));
                noise += 10.0_f64.powf(-psnr(&a, &b).expect("same shape") / 10.0);
                similarity += ssim(&a, &b).expect("same shape");
            }
            let count = case.channels as f64;
            assert!((-10.0 * (noise / count).log10() - case.psnr_db).abs() < 1e-9);
            assert!((similarity / count - case.ssim).abs() < 1e-9);
            if case.channels.is_multiple_of(2) {
                continue;
            }
            let picture = |values| {
                Picture::new(case.width, case.height, case.channels, case.maximum, values)
                    .expect("a picture")
            };
            let (a, b) = (picture(case.a), picture(case.b));
            assert!((psnr(&a, &b).expect("same shape") - case.psnr_db).abs() < 1e-9);
            assert!((ssim(&a, &b).expect("same shape") - case.ssim).abs() < 1e-9);
        }
    }

    /// The similarity of a channel with whole planes in memory, as it was computed before.
    fn ssim_of_planes(a: &Picture, b: &Picture, channel: usize) -> f64 {
        let plane = |p: &Picture| -> Vec<f64> {
            p.pixels().map(|pixel| f64::from(pixel[channel])).collect()
        };
        let blur = |plane: &[f64]| -> Vec<f64> {
            let (across, down) = (window(a.width), window(a.height));
            let (columns, rows) = (a.width + 1 - across.len(), a.height + 1 - down.len());
            let weigh = |window: &[f64], at: &dyn Fn(usize) -> f64| -> f64 {
                window.iter().enumerate().map(|(i, weight)| weight * at(i)).sum()
            };
            let mut narrowed = Vec::new();
            for row in plane.chunks_exact(a.width) {
                narrowed.extend((0..columns).map(|c| weigh(&across, &|i| row[c + i])));
            }
            let at = |row: usize, c: usize| weigh(&down, &|i| narrowed[(row + i) * columns + c]);
            (0..rows * columns).map(|i| at(i / columns, i % columns)).collect()
        };
        let (x, y) = (plane(a), plane(b));
        let times =
            |x: &[f64], y: &[f64]| -> Vec<f64> { x.iter().zip(y).map(|(x, y)| x * y).collect() };
        let (mean_x, mean_y) = (blur(&x), blur(&y));
        let (xx, yy, xy) = (blur(&times(&x, &x)), blur(&times(&y, &y)), blur(&times(&x, &y)));
        let most = f64::from(a.maximum());
        let (c1, c2) = ((0.01 * most).powi(2), (0.03 * most).powi(2));
        let mut sum = 0.0;
        for i in 0..mean_x.len() {
            let (mx, my) = (mean_x[i], mean_y[i]);
            let (vx, vy, cov) = (xx[i] - mx * mx, yy[i] - my * my, xy[i] - mx * my);
            sum += (2.0 * mx * my + c1) * (2.0 * cov + c2)
                / ((mx * mx + my * my + c1) * (vx + vy + c2));
        }
        sum / mean_x.len() as f64
    }

    fn noise(width: usize, height: usize, channels: usize, seed: usize) -> Picture {
        let values = (0..width * height * channels).map(|i| ((i + seed) * 7919 % 251) as u16);
        Picture::new(width, height, channels, 255, values.collect()).expect("a picture")
    }

    #[test]
    fn rows_at_a_time_give_the_bits_of_whole_planes() {
        for (width, height, channels) in [(64, 48, 3), (11, 11, 1), (5, 40, 1), (40, 3, 3)] {
            let (a, b) = (noise(width, height, channels, 0), noise(width, height, channels, 5));
            for channel in 0..channels {
                let (rows, planes) =
                    (ssim_of_channel(&a, &b, channel), ssim_of_planes(&a, &b, channel));
                assert_eq!(rows.to_bits(), planes.to_bits(), "{width}×{height}");
            }
        }
    }

    #[test]
    fn colors_that_cannot_be_seen_do_not_count() {
        let (width, height) = (32, 32);
        let with_hidden = |color: &dyn Fn(usize) -> u16| {
            // The right half is transparent.
            let pixel = |i: usize| if i % width < 16 { [90, 255] } else { [color(i), 0] };
            let values = (0..width * height).flat_map(pixel).collect();
            Picture::new(width, height, 2, 255, values).expect("a picture")
        };
        let (noisy, smooth) = (with_hidden(&|i| (i * 89 % 256) as u16), with_hidden(&|_| 90));
        assert_eq!(psnr(&noisy, &smooth).expect("same shape"), f64::INFINITY);
        assert!((ssim(&noisy, &smooth).expect("same shape") - 1.0).abs() < 1e-12);
        // Half a transparent error counts half, and alpha counts everywhere.
        let of = |color, alpha| Picture::new(1, 1, 2, 255, vec![color, alpha]).expect("a pixel");
        let half = psnr(&of(0, 51), &of(30, 51)).expect("same shape");
        let mean = 0.2 * 900.0 / 1.2;
        assert!((half - 10.0 * (255.0_f64.powi(2) / mean).log10()).abs() < 1e-9);
        assert!(psnr(&of(0, 0), &of(0, 40)).expect("same shape").is_finite());
        // Opaque pictures have the numbers that they have without an alpha channel.
        let gray = |seed| noise(20, 20, 1, seed);
        let opaque = |seed| {
            let values = gray(seed).values().iter().flat_map(|v| [*v, 255]).collect();
            Picture::new(20, 20, 2, 255, values).expect("a picture")
        };
        let found = ssim(&opaque(0), &opaque(3)).expect("same shape");
        let expected = f64::midpoint(ssim(&gray(0), &gray(3)).expect("same shape"), 1.0);
        assert!((found - expected).abs() < 1e-12);
    }

    #[test]
    fn a_pixel_is_right_in_all_channels_or_not_at_all() {
        let picture = |values| Picture::new(2, 1, 2, 255, values).expect("a picture");
        let (a, b) = (picture(vec![1, 2, 3, 4]), picture(vec![1, 2, 3, 5]));
        assert_eq!(pixel_accuracy(&a, &b).expect("same shape"), 0.5);
    }

    #[test]
    fn equal_and_tiny_pictures() {
        for (width, height) in [(1, 1), (2, 1), (1, 7), (11, 3)] {
            let values: Vec<u16> = (0..width * height).map(|i| (i * 7) as u16).collect();
            let a = Picture::new(width, height, 1, 255, values).expect("a picture");
            assert!((ssim(&a, &a).expect("same shape") - 1.0).abs() < 1e-12);
            assert_eq!(psnr(&a, &a).expect("same shape"), f64::INFINITY);
            assert_eq!(pixel_accuracy(&a, &a).expect("same shape"), 1.0);
        }
    }
}
