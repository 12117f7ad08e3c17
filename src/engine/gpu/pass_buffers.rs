//! The buffers of a pass through a network by the fused kernels.

use super::device::Gpu;
use super::layout::Layout;
use super::shape::Shapes;
use crate::error::Result;
use crate::network::Network;

/// How many numbers the buffers have.
#[derive(Clone, Copy, Default)]
pub(super) struct Sizes {
    values: usize,
    results: usize,
    losses: usize,
    gradient: usize,
    /// Level 0 where other kernels compute it.
    first: usize,
}

impl Sizes {
    /// Those of a pass in `layout`, which has rows for whole tiles, that computes a loss or predicts, and
    /// with the loss trains or not.
    pub(super) fn new(layout: &Layout, shapes: Shapes, computes_loss: bool, trains: bool) -> Self {
        let values = layout.all_values() + layout.slack();
        let slices = layout.rows.div_ceil(shapes.slice as usize);
        let outputs = layout.rows * layout.widths[layout.layers()];
        let losses = layout.rows.div_ceil(shapes.step.rows as usize);
        Self {
            values,
            results: if computes_loss { values } else { outputs },
            losses: if computes_loss { losses } else { 1 },
            gradient: if trains { slices * layout.parameters() + layout.tables() } else { 1 },
            first: if layout.is_given { layout.rows * layout.widths[0] } else { 0 },
        }
    }

    /// Enough for both.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            values: self.values.max(other.values),
            results: self.results.max(other.results),
            losses: self.losses.max(other.losses),
            gradient: self.gradient.max(other.gradient),
            first: self.first.max(other.first),
        }
    }
}

/// The buffers of a pass, on the device. A clone shares them.
#[derive(Clone)]
pub(super) struct PassBuffers {
    /// The frequencies of an encoding of waves, or level 0 where other kernels compute it.
    pub(super) frequencies: wgpu::Buffer,
    /// The values and slopes of all levels.
    pub(super) values: wgpu::Buffer,
    /// Deltas, or what a prediction puts out.
    pub(super) results: wgpu::Buffer,
    pub(super) losses: wgpu::Buffer,
    /// One gradient a slice, and behind them that of the encoding.
    pub(super) gradient: wgpu::Buffer,
}

impl PassBuffers {
    pub(super) async fn new(gpu: &Gpu, network: &Network, sizes: Sizes) -> Result<Self> {
        let frequencies = network.encoding().frequencies(network.inputs()).unwrap_or_default();
        Ok(Self {
            frequencies: if sizes.first > 0 {
                gpu.storage("first level", sizes.first).await?
            } else {
                gpu.upload("frequencies of the encoding", &frequencies).await?
            },
            values: gpu.storage("values of all layers", sizes.values).await?,
            results: gpu.storage("deltas of all layers", sizes.results).await?,
            losses: gpu.storage("losses of a batch", sizes.losses).await?,
            gradient: gpu.storage("gradient", sizes.gradient).await?,
        })
    }
}
