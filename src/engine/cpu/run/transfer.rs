//! Reading, restoring and going back to the parameters and the state of a run.

use super::{Progress, Run, lock, read, write};
use crate::engine::cpu::layout::{Block, flatten, flatten_lines};
use crate::engine::cpu::lines::Lines;
use crate::engine::{KEPT, MOST_KEPT};
use crate::error::Result;
use crate::memory::{self, NARROWER};
use crate::resources::Resources;
use crate::state::{State, no_state};

impl Run {
    /// Sets parameters and state to what was kept in that place.
    pub(in super::super) fn go_back(&self, place: usize) {
        for (block, kept) in self.blocks.iter().zip(&self.kept[place]) {
            write(block).go_back(&lock(kept));
        }
        *lock(&self.progress) = lock(&self.kept_progress)[place];
    }

    /// Whether there is memory for what is to be kept.
    pub(in super::super) fn can_keep(&self) -> bool {
        let vectors = 1 + self.plan.vectors();
        self.parameters.saturating_mul(vectors).saturating_mul(4 * KEPT) as u64 <= MOST_KEPT
    }

    /// The parameters that the run has resulted in so far, in the network's order.
    pub(in super::super) fn parameters(&self) -> Vec<f64> {
        let place = self.plan.average();
        let room = || Vec::with_capacity(self.parameters);
        let (mut flat, mut average) = (room(), place.map(|_| room()));
        for block in &self.blocks {
            let block = read(block);
            flatten(&block, &mut flat);
            if let (Some(place), Some(average)) = (place, &mut average) {
                flatten_lines(&block, &block.states[place], average);
            }
        }
        let Progress { batches, diverged } = *lock(&self.progress);
        let undone = diverged.is_some_and(|divergence| !divergence.in_loss);
        self.plan.wrappers.learned(batches, undone, flat, average)
    }

    /// Parameters and state after all steps so far, in the network's order.
    pub(in super::super) fn state(&self) -> Result<State> {
        let Progress { batches, diverged } = *lock(&self.progress);
        if diverged.is_some_and(|diverged| !diverged.in_loss) {
            return no_state();
        }
        let room = || memory::room(self.parameters, "the state of a run", NARROWER);
        let mut parameters = room()?;
        let vectors: Result<_> = (0..self.plan.vectors()).map(|_| room()).collect();
        let mut vectors: Vec<Vec<f64>> = vectors?;
        for block in &self.blocks {
            let block = read(block);
            flatten(&block, &mut parameters);
            for (lines, vector) in block.states.iter().zip(&mut vectors) {
                flatten_lines(&block, lines, vector);
            }
        }
        Ok(State { parameters, vectors, batches, loss_scale: None })
    }

    /// An error unless a state can be restored.
    pub(in super::super) fn check_state(&self, state: &State) -> Result<()> {
        state.check(&self.plan, self.parameters, true)
    }

    /// Sets parameters and state to those of a state that was checked.
    pub(in super::super) fn restore(&self, state: &State) {
        let vectors = std::iter::once(&state.parameters).chain(&state.vectors);
        let mut flat: Vec<&[f64]> = vectors.map(Vec::as_slice).collect();
        for block in &self.blocks {
            write(block).set(&mut flat);
        }
        *lock(&self.progress) = Progress { batches: state.batches, diverged: None };
    }

    /// The memory that the run holds, with what one kept moment takes.
    pub(super) fn measure_memory(&self) -> Resources {
        let sum = |lines: &[Lines]| lines.iter().map(|lines| lines.len()).sum::<usize>();
        let (mut parameters, mut state, mut kept, mut workspace) = (0, 0, 0, 0);
        for block in &self.blocks {
            let block = read(block);
            let Block { values, other, transposed, states, .. } = &*block;
            parameters += values.len() + other.len() + transposed.len();
            state += sum(states);
            kept += values.len() + sum(states);
        }
        for gradient in self.gradients.iter().flatten() {
            workspace += read(gradient).len();
        }
        for (tile, partial) in self.tiles.iter().zip(&self.partial) {
            workspace += read(tile).numbers() + sum(&lock(partial));
        }
        workspace += self.records.iter().map(|records| read(records).numbers()).sum::<usize>();
        workspace += self.touched.iter().map(|lines| lock(lines).len()).sum::<usize>() / 4;
        let bytes = |numbers: usize| 4 * numbers as u64;
        Resources {
            samples: 0,
            parameters: bytes(parameters),
            state: bytes(state),
            kept: bytes(kept),
            workspace: bytes(workspace),
        }
    }

    /// Inputs and outputs of the network.
    pub(in super::super) fn widths(&self) -> [usize; 2] {
        [self.shape.inputs, self.shape.outputs]
    }
}
