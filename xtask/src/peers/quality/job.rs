//! The messages between `cargo xtask quality` and its workers: one line of JSON in, one line out.
//!
//! The worker in `xtask/peers/impasto` compiles this same file.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A network to train.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Job {
    /// The samples to train on: rows of little-endian f32, x and y in [0, 1], then the colors in [0, 1].
    pub train: PathBuf,
    /// The samples to compare the outputs with, likewise.
    pub test: PathBuf,
    /// Colors of a sample.
    pub colors: usize,
    /// Width and height of the picture whose pixels the test samples are, row by row. Its numbers are rounded to
    /// 8 bits before they are compared. `None`: they are no picture, and nothing is rounded.
    pub picture: Option<[usize; 2]>,
    /// What is computed of x and y.
    pub encoding: Encoding,
    /// Width of each hidden layer.
    pub hidden: Vec<usize>,
    /// The activation of hidden layers, in Impasto's text form. PyTorch takes `relu` alone.
    pub activation: String,
    /// The activation of the outputs: `sigmoid` or `identity`.
    pub output: String,
    /// Samples in a step; as many as there are if that is less.
    pub batch: usize,
    /// Adam's.
    pub learning_rate: f64,
    /// Adam's decay of the second moment.
    pub beta2: f64,
    /// Adam's.
    pub epsilon: f64,
    /// Whether the learning rate falls along half a cosine over the steps.
    pub cosine: bool,
    /// The most steps.
    pub steps: u64,
    /// The most seconds.
    pub seconds: Option<f64>,
    /// Bits that the parameters are rounded to after training, each on its own.
    pub bits: Vec<u32>,
    /// A folder in which Impasto leaves the first parameters (`start`) and the frequencies (`frequencies`) for
    /// PyTorch, so that both start alike.
    pub shared: Option<PathBuf>,
    /// Threads to compute with.
    pub threads: usize,
    /// Seed of all random numbers.
    pub seed: u64,
}

/// What is computed of x and y in [0, 1].
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Encoding {
    /// x and y.
    None,
    /// x and y in [-1, 1].
    Centered,
    /// Sines and cosines of x and of y with frequencies `2^e − 1` for even steps of e from 0 to `octaves`.
    /// Tancik et al. 2020, as their program has it.
    Positional {
        /// The last exponent.
        octaves: f64,
        /// Frequencies, half of them for x.
        features: usize,
    },
    /// Sines and cosines with frequencies from a normal distribution.
    Gaussian {
        /// Standard deviation.
        sigma: f64,
        /// Frequencies.
        features: usize,
    },
    /// A hash grid with two features in an entry.
    Grid {
        /// Levels.
        levels: usize,
        /// Logarithm to base 2 of the most entries of a level.
        log2_size: usize,
        /// Resolution of the first level.
        coarsest: usize,
        /// Resolution of the last level.
        finest: usize,
    },
}

/// What came of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Answer {
    /// The program, with its version.
    pub version: String,
    /// Parameters that were trained.
    pub parameters: u64,
    /// Steps that were taken.
    pub steps: u64,
    /// Samples in these steps.
    pub samples: u64,
    /// Seconds that they took, without loading, compiling and comparing.
    pub seconds: f64,
    /// PSNR of the outputs in dB.
    pub psnr: f64,
    /// MS-SSIM of a picture that is large enough, where it is computed.
    pub ms_ssim: Option<f64>,
    /// One for each number of bits.
    pub rounded: Vec<Rounded>,
}

/// What rounded parameters paint.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Rounded {
    /// Bits of a parameter.
    pub bits: u32,
    /// Bits of all parameters and of the ranges of the tensors, for each pixel.
    pub bits_a_pixel: f64,
    /// PSNR of the outputs in dB.
    pub psnr: f64,
}
