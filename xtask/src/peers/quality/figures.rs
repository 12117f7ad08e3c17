//! The figures of `cargo xtask quality`, as stored in `docs/benchmarks/benchmarks.json`.

use serde::{Deserialize, Serialize};

use super::job::Answer;
use crate::peers::machine::Setting;

/// The last run of each table.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Quality {
    /// Pixels that were not trained on.
    pub fourier: Option<Table<Mapped>>,
    /// All pixels, with networks of several kinds.
    pub fitting: Option<Table<Fitted>>,
    /// The hash grid beside PyTorch.
    pub grid: Option<Table<Raced>>,
    /// The presets of `paint`.
    pub presets: Option<Table<Painted>>,
}

/// A table with where it was measured.
#[derive(Clone, Deserialize, Serialize)]
pub struct Table<T> {
    /// Where and when.
    pub setting: Setting,
    /// Processes that waited for a processor in the minute before, where the system reports it.
    pub load: Option<f64>,
    /// The rows.
    pub rows: Vec<T>,
}

/// A picture with one mapping of x and y.
#[derive(Clone, Deserialize, Serialize)]
pub struct Mapped {
    /// The picture.
    pub picture: String,
    /// `none`, `positional` or `gaussian`.
    pub mapping: String,
    /// What Impasto came to.
    pub ours: Answer,
    /// What PyTorch came to.
    pub theirs: Option<Answer>,
}

/// A picture with one network.
#[derive(Clone, Deserialize, Serialize)]
pub struct Fitted {
    /// The picture.
    pub picture: String,
    /// Its width and height.
    pub size: [usize; 2],
    /// The network.
    pub network: String,
    /// What came of it.
    pub answer: Answer,
}

/// A hash grid on a picture.
#[derive(Clone, Deserialize, Serialize)]
pub struct Raced {
    /// The picture.
    pub picture: String,
    /// Logarithm to base 2 of the most entries of a level.
    pub log2_size: usize,
    /// Turns of Impasto.
    pub ours: Vec<Answer>,
    /// Turns of PyTorch, the same rounds.
    pub theirs: Vec<Answer>,
    /// Impasto's run of so many seconds.
    pub timed: Answer,
    /// How many.
    pub seconds: f64,
    /// Impasto's run of so many samples.
    pub counted: Option<Answer>,
}

/// A picture with one preset of `paint`.
#[derive(Clone, Default, Deserialize, Serialize)]
pub struct Painted {
    /// The picture.
    pub picture: String,
    /// Its width and height.
    pub size: [usize; 2],
    /// `plain`, `fourier`, `siren`, `finer` or `hash`.
    pub preset: String,
    /// Parameters of the network.
    pub parameters: u64,
    /// Steps of training.
    pub steps: u64,
    /// Pixels of a step.
    pub batch: u64,
    /// Seconds of training.
    pub seconds: f64,
    /// In dB; `None` for an exact painting.
    pub psnr: Option<f64>,
    /// 1 for an exact painting.
    pub ssim: f64,
}

impl Raced {
    /// Seconds a sample in each turn of Impasto and of PyTorch.
    pub fn times(&self) -> [Vec<f64>; 2] {
        [&self.ours, &self.theirs].map(|answers| answers.iter().map(seconds_a_sample).collect())
    }
}

/// Seconds a sample.
pub fn seconds_a_sample(answer: &Answer) -> f64 {
    answer.seconds / answer.samples as f64
}
