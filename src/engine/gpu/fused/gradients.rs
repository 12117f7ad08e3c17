//! A fused forward and backward pass with a gradient of the caller's.

use super::{Fused, Keys, PREDICTED, Source, check};
use crate::engine::gpu::arguments::BiasGradient;
use crate::engine::gpu::backpropagation::{self, Backpropagation, Buffers, Part};
use crate::engine::gpu::device::Gpu;
use crate::engine::gpu::kernels::KernelKey;
use crate::engine::gpu::layout::Layout;
use crate::engine::gpu::measuring::Trial;
use crate::engine::gpu::recorder::{Grid, Pass, Recorder};
use crate::engine::gpu::run_buffers::NEVER;
use crate::engine::gpu::specialize::Samples;
use crate::engine::gpu::tuning;
use crate::error::Result;
use crate::gradients::Wanted;
use crate::loss::Loss;
use crate::network::Network;
use std::sync::Arc;

/// Samples that go through the network at once.
fn rows(samples: usize) -> usize {
    samples.min(PREDICTED)
}

/// Whether the fused kernels can compute these gradients of a network. They compute none of the inputs, and of
/// encodings that have kernels of their own they are only given what the first layer takes.
pub(in crate::engine::gpu) fn fits(
    gpu: &Gpu,
    network: &Network,
    samples: usize,
    wanted: Wanted,
) -> bool {
    wanted == Wanted::Parameters
        && !network.encoding().is_general()
        && check(gpu, network, rows(samples)).is_ok()
}

/// The passes of `samples` samples, at least 1, through a network without dropout and frozen layers. They
/// read `parameters`, in the order of the fused kernels, or a buffer of their own.
pub(in crate::engine::gpu) async fn gradients(
    gpu: &Arc<Gpu>,
    network: &Network,
    parameters: Option<&wgpu::Buffer>,
    samples: usize,
) -> Result<Backpropagation> {
    let rows = rows(samples);
    let layout = Layout::new(network, rows);
    let count = layout.parameters();
    let parameters = match parameters {
        Some(parameters) => parameters.clone(),
        None => gpu.storage("parameters", count + layout.slack()).await?,
    };
    let [wide_in, wide_out] = [network.inputs(), network.outputs()];
    let inputs = gpu.storage("inputs of a batch", rows * wide_in).await?;
    // The gradient of the linear loss with respect to the outputs is its targets.
    let targets = gpu.storage("targets of a batch", rows * wide_out).await?;
    let source = Source { samples: Samples::TABLE, buffers: [inputs.clone(), targets.clone()] };
    let trial = Trial { network, loss: Loss::Linear, batch: rows, source: &source, packed: false };
    let shapes = tuning::shapes(gpu, &gpu.cache, false, &trial).await?;
    let keys = Keys::training(network, rows, shapes, source.samples, Loss::Linear)?;
    let fused = Fused::new(gpu, network, rows, shapes, source, keys).await?;
    let sums = gpu.storage("sum of the losses", 1).await?;
    let status = gpu.upload("status of a backward pass", &[NEVER; 2]).await?;
    let gradient = gpu.storage("gradient of all slices", count).await?;
    let mut parts = Vec::new();
    for (of_part, adds) in backpropagation::parts(samples, rows) {
        let mut recorder = Recorder::new(gpu);
        fused.record_step(&mut recorder, &parameters, of_part, [&sums, &status]).await?;
        // The sum of the slices is the sum of the rows of a matrix.
        let arguments = BiasGradient {
            batch: fused.slices() as u32,
            outputs: count as u32,
            offset: 0,
            accumulate: adds.into(),
            slice: fused.slices() as u32,
            stride: 0,
        };
        let key = KernelKey::new("bias_gradient");
        let operands = [&fused.buffers.gradient, &gradient];
        recorder.call(key, &arguments, &operands, Grid::Elements(count)).await?;
        let pass = Pass { count: of_part, dispatches: recorder.finish("backward pass").await? };
        parts.push(Part::new(gpu, pass, adds).await?);
    }
    let (gradient, input_gradient) = (Some(gradient), None);
    let buffers =
        Buffers { parameters, inputs, output_gradient: targets, gradient, input_gradient };
    let places = Some(layout.places(network));
    Ok(Backpropagation::new(buffers, [wide_in, wide_out], count, places, parts))
}
