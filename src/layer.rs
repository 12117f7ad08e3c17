//! `Layer`: widths, activation, biases and dropout of one layer.

use crate::activation::{Activation, Backward};
use serde::{Deserialize, Serialize};

/// One layer: `y = f(x·W + b)`, or `y = f(x·W)` without biases.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Layer {
    /// Its inputs.
    pub fan_in: usize,
    /// Its neurons, which is also the number of its outputs.
    pub fan_out: usize,
    /// The function applied to the weighted sums.
    pub activation: Activation,
    /// Whether it has biases.
    #[serde(default = "yes")]
    pub bias: bool,
    /// The rate of dropout: the probability with which a training step sets an output to 0, in [0, 1);
    /// 0 drops nothing. The outputs that are kept are divided by 1 − rate; predictions drop nothing.
    /// See [`Builder::dropout`](crate::Builder::dropout).
    #[serde(default)]
    pub dropout: f64,
    /// Whether training leaves its parameters as they are; see [`Network::freeze`](crate::Network::freeze).
    #[serde(default)]
    pub frozen: bool,
}

/// Layers that were written before some had no biases have them.
fn yes() -> bool {
    true
}

impl Layer {
    /// What the backward pass needs of the forward pass. With dropout the slopes, which are 0 where an
    /// output is dropped.
    pub(crate) fn backward(self) -> Backward {
        if self.dropout > 0.0 { Backward::Slope } else { self.activation.backward() }
    }

    /// Whether the forward pass stores its slopes for the backward pass.
    pub(crate) fn stores_slope(self) -> bool {
        self.backward() == Backward::Slope
    }

    /// The same layer without dropout, not frozen.
    pub(crate) fn plain(self) -> Self {
        Self { dropout: 0.0, frozen: false, ..self }
    }

    /// The number of its weights and biases.
    pub fn parameters(self) -> usize {
        self.fan_in * self.fan_out + if self.bias { self.fan_out } else { 0 }
    }
}
