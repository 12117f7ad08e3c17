//! Activations, losses and their gradients in the layerwise kernels.

use crate::activation::Activation;
use crate::engine::gpu::arguments::{self, Softmax};
use crate::engine::gpu::kernels::KernelKey;
use crate::engine::gpu::recorder::{Grid, Recorder};
use crate::error::Result;
use crate::layer::Layer;
use crate::loss::Loss;

/// Records an activation in place, which stores its slopes where there is a buffer for them; nothing
/// for the identity without slopes.
pub(in crate::engine::gpu) async fn record_activation(
    recorder: &mut Recorder<'_>,
    activation: Activation,
    rows: usize,
    width: usize,
    z: &wgpu::Buffer,
    slopes: Option<&wgpu::Buffer>,
) -> Result<()> {
    let count = rows * width;
    if activation.is_identity() && slopes.is_none() {
        return Ok(());
    }
    if activation.is_row() {
        let arguments = Softmax { batch: rows as u32, outputs: width as u32 };
        return recorder
            .call(KernelKey::new("softmax"), &arguments, &[z], Grid::Elements(rows))
            .await;
    }
    let (key, buffers) = match slopes {
        None => (KernelKey::activation("activation", activation)?, vec![z]),
        Some(slopes) => (KernelKey::with_slopes(activation)?, vec![z, slopes]),
    };
    let arguments = arguments::Activation { count: count as u32 };
    recorder.call(key, &arguments, &buffers, Grid::Elements(count)).await
}

/// Records what takes a gradient from the outputs of a layer to its weighted sums, in place; `needed`
/// are the outputs, or the slopes where the layer stores them.
pub(in crate::engine::gpu) async fn record_gradient(
    recorder: &mut Recorder<'_>,
    layer: Layer,
    rows: usize,
    needed: &wgpu::Buffer,
    delta: &wgpu::Buffer,
) -> Result<()> {
    let Layer { fan_out: width, activation, .. } = layer;
    let count = rows * width;
    if activation.is_identity() && !layer.stores_slope() {
        return Ok(());
    }
    if activation.is_row() {
        let key = KernelKey::new("softmax_gradient");
        let arguments = Softmax { batch: rows as u32, outputs: width as u32 };
        return recorder.call(key, &arguments, &[needed, delta], Grid::Elements(rows)).await;
    }
    let key = if layer.stores_slope() {
        KernelKey::stored_slopes()
    } else {
        KernelKey::gradient(activation)?
    };
    let arguments = arguments::Activation { count: count as u32 };
    recorder.call(key, &arguments, &[needed, delta], Grid::Elements(count)).await
}

/// Records the loss of each row and its gradient. `operands` are outputs, targets, losses and deltas, and
/// the weights if the samples have weights.
pub(in crate::engine::gpu) async fn record_losses(
    recorder: &mut Recorder<'_>,
    loss: Loss,
    [rows, outputs]: [usize; 2],
    scale: f64,
    operands: &[&wgpu::Buffer],
) -> Result<()> {
    let key = KernelKey::loss(loss, operands.len() > 4)?;
    let (batch, outputs, scale) = (rows as u32, outputs as u32, scale as f32);
    let arguments = arguments::Loss { batch, outputs, scale };
    recorder.call(key, &arguments, operands, Grid::Elements(rows)).await
}
