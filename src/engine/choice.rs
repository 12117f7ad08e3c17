//! `Kernels` and `Precision`: the user's choices for the GPU engine.

use crate::error::{Error, Result, invalid_setting};

/// Which kernels the GPU engine uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kernels {
    /// The fused ones where they can take the network, else the layerwise.
    #[default]
    Auto,
    /// One dispatch after the other for each layer: any network.
    Layerwise,
    /// Three dispatches a training step: layers of at most 128 neurons.
    Fused,
}

impl std::str::FromStr for Kernels {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        match name {
            "auto" => Ok(Self::Auto),
            "layerwise" => Ok(Self::Layerwise),
            "fused" => Ok(Self::Fused),
            _ => invalid_setting(format!(
                "there are no kernels '{name}': choose one of auto, layerwise, fused"
            )),
        }
    }
}

/// How precisely the GPU engine computes a training step.
///
/// Predictions and evaluations are always computed in f32, and so are the first layer and the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Precision {
    /// In f32.
    #[default]
    Full,
    /// Products of f16 on the device's matrix units, with sums, parameters and optimizer state in f32. It
    /// takes networks with at least one hidden layer and at most 128 neurons in each layer, without dropout
    /// and formulas of the caller's, activations whose slope follows from their output, optimizers and
    /// wrappers that need no norm, and no accumulation. Where a run or a device does not fit, the run is
    /// computed in f32, and [`Engine::notes`](crate::Engine::notes) says why. Values of hidden layers beyond
    /// ±65,504 make a run diverge that f32 would compute. For small batches full precision can be faster.
    Mixed,
    /// In f32, but with the values, slopes and deltas of hidden layers in memory as f16. This halves most of what
    /// a step writes and reads, and its memory. It needs no matrix units and no f16
    /// arithmetic, but `pack2x16float` and 9 storage buffers. The loss is computed as in full precision. It takes any network of the fused kernels with at least one hidden layer, but
    /// no accumulation. Where a run or a device does not fit, the run is computed in full precision, and
    /// [`Engine::notes`](crate::Engine::notes) says why. Values of hidden layers beyond ±65,504 make a run diverge
    /// that full precision would compute. For batches of fewer than 3,200 samples full precision can be faster.
    /// [`Mixed`](Self::Mixed) stores f16 as well.
    F16Storage,
}

impl Precision {
    /// Its name: `full`, `mixed` or `f16-storage`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Mixed => "mixed",
            Self::F16Storage => "f16-storage",
        }
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for Precision {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        match name {
            "full" => Ok(Self::Full),
            "mixed" => Ok(Self::Mixed),
            "f16-storage" => Ok(Self::F16Storage),
            _ => invalid_setting(format!(
                "there is no precision '{name}': choose one of full, mixed, f16-storage"
            )),
        }
    }
}
