//! The samples and the learning rate of each step.

use super::Trainer;
use crate::engine::Step;
use crate::summary::{OpenEpoch, Summary};

/// The steps of a run.
pub(super) struct Timetable {
    pub(super) samples: usize,
    batch_size: usize,
    pub(super) steps_per_epoch: u64,
    pub(super) steps: u64,
}

impl Timetable {
    pub(super) fn new(trainer: &Trainer, samples: usize) -> Self {
        let batch_size = trainer.batch_size.min(samples);
        let steps_per_epoch = samples.div_ceil(batch_size) as u64;
        let steps = trainer.most_steps(steps_per_epoch.saturating_mul(trainer.epochs as u64));
        Self { samples, batch_size, steps_per_epoch, steps }
    }

    /// The step of that number, from 1.
    pub(super) fn step(&self, number: u64, trainer: &Trainer, multiplier: f64) -> Step {
        let epoch = (number - 1) / self.steps_per_epoch + 1;
        let first = ((number - 1) % self.steps_per_epoch) as usize * self.batch_size;
        let schedule = trainer.schedule.after_warm_up(trainer.warm_up, number, self.steps, epoch);
        // A schedule may fall so far that the product is 0, which is no rate. The session refuses a rate that
        // is negative or not finite.
        let rate = trainer.learning_rate * multiplier * schedule;
        let learning_rate = if rate >= 0.0 { rate.max(f64::MIN_POSITIVE) } else { rate };
        Step {
            number,
            epoch,
            first,
            count: self.batch_size.min(self.samples - first),
            learning_rate,
        }
    }

    /// Whether a run with these numbers is after so many steps.
    pub(super) fn is_at(&self, steps: u64, open: &OpenEpoch, summary: &Summary) -> bool {
        let (epochs, open_steps) = (steps / self.steps_per_epoch, steps % self.steps_per_epoch);
        let in_open = open_steps as usize * self.batch_size;
        let samples = epochs.checked_mul(self.samples as u64).map(|all| all + in_open as u64);
        summary.steps == steps
            && open.samples == in_open
            && Some(summary.samples) == samples
            && summary.is_after(epochs)
    }

    /// Whether it is the last of its epoch.
    pub(super) fn ends_epoch(&self, step: &Step) -> bool {
        step.first + step.count == self.samples
    }
}
