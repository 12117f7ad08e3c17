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
/// # Errors
/// Pictures of different shapes.
pub fn psnr(a: &Picture, b: &Picture) -> Result<f64> {
    a.check_same_shape(b)?;
    let square = |(a, b): (&u16, &u16)| f64::from(a.abs_diff(*b)).powi(2);
    let mean = a.values.iter().zip(&b.values).map(square).sum::<f64>() / a.values.len() as f64;
    Ok(10.0 * (f64::from(a.maximum).powi(2) / mean).log10())
}

/// Structural similarity (SSIM), 1 for equal pictures. Wang et al. 2004, eq. 13.
///
/// The window is Gaussian, of 11×11 pixels, with σ = 1.5. The similarity is averaged over the channels and
/// over the pixels whose window is within the picture. It is scikit-image's `structural_similarity` with
/// `gaussian_weights=True, sigma=1.5, use_sample_covariance=False`. In a picture smaller than the window the
/// window shrinks to the largest odd size that fits.
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

fn ssim_of_channel(a: &Picture, b: &Picture, channel: usize) -> f64 {
    let plane = |p: &Picture| -> Vec<f64> {
        p.values.iter().skip(channel).step_by(p.channels).map(|v| f64::from(*v)).collect()
    };
    let (x, y) = (plane(a), plane(b));
    let times =
        |x: &[f64], y: &[f64]| -> Vec<f64> { x.iter().zip(y).map(|(x, y)| x * y).collect() };
    let blurred = |plane: &[f64]| blur(plane, a.width, a.height);
    let (mean_x, mean_y) = (blurred(&x), blurred(&y));
    let (xx, yy, xy) = (blurred(&times(&x, &x)), blurred(&times(&y, &y)), blurred(&times(&x, &y)));
    let c1 = (0.01 * f64::from(a.maximum)).powi(2);
    let c2 = (0.03 * f64::from(a.maximum)).powi(2);
    let mut sum = 0.0;
    for i in 0..mean_x.len() {
        let (mx, my) = (mean_x[i], mean_y[i]);
        let (vx, vy, cov) = (xx[i] - mx * mx, yy[i] - my * my, xy[i] - mx * my);
        sum +=
            (2.0 * mx * my + c1) * (2.0 * cov + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2));
    }
    sum / mean_x.len() as f64
}

/// The weighted mean around each pixel whose window lies within the plane.
fn blur(plane: &[f64], width: usize, height: usize) -> Vec<f64> {
    let (across, down) = (window(width), window(height));
    let columns = width + 1 - across.len();
    let rows = height + 1 - down.len();
    let weigh = |window: &[f64], at: &dyn Fn(usize) -> f64| -> f64 {
        window.iter().enumerate().map(|(i, weight)| weight * at(i)).sum()
    };
    let mut narrowed = Vec::with_capacity(columns * height);
    for row in plane.chunks_exact(width) {
        narrowed.extend((0..columns).map(|column| weigh(&across, &|i| row[column + i])));
    }
    let mut result = Vec::with_capacity(columns * rows);
    for row in 0..rows {
        result.extend(
            (0..columns).map(|column| weigh(&down, &|i| narrowed[(row + i) * columns + column])),
        );
    }
    result
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
            let picture = |values| {
                Picture::new(case.width, case.height, case.channels, case.maximum, values)
                    .expect("a picture")
            };
            let (a, b) = (picture(case.a), picture(case.b));
            assert!((psnr(&a, &b).expect("same shape") - case.psnr_db).abs() < 1e-9);
            assert!((ssim(&a, &b).expect("same shape") - case.ssim).abs() < 1e-9);
        }
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
