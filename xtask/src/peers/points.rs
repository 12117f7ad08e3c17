//! The messages between `cargo xtask scaling` and its worker.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A size to measure, one line of JSON.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Size {
    /// Whether on the GPU engine rather than the CPU engine.
    pub gpu: bool,
    /// Part of the name of the adapter; `None` is the best there is.
    pub adapter: Option<String>,
    /// Threads of the CPU engine.
    pub threads: usize,
    /// The picture.
    pub picture: PathBuf,
    /// Pixels along each side that it is enlarged or shrunk to.
    pub side: usize,
    /// Hidden layers.
    pub depth: usize,
    /// Neurons in each.
    pub width: usize,
    /// Samples in a step.
    pub batch: usize,
    /// Seconds to train for; the first third is not measured.
    pub seconds: f64,
}

/// What came of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Cost {
    /// The device that computed.
    pub device: String,
    /// Parameters of the network.
    pub parameters: u64,
    /// Seconds of loading the samples and compiling before the first step.
    pub setup_s: f64,
    /// Steps that were measured.
    pub steps: u64,
    /// Seconds a sample.
    pub sample_s: f64,
    /// The largest host memory the process held, in bytes, where the system reports it.
    pub host_bytes: Option<u64>,
    /// Device memory of the training run, in bytes, where the engine reports it.
    pub device_bytes: Option<u64>,
}
