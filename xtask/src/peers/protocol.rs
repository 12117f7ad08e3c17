//! The messages between `cargo xtask peers` and a contestant.
//!
//! The Rust contestants in `xtask/peers` compile this same file.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A turn: the next work of a contestant. All but the last three fields stay the same from
/// turn to turn.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Job {
    /// The samples: rows of little-endian f32, the inputs before the targets.
    pub samples: PathBuf,
    /// Inputs of a sample.
    pub inputs: usize,
    /// Outputs of the network.
    pub outputs: usize,
    /// Width of each hidden layer.
    pub hidden: Vec<usize>,
    /// The activation of hidden layers: `relu` or `tanh`.
    pub activation: String,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// Whether each epoch has another order of the samples.
    pub shuffle: bool,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Threads to compute with, on the processor.
    pub threads: usize,
    /// Part of the name of the adapter to compute on; `None` is the best there is.
    pub adapter: Option<String>,
    /// What only some contestants understand.
    pub options: BTreeMap<String, serde_json::Value>,
    /// Samples in a step.
    pub batch: usize,
    /// Epochs to train before measuring.
    pub warm_up: usize,
    /// How often to measure.
    pub spans: usize,
    /// Epochs in each measured span.
    pub epochs: usize,
}

/// The answer of a contestant to a turn.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Answer {
    /// Its name.
    pub contestant: String,
    /// Its name, with the version.
    pub version: String,
    /// The device that computes.
    pub device: String,
    /// Samples in a step.
    pub batch: usize,
    /// Seconds of its very first epoch, with all that is compiled for it.
    pub first_epoch_s: f64,
    /// Mean loss of that epoch.
    pub first_loss: f64,
    /// Seconds an epoch, of each measured span.
    pub epoch_s: Vec<f64>,
    /// Mean loss of the last epoch so far.
    pub final_loss: f64,
}
