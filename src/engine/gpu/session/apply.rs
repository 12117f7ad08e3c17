//! Updates with gradients of the caller's.

use super::{GpuSession, encoder_after, number_of};
use crate::engine::gpu::recorder::{Recorder, play_steps};
use crate::engine::gpu::run_buffers::NEVER;
use crate::engine::gpu::update::Update;
use crate::engine::{Step, not_finite};
use crate::error::Result;

impl GpuSession {
    /// One update with a gradient that fits, in the network's order.
    pub(super) async fn apply_gradient(&mut self, gradient: &[f64], rate: f64) -> Result<()> {
        let count = self.next_count(1)?;
        let number = number_of(&self.numbers, count);
        if self.applied.is_none() {
            let buffer = self.gpu.storage("gradient of the caller", self.state.count).await?;
            let mut recorder = Recorder::new(&self.gpu);
            let update = Update::of(&self.plan);
            self.state.record_update(&mut recorder, update, &buffer, 1).await?;
            self.applied = Some((buffer, recorder.finish("update").await?));
        }
        let stored = self.stored_order(gradient, 0.0)?;
        let step = Step { number, epoch: 1, first: 0, count: 1, learning_rate: rate };
        let data = self.data(0, &step, self.batches + 1, count);
        let Some((buffer, dispatches)) = &self.applied else { return Ok(()) };
        self.gpu.write(buffer, bytemuck::cast_slice(&stored));
        self.gpu.write(&self.steps, bytemuck::bytes_of(&data));
        let what = "update with a gradient of the caller";
        let mut encoder = encoder_after(&mut self.copies, &self.gpu, what);
        let played = std::iter::once(dispatches.as_slice());
        play_steps(&self.gpu, &mut encoder, &self.step_group, played);
        let read = self.gpu.read(encoder, &[(&self.state.status, 0..8)], what)?;
        (self.batches, self.started) = (self.batches + 1, count);
        let status: [u32; 2] = bytemuck::pod_read_unaligned(&read.await?);
        if status == [NEVER; 2] { Ok(()) } else { not_finite() }
    }
}
