//! Reading back and uploading the parameters and the state of a run.

use super::{GpuSession, encoder_after};
use crate::engine::Divergence;
use crate::engine::gpu::readback::float_at;
use crate::engine::gpu::run_buffers::{RunBuffers, SCALE, SKIPPED_IN_ROW, STATUS, divergence};
use crate::error::Result;
use crate::memory::{self, NARROWER};
use crate::state::{LossScale, State, no_state};

impl GpuSession {
    /// The moment at which the run diverged, after all steps started so far, by the count of the kernels.
    pub(super) async fn diverged(&mut self) -> Result<Option<Divergence>> {
        let what = "status of the run";
        let encoder = encoder_after(&mut self.copies, &self.gpu, what);
        let read = self.gpu.read(encoder, &[(&self.state.status, 0..8)], what)?;
        Ok(divergence(bytemuck::pod_read_unaligned(&read.await?)))
    }

    /// The parameters learned by all steps started so far, in the network's order.
    pub(super) async fn read_learned(&mut self) -> Result<Vec<f64>> {
        let diverged = self.diverged().await?;
        let undone = diverged.is_some_and(|diverged| !diverged.in_loss);
        let RunBuffers { parameters, previous, states, .. } = &self.state;
        let learned = if undone { previous } else { parameters };
        let now = self.read_vector(learned, 0, "parameters").await?;
        let average = match self.plan.average() {
            Some(place) => {
                let what = "average parameters";
                Some(self.read_vector(states, place, what).await?)
            }
            None => None,
        };
        let batches = self.effective_batches(diverged);
        Ok(self.plan.wrappers.learned(batches, undone, now, average))
    }

    /// The parameters that the next step changes, in the network's order.
    pub(super) async fn read_parameters(&mut self) -> Result<Vec<f64>> {
        self.flush_copies();
        self.read_vector(&self.state.parameters, 0, "parameters").await
    }

    /// The batches so far. The step that diverged and those after it have had no effect.
    fn effective_batches(&self, diverged: Option<Divergence>) -> u64 {
        let left_out = diverged.map_or(0, |diverged| self.started + 1 - diverged.step);
        self.batches.saturating_sub(left_out)
    }

    /// Parameters and state after all steps started so far, in the network's order.
    pub(super) async fn read_state(&mut self) -> Result<State> {
        let diverged = self.diverged().await?;
        if diverged.is_some_and(|diverged| !diverged.in_loss) {
            return no_state();
        }
        let batches = self.effective_batches(diverged);
        let RunBuffers { parameters, states, .. } = &self.state;
        let parameters = self.read_vector(parameters, 0, "parameters").await?;
        let mut vectors = Vec::new();
        for place in 0..self.plan.vectors() {
            vectors.push(self.read_vector(states, place, "optimizer state").await?);
        }
        let loss_scale = self.read_loss_scale().await?;
        Ok(State { parameters, vectors, batches, loss_scale })
    }

    /// The loss scale, where f16 is stored.
    async fn read_loss_scale(&self) -> Result<Option<LossScale>> {
        let status = &self.state.status;
        if self.state.initial_status.len() == STATUS.len() {
            return Ok(None);
        }
        let words = self.gpu.read_in_parts(status, 0..status.size(), "loss scale").await?;
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(&words);
        Ok(Some(LossScale { exponent: words[SCALE].cast_signed(), skipped: words[SKIPPED_IN_ROW] }))
    }

    /// Uploads a state that fits, after everything that was started before.
    pub(super) fn upload_state(&mut self, state: &State) -> Result<()> {
        // What is written now comes before commands that are submitted later.
        self.flush_copies();
        let stored = self.stored_order(&state.parameters, 0.0)?;
        self.gpu.write(&self.state.parameters, bytemuck::cast_slice(&stored));
        let initial = self.plan.optimizer.initial().into_iter().chain(std::iter::repeat(0.0));
        let count = state.vectors.len().saturating_mul(self.state.count);
        let mut vectors = memory::room(count, "uploading the optimizer's state", NARROWER)?;
        for (vector, initial) in state.vectors.iter().zip(initial) {
            vectors.extend(self.stored_order(vector, initial)?);
        }
        if !vectors.is_empty() {
            self.gpu.write(&self.state.states, bytemuck::cast_slice(&vectors));
        }
        let mut status = self.state.initial_status.to_vec();
        if let (Some(scale), true) = (state.loss_scale, status.len() > STATUS.len()) {
            status[SCALE] = scale.exponent as u32;
            status[SKIPPED_IN_ROW] = scale.skipped;
        }
        self.gpu.write(&self.state.status, bytemuck::cast_slice(&status));
        self.batches = state.batches;
        (self.started, self.numbers) = (0, Vec::new());
        self.gpu.check()
    }

    /// One of the vectors of a buffer, with a number for each parameter, in the network's order.
    async fn read_vector(
        &self,
        buffer: &wgpu::Buffer,
        place: usize,
        what: &'static str,
    ) -> Result<Vec<f64>> {
        let size = 4 * self.state.count as u64;
        let bytes = place as u64 * size..(place as u64 + 1) * size;
        let stored = self.gpu.read_in_parts(buffer, bytes, what).await?;
        let number = |place: usize| f64::from(float_at(&stored, place));
        match &self.places {
            None => memory::collect((0..self.state.count).map(number), what, NARROWER),
            Some(places) => {
                memory::collect(places.iter().map(|place| number(*place)), what, NARROWER)
            }
        }
    }

    /// The same numbers as they are stored, with `padding` between them.
    pub(super) fn stored_order(&self, vector: &[f64], padding: f64) -> Result<Vec<f32>> {
        let what = format_args!("uploading {} parameters", vector.len());
        let mut stored = memory::room(self.state.count, what, NARROWER)?;
        stored.resize(self.state.count, padding as f32);
        match &self.places {
            None => stored.iter_mut().zip(vector).for_each(|(to, from)| *to = *from as f32),
            Some(places) => {
                for (place, from) in places.iter().zip(vector) {
                    stored[*place] = *from as f32;
                }
            }
        }
        Ok(stored)
    }
}
