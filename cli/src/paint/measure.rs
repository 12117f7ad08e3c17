//! The PSNR of a run as it goes: from the loss, or measured on some pixels.

use super::options::Options;
use impasto::{Dataset, Loss, Metric, Result, Training};

/// Pixels that a quality is measured on, at most.
const MEASURED: usize = 1 << 16;

/// Pixels all over the picture.
pub struct Sample(Dataset);

impl Sample {
    /// Some pixels of `dataset`, the same for the same seed.
    pub fn new(dataset: &Dataset, seed: u64) -> Result<Self> {
        let share = MEASURED as f64 / dataset.len() as f64;
        Ok(Self(if share < 1.0 { dataset.split(share, seed)?.1 } else { dataset.clone() }))
    }

    /// The PSNR of the network as it is now, in dB.
    pub fn psnr(&self, training: &mut Training) -> Result<f64> {
        let metrics = training.metrics(&self.0, &[Metric::Psnr])?;
        Ok(metrics.get(Metric::Psnr).unwrap_or(f64::NEG_INFINITY))
    }
}

/// What the PSNR of colors comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Source {
    /// The loss, which becomes the mean squared error when it is multiplied by this.
    Loss(f64),
    /// A measurement, since the loss is another.
    Measurement,
    /// Nothing: classes have none.
    Nothing,
}

impl Source {
    /// That of a run with these options.
    pub fn new(options: &Options, dataset: &Dataset) -> Self {
        if options.classify {
            return Self::Nothing;
        }
        if options.loss() != Loss::MeanSquaredError {
            return Self::Measurement;
        }
        if !dataset.has_weights() {
            return Self::Loss(1.0);
        }
        // The loss is a mean over all pixels, also those of little weight.
        let weights = dataset.weights(0..dataset.len());
        let sum: f64 = weights.into_iter().map(f64::from).sum();
        Self::Loss(dataset.len() as f64 / sum)
    }

    /// The PSNR that follows from a loss, in dB.
    pub fn of_loss(self, loss: f64) -> Option<f64> {
        match self {
            Self::Loss(factor) => Some(-10.0 * (loss * factor).log10()),
            Self::Measurement | Self::Nothing => None,
        }
    }
}
