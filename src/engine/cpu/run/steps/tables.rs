//! The part of a thread in the gradients and the update of grids.

use super::Worker;
use crate::engine::cpu::layout::Block;
use crate::engine::cpu::lines::LINE;
use crate::engine::cpu::phases::{Clock, Phase};
use crate::engine::cpu::run::{Norms, lock, read, write};
use crate::engine::cpu::scatter::add_records;
use crate::engine::cpu::update::{Around, Terms, update_table};
use crate::wrappers::Vectors;
use std::sync::atomic::Ordering;

impl Worker<'_> {
    /// The levels of grids of this thread.
    fn tables(&self) -> impl Iterator<Item = usize> + use<'_> {
        self.owned().filter(|b| *b < self.run.levels.len())
    }

    /// Adds up the gradients of the levels of this thread.
    pub(super) fn scatter(&self, clock: &mut impl Clock) {
        let run = self.run;
        if run.levels.is_empty() {
            return;
        }
        let records: Vec<_> = run.records.iter().map(read).collect();
        for b in self.tables() {
            let gradient = &mut *write(&run.gradients[0][b]);
            let touched = &mut *lock(&run.touched[b]);
            let records = records.iter().map(|records| &**records);
            let (arch, inputs) = (run.shape.arch, run.shape.inputs);
            add_records(arch, records, inputs, (b, &run.levels[b]), gradient, touched);
            clock.lap(Phase::Scatter);
        }
    }

    /// Sets the gradients of the levels of this thread to 0 again.
    pub(super) fn clear_tables(&self) {
        let run = self.run;
        for b in self.tables() {
            let gradient = &mut *write(&run.gradients[0][b]);
            for (line, touched) in gradient.chunks_exact_mut(LINE).zip(&mut *lock(&run.touched[b]))
            {
                if *touched != 0 {
                    line.fill(0.0);
                    *touched = 0;
                }
            }
        }
    }

    /// Updates a level of a grid.
    pub(super) fn update_level(&self, terms: &Terms, square: f64, b: usize, block: &mut Block) {
        let run = self.run;
        let touched = &mut *lock(&run.touched[b]);
        // What surrounds the optimizer changes what the batch did not touch too.
        let changes = |around: Around| {
            let Vectors { gathered, slow, average, .. } = around.vectors;
            gathered.or(slow).or(average).is_some()
        };
        if terms.around.is_some_and(changes) {
            touched.fill(1);
        }
        let arch = run.shape.arch;
        let finite = match run.gathered {
            None => update_table(arch, terms, square, block, &read(&run.gradients[0][b]), touched),
            Some(place) => {
                let gathered = std::mem::take(&mut block.states[place]);
                let finite = update_table(arch, terms, square, block, &gathered, touched);
                block.states[place] = gathered;
                finite
            }
        };
        if !finite {
            self.broken.store(true, Ordering::Relaxed);
        }
    }

    /// The sum of squares of the whole table that each level belongs to.
    pub(super) fn of_tables(&self, norms: &Norms) -> Vec<f64> {
        let levels = &self.run.levels;
        let of_leaf = |leaf: usize| {
            let own = levels.iter().zip(norms).filter(|(own, _)| own.leaf == leaf);
            own.flat_map(|(_, rows)| lock(rows).clone()).sum()
        };
        levels.iter().map(|own| of_leaf(own.leaf)).collect()
    }
}
