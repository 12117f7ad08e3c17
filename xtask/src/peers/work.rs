//! The picture and the network that all contestants train.

use std::path::Path;

use anyhow::{Context, Result};

use super::protocol::Job;

/// The picture, in the root of the repository.
pub const PICTURE: &str = "logo.jpg";

/// Inputs: x and y of a pixel's center, in [-1, 1].
pub const INPUTS: usize = 2;

/// Outputs: red, green and blue, in [0, 1].
pub const OUTPUTS: usize = 3;

/// Hidden layers, and neurons in each.
pub const HIDDEN: [usize; 10] = [100; 10];

/// Samples in a step.
pub const BATCHES: [usize; 3] = [200, 1_000, 10_000];

/// Adam's.
pub const LEARNING_RATE: f64 = 1e-3;

/// Writes the samples of a picture to a file as contestants read them: (samples, the loss of the
/// best constant color).
///
/// # Errors
///
/// When the picture cannot be read or the file not written.
pub fn write_samples(picture: &Path, file: &Path) -> Result<(usize, f64)> {
    let pixels = image::open(picture)
        .with_context(|| format!("cannot read {}", picture.display()))?
        .to_rgb8();
    let (width, height) = pixels.dimensions();
    let center = |pixel: u32, size: u32| 2.0 * (pixel as f32 + 0.5) / size as f32 - 1.0;
    let mut bytes = Vec::new();
    for (x, y, color) in pixels.enumerate_pixels() {
        let [red, green, blue] = color.0.map(|channel| f32::from(channel) / 255.0);
        for value in [center(x, width), center(y, height), red, green, blue] {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
    }
    std::fs::write(file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(((width * height) as usize, variance(pixels.as_raw())))
}

/// The mean squared error of painting every pixel in the mean color.
fn variance(values: &[u8]) -> f64 {
    let count = values.len() as f64 / OUTPUTS as f64;
    let of_channel = |channel: usize| {
        let values = || values.iter().skip(channel).step_by(OUTPUTS).map(|v| f64::from(*v) / 255.0);
        let mean = values().sum::<f64>() / count;
        values().map(|value| (value - mean).powi(2)).sum::<f64>() / count
    };
    (0..OUTPUTS).map(of_channel).sum::<f64>() / OUTPUTS as f64
}

/// Floating-point operations of an epoch: every weight meets every sample in three matrix
/// products (forward, gradient of the weights, gradient of the inputs), each time one
/// multiplication and one addition.
pub fn epoch_flop(samples: usize) -> f64 {
    6.0 * weights() as f64 * samples as f64
}

fn weights() -> usize {
    let widths: Vec<usize> = [&[INPUTS], &HIDDEN[..], &[OUTPUTS]].concat();
    widths.windows(2).map(|pair| pair[0] * pair[1]).sum()
}

/// Steps in an epoch.
pub fn steps(samples: usize, batch: usize) -> usize {
    samples.div_ceil(batch)
}

/// The first turn of a contestant: what it is to train, and one epoch to see how long it takes.
pub fn job(samples: &Path, batch: usize, threads: usize, adapter: Option<&str>) -> Job {
    Job {
        samples: samples.to_owned(),
        inputs: INPUTS,
        outputs: OUTPUTS,
        hidden: HIDDEN.to_vec(),
        learning_rate: LEARNING_RATE,
        seed: 0,
        threads,
        adapter: adapter.map(String::from),
        options: std::collections::BTreeMap::new(),
        batch,
        warm_up: 2,
        spans: 1,
        epochs: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_six_operations_a_weight_and_sample() {
        assert_eq!(weights(), 90_500);
        assert_eq!(epoch_flop(10_000), 5.43e9);
    }

    #[test]
    fn samples_are_pixel_centers_and_colors() {
        let folder = tempfile::tempdir().unwrap();
        let (picture, file) = (folder.path().join("two.png"), folder.path().join("samples"));
        let pixels = vec![255, 0, 0, 0, 0, 255];
        image::RgbImage::from_raw(2, 1, pixels).unwrap().save(&picture).unwrap();
        let (count, constant) = write_samples(&picture, &file).unwrap();
        assert_eq!(count, 2);
        // Red and blue are each half a step away from their mean, green is not.
        assert!((constant - (0.25 + 0.0 + 0.25) / 3.0).abs() < 1e-12);
        let bytes = std::fs::read(file).unwrap();
        let values: Vec<f32> =
            bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        assert_eq!(values, [-0.5, 0.0, 1.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 1.0]);
    }
}
