//! What the contestants train: a network of ten layers on a picture at several batch sizes, or small networks.

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

/// After so many steps every contestant should have learned something.
const LEARNING_STEPS: usize = 400;

/// The same for small networks.
const SMALL_LEARNING_STEPS: usize = 20_000;

/// Hidden layers of the small network that learns the picture.
const SMALL_HIDDEN: [usize; 2] = [32, 32];

/// The samples of exclusive or: two inputs and a target.
const EXCLUSIVE_OR: [[f32; 3]; 4] =
    [[0.0, 0.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]];

/// Adam's learning rate for it, with which every contestant learns it in a few hundred steps.
const EXCLUSIVE_OR_RATE: f64 = 0.03;

/// A network, its samples and a batch size.
pub struct Work {
    /// For people.
    pub name: String,
    /// Samples.
    pub samples: usize,
    /// The loss of the best constant output.
    pub constant_loss: f64,
    /// After so many steps every contestant should have learned something.
    pub learning_steps: usize,
    /// The first turn of a contestant.
    pub job: Job,
}

impl Work {
    /// The picture at several batch sizes.
    ///
    /// # Errors
    ///
    /// When the picture cannot be read or its samples cannot be written into the folder.
    pub fn batches(
        picture: &Path,
        folder: &Path,
        batches: &[usize],
        threads: usize,
        adapter: Option<&str>,
    ) -> Result<Vec<Self>> {
        let file = folder.join("picture");
        let (samples, constant_loss) = write_samples(picture, &file)?;
        let work = |&batch: &usize| Self {
            name: format!("batch {batch}"),
            samples,
            constant_loss,
            learning_steps: LEARNING_STEPS,
            job: Job { adapter: adapter.map(String::from), ..job(&file, batch, threads) },
        };
        Ok(batches.iter().map(work).collect())
    }

    /// Small networks: exclusive or, and the picture with two layers of 32.
    ///
    /// # Errors
    ///
    /// As [`batches`](Self::batches).
    pub fn small(picture: &Path, folder: &Path, threads: usize) -> Result<Vec<Self>> {
        let mut works = Self::batches(picture, folder, &BATCHES[..1], threads, None)?;
        for work in &mut works {
            work.job.hidden = SMALL_HIDDEN.to_vec();
            work.name = format!("2-32-32-3, {}", work.name);
            work.learning_steps = SMALL_LEARNING_STEPS;
        }
        let file = folder.join("exclusive-or");
        let bytes: Vec<u8> =
            EXCLUSIVE_OR.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
        std::fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
        let samples = EXCLUSIVE_OR.len();
        let job = Job {
            outputs: 1,
            hidden: vec![3],
            activation: "tanh".into(),
            learning_rate: EXCLUSIVE_OR_RATE,
            // They are all in a step.
            shuffle: false,
            // An epoch is one step, too short to be measured.
            epochs: 100,
            ..job(&file, samples, threads)
        };
        let name = format!("2-3-1 (exclusive or), batch {samples}");
        let learning_steps = SMALL_LEARNING_STEPS;
        works.insert(0, Self { name, samples, constant_loss: 0.25, learning_steps, job });
        Ok(works)
    }

    /// Steps in an epoch.
    pub fn steps(&self) -> usize {
        self.samples.div_ceil(self.job.batch)
    }
}

/// Writes the samples of a picture to a file as contestants read them: (samples, the loss of the
/// best constant color).
///
/// # Errors
///
/// When the picture cannot be read or the file not written.
fn write_samples(picture: &Path, file: &Path) -> Result<(usize, f64)> {
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

/// The first turn of a contestant: what it is to train, and one epoch to see how long it takes.
fn job(samples: &Path, batch: usize, threads: usize) -> Job {
    Job {
        samples: samples.to_owned(),
        inputs: INPUTS,
        outputs: OUTPUTS,
        hidden: HIDDEN.to_vec(),
        activation: "relu".into(),
        learning_rate: LEARNING_RATE,
        shuffle: true,
        seed: 0,
        threads,
        adapter: None,
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
    fn small_networks_have_all_that_a_contestant_reads() {
        let folder = tempfile::tempdir().unwrap();
        let picture = folder.path().join("one.png");
        image::RgbImage::new(25, 20).save(&picture).unwrap();
        let works = Work::small(&picture, folder.path(), 2).unwrap();
        let steps: Vec<usize> = works.iter().map(Work::steps).collect();
        assert_eq!(steps, [1, 3]);
        for work in works {
            let bytes = std::fs::metadata(&work.job.samples).unwrap().len() as usize;
            assert_eq!(bytes, 4 * work.samples * (work.job.inputs + work.job.outputs));
            assert!(work.name.ends_with(&format!("batch {}", work.job.batch)), "{}", work.name);
        }
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
