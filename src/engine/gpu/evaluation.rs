//! The loss on a dataset, computed on the device in parts.
//!
//! The dispatches of a part are recorded once.

use super::arguments::LossSum;
use super::device::{Gpu, STEP_STRIDE};
use super::kernels::KernelKey;
use super::readback::floats;
use super::recorder::{Grid, Pass, Recorder, play_steps};
use super::run_buffers::NEVER;
use super::step::StepData;
use crate::dataset::Part;
use crate::error::{Result, internal};
use crate::permutation::Permutation;
use std::sync::Arc;

/// The most samples of a part.
pub(super) const ROWS: usize = 1 << 11;

/// The most parts in a submission; fewer where buffers are small.
const SLOTS: u64 = 256;

/// The parts in a submission on a device.
fn slots(gpu: &Gpu) -> usize {
    SLOTS.min(gpu.largest_buffer() / STEP_STRIDE).max(1) as usize
}

/// Where the losses of the parts go.
pub(super) struct Sinks {
    /// One for each part of a submission.
    pub(super) sums: wgpu::Buffer,
    /// Where the kernels note losses that are not finite. An evaluation ignores it.
    pub(super) status: wgpu::Buffer,
}

impl Sinks {
    pub(super) async fn new(gpu: &Gpu) -> Result<Self> {
        let sums = gpu.storage("losses of an evaluation", slots(gpu)).await?;
        Ok(Self { sums, status: gpu.upload("status of an evaluation", &[NEVER; 2]).await? })
    }

    /// Records the sum of the first `count` of some losses.
    pub(super) async fn record(
        &self,
        recorder: &mut Recorder<'_>,
        losses: &wgpu::Buffer,
        count: usize,
    ) -> Result<()> {
        let arguments = LossSum { batch: count as u32, accumulate: 0, last: 1 };
        let operands = [losses, &self.sums, &self.status];
        recorder.call(KernelKey::new("loss_sum"), &arguments, &operands, Grid::One).await
    }
}

/// Some samples on the device, ready to be evaluated.
pub(super) struct Evaluation {
    /// For a whole part, and for what is left.
    passes: Vec<Pass>,
    sinks: Sinks,
    steps: wgpu::Buffer,
    step_group: wgpu::BindGroup,
}

impl Evaluation {
    /// `passes` leave their losses in `sinks`. The first is over a whole part.
    pub(super) async fn new(gpu: &Gpu, passes: Vec<Pass>, sinks: Sinks) -> Result<Self> {
        let steps = gpu.storage("steps", slots(gpu) * STEP_STRIDE as usize / 4).await?;
        let step_group = gpu.step_group(&steps).await?;
        Ok(Self { passes, sinks, steps, step_group })
    }

    /// The sum of the losses of the first `count` samples of a part of a dataset, each multiplied by
    /// `scale`, and the two numbers in the status buffer of a run.
    pub(super) async fn run(
        &self,
        gpu: &Arc<Gpu>,
        part: Part,
        count: usize,
        scale: f64,
        status: &wgpu::Buffer,
    ) -> Result<(f64, [u32; 2])> {
        let rows = self.passes[0].count;
        let still = Permutation::identity(count).words();
        let starts: Vec<usize> = (0..count).step_by(rows).collect();
        let (mut sum, mut beside) = (0.0, [NEVER; 2]);
        for starts in starts.chunks(slots(gpu)) {
            let step = |(slot, first): (usize, &usize)| StepData {
                order: still,
                part: part.order.words(),
                part_first: part.first as u32,
                first: *first as u32,
                slot: slot as u32,
                number: 1,
                count: rows.min(count - first) as u32,
                loss_factor: scale as f32,
                ..bytemuck::Zeroable::zeroed()
            };
            let data: Vec<StepData> = starts.iter().enumerate().map(step).collect();
            let mut played = Vec::with_capacity(starts.len());
            for data in &data {
                let fits = |pass: &&Pass| pass.count == data.count as usize;
                let Some(pass) = self.passes.iter().find(fits) else {
                    return internal(format!(
                        "no evaluation of {} samples was recorded",
                        data.count
                    ));
                };
                played.push(pass.dispatches.as_slice());
            }
            gpu.write(&self.steps, bytemuck::cast_slice(&data));
            let mut encoder = gpu.encoder("evaluation");
            play_steps(gpu, &mut encoder, &self.step_group, played.into_iter());
            let sums = 0..4 * starts.len() as u64;
            let sources = [(status, 0..8), (&self.sinks.sums, sums)];
            let bytes = gpu.read(encoder, &sources, "losses of an evaluation")?.await?;
            let (status, sums) = bytes.split_at(8);
            beside = bytemuck::pod_read_unaligned(status);
            sum += floats(sums).map(f64::from).sum::<f64>();
        }
        Ok((sum, beside))
    }
}
