//! What a batch adds to the gradients of grids.
//!
//! In the first half of a step, each thread records the inputs of its samples and the gradients with respect to the
//! features of each level. In the second half, the thread that owns a level adds them up sample by sample. So each sum has
//! the order of the batch, on any number of threads.

use super::grids::{TableLevel, grid_gradient};
use pulp::Arch;

/// The samples of a pass.
#[derive(Default)]
struct Record {
    /// The place of the first in the batch.
    first: usize,
    /// `[rows, inputs]`.
    raw: Vec<f32>,
    /// Of each level, `[rows, features]`.
    deltas: Vec<Vec<f32>>,
}

/// What a thread has recorded in a step. Its memory is used again in the next.
#[derive(Default)]
pub(super) struct Records {
    all: Vec<Record>,
    used: usize,
}

impl Records {
    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.used = 0;
    }

    /// Adds some samples, the first of which is at `first` in the batch: `raw`, `[rows, inputs]`, and the gradient with
    /// respect to the columns of all encodings, `[rows, columns]`.
    pub(super) fn add(
        &mut self,
        first: usize,
        raw: &[f32],
        of_columns: &[f32],
        columns: usize,
        levels: &[TableLevel],
    ) {
        if self.used == self.all.len() {
            self.all.push(Record::default());
        }
        let record = &mut self.all[self.used];
        self.used += 1;
        record.first = first;
        record.raw.clear();
        record.raw.extend_from_slice(raw);
        record.deltas.resize_with(levels.len(), Vec::new);
        for (own, deltas) in levels.iter().zip(&mut record.deltas) {
            deltas.clear();
            for row in of_columns.chunks_exact(columns) {
                deltas.extend_from_slice(&row[own.columns.clone()]);
            }
        }
    }

    /// Numbers that it has room for.
    pub(super) fn numbers(&self) -> usize {
        let of =
            |record: &Record| record.raw.len() + record.deltas.iter().map(Vec::len).sum::<usize>();
        self.all.iter().map(of).sum()
    }
}

/// Adds what all threads recorded for a level to its gradient, and marks the lines that it adds to.
pub(super) fn add_records<'a>(
    arch: Arch,
    records: impl Iterator<Item = &'a Records>,
    inputs: usize,
    (number, own): (usize, &TableLevel),
    gradient: &mut [f32],
    touched: &mut [u8],
) {
    let mut all: Vec<&Record> = records.flat_map(|records| &records.all[..records.used]).collect();
    all.sort_unstable_by_key(|record| record.first);
    for Record { raw, deltas, .. } in all {
        let x = own.inputs_of(raw, inputs);
        grid_gradient(arch, own, x, &deltas[number], gradient, touched);
    }
}
