//! The steps and the samples of a run.

use impasto::{Dataset, Trainer};

/// How a run is divided into steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    samples: u64,
    batch: u64,
    /// Steps in an epoch.
    pub steps_per_epoch: u64,
    /// Steps in all, if nothing stops them.
    pub steps: u64,
}

impl Pace {
    /// The pace of a run on `dataset`.
    pub fn of(trainer: &Trainer, dataset: &Dataset) -> Self {
        let batch = trainer.batch_size.clamp(1, dataset.len());
        let steps_per_epoch = dataset.len().div_ceil(batch) as u64;
        let steps = steps_per_epoch.saturating_mul(trainer.epochs as u64);
        let steps = trainer.steps.map_or(steps, |most| most.min(steps));
        Self { samples: dataset.len() as u64, batch: batch as u64, steps_per_epoch, steps }
    }

    /// Samples that so many steps take.
    pub fn samples(&self, steps: u64) -> u64 {
        let (epochs, rest) = (steps / self.steps_per_epoch, steps % self.steps_per_epoch);
        epochs * self.samples + rest * self.batch
    }

    /// The epoch of a step, both from 1.
    pub fn epoch(&self, step: u64) -> u64 {
        step.saturating_sub(1) / self.steps_per_epoch + 1
    }
}
