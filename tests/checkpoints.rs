//! Runs that `paint` saves and goes on with, and networks of other programs.
//!
//! `IMPASTO_KILLS=100 cargo test --release --test checkpoints -- --nocapture kill` kills a hundred runs on each engine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]
#![allow(dead_code, reason = "the shared modules have more than this program needs")]

mod common;
mod pictures;

#[path = "checkpoints/foreign.rs"]
mod foreign;
#[cfg(unix)]
#[path = "checkpoints/full_disk.rs"]
mod full_disk;
#[cfg(unix)]
#[path = "checkpoints/kills.rs"]
mod kills;
#[path = "checkpoints/options.rs"]
mod options;
#[path = "paint/studio.rs"]
mod studio;

use impasto::TrainingState;
use studio::Studio;

/// What does not depend on the clock: the steps, the loss of each epoch, and all tensors of the file, to the bit.
type Learned = (u64, Vec<(u64, u64)>, Vec<(String, Vec<u8>)>);

/// What was learned by the run in a file.
fn learned(studio: &Studio, name: &str) -> Learned {
    let bytes = studio.bytes(name);
    let state = TrainingState::decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    let epochs = state.summary().history.iter();
    let losses = epochs.map(|epoch| (epoch.number, epoch.loss.to_bits())).collect();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Vec<_> =
        tensors.iter().map(|(name, tensor)| (name.to_string(), tensor.data().to_vec())).collect();
    tensors.sort();
    assert!(tensors.len() > 4, "parameters and optimizer state");
    (state.summary().steps, losses, tensors)
}
