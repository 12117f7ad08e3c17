//! `Kernels`: the user's choice of kernels of the GPU engine.

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
