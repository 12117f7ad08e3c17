//! Buffers and dispatches of a training step in mixed precision, and the tasks that it supports.

use super::layout::{MixedLayout, Tile, WORKGROUP};
use super::texts;
use crate::engine::Plan;
use crate::engine::gpu::device::Gpu;
use crate::engine::gpu::fused::{self, Source, WIDEST};
use crate::engine::gpu::kernels::KernelKey;
use crate::engine::gpu::recorder::{Dispatch, Grid, Recorder, Work};
use crate::error::{Result, unsupported};
use crate::loss::Loss;
use crate::network::Network;

/// The most storage buffers of a kernel, the step included.
const STORAGE_BUFFERS: u32 = 10;

/// The tile for a network and batches of `rows` on a device.
///
/// # Errors
/// The device has no matrices for it, or too little memory in a workgroup.
pub(in crate::engine::gpu) fn tile(gpu: &Gpu, network: &Network, rows: usize) -> Result<Tile> {
    let matrices = match &gpu.matrices {
        Ok(matrices) => *matrices,
        Err(reason) => return unsupported(reason.as_str()),
    };
    let limits = &gpu.limits;
    let memory = limits.max_compute_workgroup_storage_size as usize;
    let tile = Tile::new(network, rows, matrices.size, memory, gpu.abilities.software);
    match tile {
        Some(tile) if limits.max_storage_buffers_per_shader_stage >= STORAGE_BUFFERS => Ok(tile),
        _ => unsupported(format!(
            "mixed precision needs more memory of a workgroup or more storage buffers than {} has",
            gpu.info.adapter
        )),
    }
}

/// Whether a step of `rows` samples can be computed in mixed precision.
///
/// # Errors
/// The reason why it cannot.
pub(in crate::engine::gpu) fn check(
    gpu: &Gpu,
    network: &Network,
    plan: &Plan,
    rows: usize,
) -> Result<()> {
    let layers = network.layers();
    if network.encoding().is_general() {
        return unsupported(
            "mixed precision takes networks without an encoding or with one set of waves",
        );
    }
    if layers.len() < 2 {
        return unsupported("mixed precision takes networks with a hidden layer");
    }
    if layers.iter().any(|layer| layer.fan_out > WIDEST) {
        return unsupported(format!("mixed precision takes layers of at most {WIDEST} neurons"));
    }
    if layers.iter().any(|layer| layer.dropout > 0.0) {
        return unsupported("mixed precision takes no dropout");
    }
    if layers.iter().any(|layer| layer.activation.is_custom()) || plan.loss.is_custom() {
        return unsupported("mixed precision takes no formulas of the caller's");
    }
    if let Some(layer) = layers.iter().find(|layer| layer.stores_slope()) {
        return unsupported(format!(
            "mixed precision takes activations whose slope follows from their output, and not {}",
            layer.activation
        ));
    }
    let wrappers = plan.wrappers;
    if plan.optimizer.square().is_some() || wrappers.clip_norm.is_some() {
        return unsupported("mixed precision takes no optimizer or clipping that needs a norm");
    }
    if wrappers.accumulate.is_some() {
        return unsupported("mixed precision gathers no gradients of several batches");
    }
    let layout = MixedLayout::new(network, rows, tile(gpu, network, rows)?);
    let base = &layout.base;
    let words = [
        layout.numbers.div_ceil(2),
        base.rows * base.pitches[0],
        layout.slices() * layout.gradient(),
        layout.copies(),
    ];
    let largest = words.into_iter().max().unwrap_or(0);
    let tiles = base.rows / layout.tile.samples as usize;
    let most = gpu.limits.max_compute_workgroups_per_dimension as usize;
    if 4 * largest as u64 > gpu.largest_buffer() || tiles > most {
        return unsupported(
            "mixed precision takes a batch that fits in a buffer and in a dispatch",
        );
    }
    Ok(())
}

/// The kernels of a step.
pub(in crate::engine::gpu) struct Keys {
    pass: KernelKey,
    gradients: KernelKey,
    parameters: KernelKey,
}

impl Keys {
    pub(in crate::engine::gpu) fn new(
        network: &Network,
        layout: &MixedLayout,
        source: &Source,
        loss: Loss,
    ) -> Result<Self> {
        Ok(Self {
            pass: texts::step(network, layout, source.samples, loss)?,
            gradients: texts::gradients(layout)?,
            parameters: texts::parameters(layout),
        })
    }
}

/// A pass through the network and back with its buffers.
pub(in crate::engine::gpu) struct MixedStep {
    pub(in crate::engine::gpu) layout: MixedLayout,
    keys: Keys,
    source: Source,
    frequencies: wgpu::Buffer,
    /// The f16 copies of the weights.
    pub(in crate::engine::gpu) copies: wgpu::Buffer,
    /// The inputs in f32.
    first: wgpu::Buffer,
    /// Values and deltas.
    pub(in crate::engine::gpu) levels: wgpu::Buffer,
    losses: wgpu::Buffer,
    /// One gradient a slice.
    pub(in crate::engine::gpu) gradient: wgpu::Buffer,
}

impl MixedStep {
    pub(in crate::engine::gpu) async fn new(
        gpu: &Gpu,
        network: &Network,
        layout: MixedLayout,
        source: Source,
        loss: Loss,
    ) -> Result<Self> {
        let keys = Keys::new(network, &layout, &source, loss)?;
        let frequencies = network.encoding().frequencies(network.inputs()).unwrap_or_default();
        let (rows, base) = (layout.base.rows, &layout.base);
        let tiles = rows / layout.tile.samples as usize;
        let gradient = layout.slices() * layout.gradient();
        Ok(Self {
            keys,
            source,
            frequencies: gpu.upload("frequencies of the encoding", &frequencies).await?,
            copies: gpu.storage("weights in f16", layout.copies()).await?,
            first: gpu.storage("inputs of a batch", rows * base.pitches[0]).await?,
            levels: gpu.storage("values and deltas in f16", layout.numbers.div_ceil(2)).await?,
            losses: gpu.storage("losses of a batch", tiles).await?,
            gradient: gpu.storage("gradient", gradient).await?,
            layout,
        })
    }

    /// The dispatches that write the f16 copies of the weights.
    pub(in crate::engine::gpu) async fn copying(
        &self,
        gpu: &Gpu,
        parameters: &wgpu::Buffer,
    ) -> Result<Vec<Dispatch>> {
        let mut recorder = Recorder::new(gpu);
        let work = Grid::Workgroups([self.layout.base.parameters().div_ceil(WORKGROUP), 1, 1]);
        let buffers = [parameters, &self.copies];
        recorder.call(self.keys.parameters.clone(), &(), &buffers, work).await?;
        recorder.finish("weights in f16").await
    }

    /// Records a pass of `count` samples, the gradients and the sum of the losses.
    pub(in crate::engine::gpu) async fn record(
        &self,
        recorder: &mut Recorder<'_>,
        parameters: &wgpu::Buffer,
        count: usize,
        [sums, status]: [&wgpu::Buffer; 2],
    ) -> Result<()> {
        let Self { layout, keys, source, frequencies, copies, first, levels, losses, gradient } =
            self;
        let [inputs, targets] = &source.buffers;
        let work = pass_work(layout, count);
        let buffers =
            [parameters, inputs, targets, frequencies, copies, first, levels, losses, status];
        recorder.call(keys.pass.clone(), &(), &buffers, work).await?;
        let work = gradients_work(layout, count);
        let buffers = [first, levels, losses, gradient, sums, status];
        recorder.call(keys.gradients.clone(), &(), &buffers, work).await
    }
}

/// The work of a pass of `count` samples and back.
pub(in crate::engine::gpu) fn pass_work(layout: &MixedLayout, count: usize) -> Work {
    let tiles = count.div_ceil(layout.tile.samples as usize);
    let (operations, numbers) = layout.base.pass_cost(count, true);
    // Half the bytes of f32.
    Work::new(Grid::Workgroups([tiles, 1, 1]), operations, numbers / 2.0)
}

/// The work of the gradients of a pass of `count` samples.
pub(in crate::engine::gpu) fn gradients_work(layout: &MixedLayout, count: usize) -> Work {
    let slices = layout.slices();
    let (operations, numbers) = layout.base.gradient_cost(count, slices);
    // One workgroup more adds up the losses.
    let workgroups = layout.layers() - 1 + layout.first_blocks() + 1;
    Work::new(Grid::Workgroups([workgroups, slices, 1]), operations, numbers / 2.0)
}

/// The parameters in f32, in the layout of the fused kernels.
pub(in crate::engine::gpu) async fn upload_parameters(
    gpu: &Gpu,
    network: &Network,
    layout: &MixedLayout,
) -> Result<wgpu::Buffer> {
    fused::upload_parameters(gpu, network, &layout.base).await
}
