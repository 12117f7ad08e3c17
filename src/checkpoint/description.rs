//! What the metadata of a file says of its network.

use crate::activation::Activation;
use crate::input_encoding::InputEncoding;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The key of the metadata that the description of a saved run is under.
pub(super) const RUN_KEY: &str = "impasto-training";

/// What is before the names of the parameters learned, if f32 cannot represent them.
pub(super) const LEARNED: &str = "training.learned.";

/// What is before the names of the parameters that training continues with, if they are others.
pub(super) const PARAMETERS: &str = "training.parameters.";

/// The least and the greatest number of each tensor of 8 bits, by its name.
pub(super) type Ranges = BTreeMap<String, [f32; 2]>;

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
    /// Empty where parameters take more than 8 bits.
    #[serde(default, skip_serializing_if = "Ranges::is_empty")]
    pub(super) ranges: Ranges,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_zero(epochs: &u64) -> bool {
    *epochs == 0
}
