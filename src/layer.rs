//! One layer of a network.

use crate::activation::Activation;
use serde::{Deserialize, Serialize};

/// One layer: `y = f(x·W + b)`, or `y = f(x·W)` without biases.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Its inputs.
    pub fan_in: usize,
    /// Its neurons, and so its outputs.
    pub fan_out: usize,
    /// What is applied to the weighted sums.
    pub activation: Activation,
    /// Whether it has biases.
    #[serde(default = "yes")]
    pub bias: bool,
}

/// Layers that were written before some had no biases have them.
fn yes() -> bool {
    true
}

impl Layer {
    /// Weights and biases together.
    pub fn parameters(self) -> usize {
        self.fan_in * self.fan_out + if self.bias { self.fan_out } else { 0 }
    }
}
