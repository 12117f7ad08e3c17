//! The part of a thread in the forward and backward pass of a step.

use super::{Worker, loss_of, training};
use crate::dropout::Masks;
use crate::engine::Step;
use crate::engine::cpu::phases::{Clock, Phase};
use crate::engine::cpu::run::{Slice, all_samples, lock, read, shared, write};
use crate::engine::cpu::tile::{Dropout, Samples, Scaled, Tile};
use crate::permutation::Permutation;
use std::ops::Range;
use std::sync::atomic::Ordering;

impl Worker<'_> {
    /// Whether the step is to be left: no more samples are taken.
    fn leaves(&self) -> bool {
        let leaves = self.stop.is_stopping();
        if leaves {
            self.left.store(true, Ordering::Relaxed);
        }
        leaves
    }

    /// Takes some groups of the batch forward and back: their losses and gradients.
    pub(super) fn take_groups(
        &self,
        step: &Step,
        order: &Permutation,
        slices: &[Slice],
        groups: usize,
        clock: &mut impl Clock,
    ) {
        let (run, threads) = (self.run, self.threads());
        let own = groups * self.thread / threads..groups * (self.thread + 1) / threads;
        let mut partial = lock(&run.partial[self.thread]);
        for group in own.clone() {
            *lock(&run.losses[group]) = 0.0;
        }
        let tile = &mut *write(&run.tiles[self.thread]);
        tile.keep_deltas(false);
        for slice in slices.iter().filter(|slice| own.contains(&slice.group)) {
            if self.leaves() {
                return;
            }
            let count = slice.samples.len();
            self.pass(step, order, &slice.samples, tile, clock, |tile, layer| {
                for b in run.layers[layer].clone() {
                    let parts = [Samples { tile, first: 0, count }];
                    self.add(slice, &parts, b, &read(&run.blocks[b]), &mut partial);
                }
            });
            *lock(&run.losses[slice.group]) += loss_of(&[Samples { tile, first: 0, count }]);
        }
    }

    /// Takes this thread's part of some slices forward and back.
    pub(super) fn take_part(
        &self,
        step: &Step,
        order: &Permutation,
        slices: &[Slice],
        clock: &mut impl Clock,
    ) {
        let run = self.run;
        let all = all_samples(slices);
        let own = shared(all.len(), self.threads(), self.thread);
        let tile = &mut *write(&run.tiles[self.thread]);
        tile.keep_deltas(true);
        if !self.leaves() && !own.is_empty() {
            let own = all.start + own.start..all.start + own.end;
            self.pass(step, order, &own, tile, clock, |_, _| {});
        }
    }

    /// Takes some samples of the batch forward and back in a tile. Calls `each` when a layer that is not frozen
    /// has its deltas.
    fn pass(
        &self,
        step: &Step,
        order: &Permutation,
        samples: &Range<usize>,
        tile: &mut Tile,
        clock: &mut impl Clock,
        each: impl FnMut(&Tile, usize),
    ) {
        let run = self.run;
        let (rows, first) = (samples.len(), samples.start);
        let (shape, loss) = (&run.shape, run.plan.loss);
        let scale = loss.scale(step.count, shape.outputs) as f32;
        let loss = Scaled { loss, scale };
        let dropout = Dropout { masks: Masks::new(run.plan.seed, step.number), first };
        let blocks: Vec<_> = run.blocks.iter().map(read).collect();
        clock.lap(Phase::Other);
        tile.gather(shape, &run.dataset, order, step.first + first, rows);
        clock.lap(Phase::Gather);
        tile.loss(shape, &blocks, loss, rows, Some(dropout), clock);
        tile.backward(shape, &blocks, rows, training(shape.has_tables), clock, each);
        if let Some(encoder) = shape.encoder.as_ref().filter(|_| shape.has_tables) {
            let (raw, deltas) = tile.first_gradient(shape, rows);
            let (mut of_columns, columns) = (Vec::new(), encoder.columns());
            encoder.column_gradient(shape.arch, &blocks, raw, deltas, &mut of_columns);
            let mut records = write(&run.records[self.thread]);
            records.add(first, raw, &of_columns, columns, &run.levels);
            clock.lap(Phase::Scatter);
        }
    }
}
