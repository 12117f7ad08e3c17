//! The buffers that a training run changes.

use super::device::Gpu;
use super::recorder::Recorder;
use super::update::{self, Operands, Update};
use crate::engine::Divergence;
use crate::error::Result;
use std::ops::Range;

/// A step's place in the status buffer while none has diverged.
pub(super) const NEVER: u32 = u32::MAX;

/// The status buffer before the first step.
pub(super) const STATUS: [u32; 2] = [NEVER; 2];

/// The loss scale that a run begins with: its logarithm to base 2.
const FIRST_SCALE: u32 = 3;

/// The status buffer before the first step where f16 is stored; its words are in `shaders/shared/loss_scale.wgsl`.
pub(super) const SCALED_STATUS: [u32; 6] = [NEVER, NEVER, FIRST_SCALE, 0, 0, 0];

/// Places in it: the logarithm of the loss scale, and how many steps were skipped one after the other.
pub(super) const SCALE: usize = 2;
pub(super) const SKIPPED_IN_ROW: usize = 4;

/// The buffers of a run that the kernels change, whichever they are.
pub(super) struct RunBuffers {
    pub(super) parameters: wgpu::Buffer,
    /// The parameters before the last step.
    pub(super) previous: wgpu::Buffer,
    /// The optimizer's state and the vectors of what surrounds it, `[states, count]`.
    pub(super) states: wgpu::Buffer,
    /// The norms of the gradient, and in how many pieces, where the update needs them.
    pub(super) norms: Option<(wgpu::Buffer, usize)>,
    /// The places of parameters that stay as they are.
    frozen: Vec<Range<usize>>,
    /// The place from which on parameters are scattered, if any are.
    scattered: Option<usize>,
    /// Parameters with their padding.
    pub(super) count: usize,
    /// The loss of each step of a submission.
    pub(super) sums: wgpu::Buffer,
    /// The first steps whose loss and whose update was not finite; where f16 is stored also the loss scale.
    pub(super) status: wgpu::Buffer,
    /// What it contains before the first step.
    pub(super) initial_status: &'static [u32],
}

impl RunBuffers {
    /// For `parameters` in these segments that change by `update`, but for its frozen ones, and `slots` steps in a
    /// submission.
    pub(super) async fn new(
        gpu: &Gpu,
        parameters: wgpu::Buffer,
        segments: &[Range<usize>],
        update: Update<'_>,
        slots: usize,
        initial_status: &'static [u32],
    ) -> Result<Self> {
        let count = segments.last().map_or(0, |segment| segment.end);
        let initial = update.optimizer.initial();
        let states = gpu.storage("optimizer state", update.states() * count).await?;
        if initial.iter().any(|value| *value != 0.0) {
            let each = initial.iter().flat_map(|value| std::iter::repeat_n(*value as f32, count));
            gpu.write(&states, bytemuck::cast_slice(&each.collect::<Vec<f32>>()));
        }
        if let Some(slow) = update.wrappers.vectors().slow {
            let first = (initial.len() + slow) * count;
            gpu.copy(&parameters, &states, 4 * first as u64, 4 * count as u64);
        }
        Ok(Self {
            frozen: update.frozen.to_vec(),
            scattered: update.scattered,
            norms: update::upload_pieces(gpu, update, segments).await?,
            parameters,
            previous: gpu.storage("parameters before the last step", count).await?,
            states,
            count,
            sums: gpu.storage("losses of the steps", slots).await?,
            status: gpu.upload("first steps that diverged", initial_status).await?,
            initial_status,
        })
    }

    /// Records the update by a gradient that comes in `slices` parts.
    pub(super) async fn record_update(
        &self,
        recorder: &mut Recorder<'_>,
        update: Update<'_>,
        gradient: &wgpu::Buffer,
        slices: usize,
    ) -> Result<()> {
        self.record_update_of(recorder, update, [gradient, gradient], slices).await
    }

    /// The same of an update that also writes the f16 copies of the weights, the second buffer, if it is one
    /// of mixed precision.
    pub(super) async fn record_update_of(
        &self,
        recorder: &mut Recorder<'_>,
        update: Update<'_>,
        [gradient, copies]: [&wgpu::Buffer; 2],
        slices: usize,
    ) -> Result<()> {
        let Self { parameters, states, previous, status, norms, count, .. } = self;
        let norms = norms.as_ref();
        let update = Update { frozen: &self.frozen, scattered: self.scattered, ..update };
        let count = *count;
        let copies = update.f16.places().map(|_| copies);
        let operands = Operands {
            gradient,
            slices,
            count,
            parameters,
            states,
            previous,
            status,
            norms,
            copies,
        };
        update::record(recorder, update, &operands).await
    }
}

/// What the status buffer says.
pub(super) fn divergence([loss, update]: [u32; 2]) -> Option<Divergence> {
    let step = loss.min(update);
    (step != NEVER).then_some(Divergence { step: step.into(), in_loss: loss <= update })
}
