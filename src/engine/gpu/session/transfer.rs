//! The state of a run: read back, or uploaded.

use super::{GpuSession, encoder_after};
use crate::engine::gpu::readback::floats;
use crate::engine::gpu::state::{NEVER, divergence};
use crate::error::Result;
use crate::state::{State, no_state};

impl GpuSession {
    /// Parameters and state after all steps started so far, in the network's order.
    pub(super) async fn read_state(&mut self) -> Result<State> {
        let what = "status of the run";
        let encoder = encoder_after(&mut self.copies, &self.gpu, what);
        let read = self.gpu.read(encoder, &[(&self.state.status, 0..8)], what)?;
        if divergence(bytemuck::pod_read_unaligned(&read.await?)).is_some() {
            return no_state();
        }
        let parameters = self.read_vectors(&self.state.parameters, 1, "parameters").await?;
        let states = &self.state.states;
        let vectors = self.read_vectors(states, self.vectors(), "optimizer state").await?;
        Ok(State { parameters: parameters.concat(), vectors, batches: self.batches })
    }

    /// Uploads a state that fits, after everything that was started before.
    pub(super) async fn upload_state(&mut self, state: &State) -> Result<()> {
        // What is written now comes before commands that are submitted later.
        if !self.copies.is_empty() {
            let what = "status of the run";
            let encoder = encoder_after(&mut self.copies, &self.gpu, what);
            self.gpu.read(encoder, &[(&self.state.status, 0..8)], what)?.await?;
        }
        let stored = self.stored(&state.parameters, 0.0);
        self.gpu.write(&self.state.parameters, bytemuck::cast_slice(&stored));
        let initial = self.plan.optimizer.initial().into_iter().chain(std::iter::repeat(0.0));
        let vectors = state.vectors.iter().zip(initial);
        let vectors: Vec<f32> =
            vectors.flat_map(|(vector, initial)| self.stored(vector, initial)).collect();
        if !vectors.is_empty() {
            self.gpu.write(&self.state.states, bytemuck::cast_slice(&vectors));
        }
        self.gpu.write(&self.state.status, bytemuck::bytes_of(&[NEVER; 2]));
        self.batches = state.batches;
        self.gpu.check()
    }

    /// Vectors of the optimizer and of what surrounds it.
    fn vectors(&self) -> usize {
        self.plan.optimizer.states() + self.plan.wrappers.vectors().count
    }

    /// The first vectors of a buffer, each with a number for each parameter, in the network's order.
    async fn read_vectors(
        &self,
        buffer: &wgpu::Buffer,
        vectors: usize,
        what: &'static str,
    ) -> Result<Vec<Vec<f64>>> {
        let bytes = 0..4 * (vectors * self.state.count) as u64;
        let stored = self.gpu.read_in_parts(buffer, bytes, what).await?;
        let stored: Vec<f64> = floats(&stored).map(f64::from).collect();
        let in_order = |stored: &[f64]| match &self.places {
            None => stored.to_vec(),
            Some(places) => places.iter().map(|place| stored[*place]).collect(),
        };
        Ok(stored.chunks_exact(self.state.count).map(in_order).collect())
    }

    /// The same numbers as they are stored, with `padding` between them.
    fn stored(&self, vector: &[f64], padding: f64) -> Vec<f32> {
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
