//! Reading back and uploading the parameters and the state of a run.

use super::{GpuSession, encoder_after};
use crate::engine::Divergence;
use crate::engine::gpu::readback::floats;
use crate::engine::gpu::run_buffers::{RunBuffers, SCALE, SKIPPED_IN_ROW, STATUS, divergence};
use crate::error::Result;
use crate::state::{LossScale, State, no_state};
use std::ops::Range;

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
        let now = self.read_vectors(learned, 0..1, "parameters").await?.concat();
        let average = match self.plan.average() {
            Some(place) => {
                let what = "average parameters";
                Some(self.read_vectors(states, place..place + 1, what).await?.concat())
            }
            None => None,
        };
        let batches = self.effective_batches(diverged);
        Ok(self.plan.wrappers.learned(batches, undone, now, average))
    }

    /// The parameters that the next step changes, in the network's order.
    pub(super) async fn read_parameters(&mut self) -> Result<Vec<f64>> {
        self.flush_copies();
        Ok(self.read_vectors(&self.state.parameters, 0..1, "parameters").await?.concat())
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
        let parameters = self.read_vectors(parameters, 0..1, "parameters").await?.concat();
        let vectors = self.read_vectors(states, 0..self.plan.vectors(), "optimizer state").await?;
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
        let stored = self.stored_order(&state.parameters, 0.0);
        self.gpu.write(&self.state.parameters, bytemuck::cast_slice(&stored));
        let initial = self.plan.optimizer.initial().into_iter().chain(std::iter::repeat(0.0));
        let vectors = state.vectors.iter().zip(initial);
        let vectors: Vec<f32> =
            vectors.flat_map(|(vector, initial)| self.stored_order(vector, initial)).collect();
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

    /// Some vectors of a buffer, each with a number for each parameter, in the network's order.
    async fn read_vectors(
        &self,
        buffer: &wgpu::Buffer,
        vectors: Range<usize>,
        what: &'static str,
    ) -> Result<Vec<Vec<f64>>> {
        let size = 4 * self.state.count as u64;
        let bytes = vectors.start as u64 * size..vectors.end as u64 * size;
        let stored = self.gpu.read_in_parts(buffer, bytes, what).await?;
        let stored: Vec<f64> = floats(&stored).map(f64::from).collect();
        let in_order = |stored: &[f64]| match &self.places {
            None => stored.to_vec(),
            Some(places) => places.iter().map(|place| stored[*place]).collect(),
        };
        Ok(stored.chunks_exact(self.state.count).map(in_order).collect())
    }

    /// The same numbers as they are stored, with `padding` between them.
    pub(super) fn stored_order(&self, vector: &[f64], padding: f64) -> Vec<f32> {
        let mut stored = vec![padding as f32; self.state.count];
        match &self.places {
            None => stored.iter_mut().zip(vector).for_each(|(to, from)| *to = *from as f32),
            Some(places) => {
                for (place, from) in places.iter().zip(vector) {
                    stored[*place] = *from as f32;
                }
            }
        }
        stored
    }
}
