//! A layerwise forward pass with a loss and no backward pass.

use super::elementwise::record_losses;
use super::{Forward, batch_weights, read_by};
use crate::engine::gpu::device::Gpu;
use crate::engine::gpu::evaluation::Sinks;
use crate::engine::gpu::recorder::Recorder;
use crate::engine::gpu::samples::{Part, Stored};
use crate::error::Result;
use crate::loss::Loss;
use crate::network::Network;

/// The buffers of a forward pass whose outputs are scored by a loss.
pub(in crate::engine::gpu) struct Scored<'a> {
    network: &'a Network,
    loss: Loss,
    samples: &'a Stored,
    forward: Forward,
    /// `[rows, outputs]`.
    targets: wgpu::Buffer,
    /// `[rows]`, where samples have weights.
    weights: Option<wgpu::Buffer>,
    /// `[rows]`.
    losses: wgpu::Buffer,
    /// `[rows, outputs]`, which the kernel of the loss computes too.
    deltas: wgpu::Buffer,
}

impl<'a> Scored<'a> {
    pub(in crate::engine::gpu) async fn new(
        gpu: &Gpu,
        network: &'a Network,
        loss: Loss,
        samples: &'a Stored,
        rows: usize,
    ) -> Result<Self> {
        let outputs = rows * network.outputs();
        Ok(Self {
            network,
            loss,
            samples,
            forward: Forward::new(gpu, network, rows, None).await?,
            targets: gpu.storage("targets of a batch", outputs).await?,
            weights: batch_weights(gpu, samples, rows).await?,
            losses: gpu.storage("losses of a batch", rows).await?,
            deltas: gpu.storage("deltas of the outputs", outputs).await?,
        })
    }

    /// Records the loss of `count` samples, each multiplied by `scale`.
    pub(in crate::engine::gpu) async fn record(
        &self,
        recorder: &mut Recorder<'_>,
        parameters: &wgpu::Buffer,
        count: usize,
        scale: f64,
        sinks: &Sinks,
    ) -> Result<()> {
        let Self { network, loss, forward, targets, losses, deltas, .. } = self;
        let part = Part { rows: 0..count, batch: count };
        let (to, weights) = ([&forward.inputs, targets], self.weights.as_ref());
        self.samples.record_gather(recorder, &part, to, weights).await?;
        forward.record(recorder, network, parameters, 0..count, read_by(*loss)).await?;
        let mut operands = vec![forward.outputs(), targets, losses, deltas];
        operands.extend(weights);
        record_losses(recorder, *loss, [count, network.outputs()], scale, &operands).await?;
        sinks.record(recorder, losses, count).await
    }
}
