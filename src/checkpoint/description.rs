//! What the metadata of a file says of its network.

use crate::activation::Activation;
use crate::input_encoding::InputEncoding;
use serde::{Deserialize, Serialize};

/// The key of the metadata that the description of a saved run is under.
pub(super) const RUN_KEY: &str = "impasto-training";

/// The metadata's value, beside what the caller adds.
#[derive(Serialize, Deserialize)]
pub(super) struct Description {
    pub(super) format: u32,
    pub(super) inputs: usize,
    pub(super) encoding: InputEncoding,
    pub(super) activations: Vec<Activation>,
    /// The rate of each layer; empty where none drops anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) dropout: Vec<f64>,
    /// Which layers are frozen; empty where none is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) frozen: Vec<bool>,
    /// Epochs that the network was trained for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) epochs: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_zero(epochs: &u64) -> bool {
    *epochs == 0
}
