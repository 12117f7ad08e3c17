//! How much is trained: steps, and pixels in each.

use super::options::Options;
use impasto::config::Length;
use impasto::{Configuration, Trainer};

/// Pixels up to which a picture has the least budget: those of `logo.jpg`.
const SMALL: f64 = 10_000.0;

/// Steps for a small picture, and the most for a large one.
const STEPS: [f64; 2] = [4_000.0, 20_000.0];

/// Pixels of a step for a small picture, and the most for a large one.
const BATCH: [f64; 2] = [200.0, 1_000.0];

/// The share of `--time` that steps are planned for, since the pace varies.
const PLANNED: f64 = 0.97;

/// The budget that the options give.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Passes over the pixels; where steps are given, as many as those take.
    pub epochs: usize,
    /// The most steps.
    pub steps: Option<u64>,
    /// Pixels in a step.
    pub batch: usize,
    /// Seconds after which training ends.
    pub seconds: Option<f64>,
    /// Whether the steps are those that fit into the time.
    pub fills_time: bool,
}

impl Budget {
    /// The budget for a picture of so many pixels. `docs/notebook/budgets.md` has the measurements that the defaults
    /// come from.
    pub fn of(options: &Options, pixels: usize) -> Self {
        let size = pixels as f64 / SMALL;
        let batch = options.batch().unwrap_or(within(BATCH, size.powf(0.25)) as usize);
        let seconds = options.time.map(|time| time.seconds);
        let given = match options.length() {
            Some(Length::Epochs(epochs)) => {
                return Self { epochs, steps: None, batch, seconds, fills_time: false };
            }
            Some(Length::Steps(steps)) => Some(steps),
            _ => None,
        };
        let steps = given.unwrap_or(within(STEPS, size.sqrt()) as u64);
        let fills_time = given.is_none() && seconds.is_some();
        Self { epochs: 1, steps: None, batch, seconds, fills_time }.with_steps(steps, pixels)
    }

    /// The budget of a run that goes on.
    pub fn of_run(trainer: &Trainer) -> Self {
        let Trainer { epochs, steps, batch_size: batch, time_limit: seconds, .. } = *trainer;
        Self { epochs, steps, batch, seconds, fills_time: false }
    }

    /// The same with so many steps.
    pub fn with_steps(self, steps: u64, pixels: usize) -> Self {
        let each = pixels.div_ceil(self.batch.clamp(1, pixels.max(1))).max(1) as u64;
        let epochs = usize::try_from(steps.div_ceil(each)).unwrap_or(usize::MAX);
        Self { epochs: epochs.max(1), steps: Some(steps), ..self }
    }

    /// The steps that fit into the time at so many steps a second.
    pub fn filling(self, pace: f64, pixels: usize) -> Self {
        let steps = self.seconds.unwrap_or_default() * pace * PLANNED;
        self.with_steps((steps as u64).max(1), pixels)
    }

    /// `configuration` with the length and the batch of this budget.
    pub fn complete(self, configuration: Configuration) -> Configuration {
        let length = self.steps.map_or(Length::Epochs(self.epochs), Length::Steps);
        Configuration { batch_size: Some(self.batch), length: Some(length), ..configuration }
    }

    /// `trainer` with this budget.
    pub fn apply(self, trainer: Trainer) -> Trainer {
        let Self { epochs, steps, batch, seconds, .. } = self;
        Trainer { epochs, steps, batch_size: batch, time_limit: seconds, ..trainer }
    }
}

/// The least times `factor`, in steps of 50, but within the bounds.
fn within([least, most]: [f64; 2], factor: f64) -> f64 {
    ((least * factor / 50.0).round() * 50.0).clamp(least, most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn budget(arguments: &str, pixels: usize) -> Budget {
        let all = format!("paint a.png {arguments}");
        Budget::of(&Options::parse_from(all.split_whitespace()), pixels)
    }

    #[test]
    fn the_default_grows_with_the_picture_and_has_bounds() {
        let of = |pixels| {
            let Budget { epochs, steps, batch, .. } = budget("", pixels);
            (steps, batch, epochs)
        };
        assert_eq!(of(10_000), (Some(4_000), 200, 80), "the logo");
        assert_eq!(of(256), (Some(4_000), 200, 2_000), "an icon");
        assert_eq!(of(1), (Some(4_000), 200, 4_000), "a pixel");
        assert_eq!(of(40_000), (Some(8_000), 300, 60));
        assert_eq!(of(512 * 512), (Some(20_000), 450, 35));
        assert_eq!(of(12_000_000), (Some(20_000), 1_000, 2), "a photograph");
        assert_eq!(of(67_000_000), (Some(20_000), 1_000, 1));
    }

    #[test]
    fn options_replace_their_part_of_it() {
        let Budget { epochs, steps, batch, seconds, fills_time } = budget("--epochs 7", 10_000);
        assert_eq!((epochs, steps, batch, seconds, fills_time), (7, None, 200, None, false));
        let batch = budget("--batch 50", 10_000);
        assert_eq!((batch.steps, batch.epochs, batch.batch), (Some(4_000), 20, 50));
        assert_eq!(budget("--steps 51", 10_000).epochs, 2);
        let timed = budget("--time 2m", 10_000);
        assert_eq!((timed.seconds, timed.fills_time), (Some(120.0), true));
        assert_eq!(timed.filling(1_000.0, 10_000).steps, Some(116_400));
        assert!(!budget("--time 2m --steps 9", 10_000).fills_time);
        assert!(!budget("--time 2m --epochs 9", 10_000).fills_time);
        // Refused by the trainer, not by a division.
        assert_eq!(budget("--batch 0 --steps 0", 10_000).steps, Some(0));
    }
}
