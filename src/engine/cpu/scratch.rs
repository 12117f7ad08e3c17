//! What a prediction writes on its way, kept from one to the next.

use super::lines::{Lines, stride};
use super::tile::Shape;
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, TryLockError};

/// Room for a tile of samples on its way through a network. It grows with what is asked of it.
#[derive(Default)]
pub(super) struct Scratch {
    /// Samples before the encoding, where there is one.
    pub(super) inputs: Vec<f32>,
    /// The columns of several encodings, before they are combined.
    pub(super) columns: Vec<f32>,
    /// The encoding's angles, in turns.
    pub(super) turns: Vec<f32>,
    /// What a layer is given and what it puts out, in turn, `[rows, widest]`. What is in the padding
    /// means nothing.
    pub(super) values: [Lines; 2],
}

impl Scratch {
    /// Makes room for so many samples of a network.
    #[inline]
    pub(super) fn make_room(&mut self, shape: &Shape, rows: usize) {
        let numbers = rows * stride(shape.widest.max(shape.encoded));
        if self.values[1].len() < numbers {
            self.values = [Lines::zeros(numbers), Lines::zeros(numbers)];
            if shape.encoder.is_some() {
                self.inputs = vec![0.0; rows * shape.inputs];
            }
            if let Some(frequencies) = &shape.frequencies {
                self.inputs = vec![0.0; shape.inputs];
                self.turns = vec![0.0; frequencies.len() / shape.inputs];
            }
        }
    }
}

/// A scratch with a lock, in cache lines of its own: its thread writes to it in every prediction.
#[derive(Default)]
#[repr(align(128))]
struct Slot(Mutex<Scratch>);

/// A scratch for each of some threads. A thread never waits for another.
pub(super) struct Scratches(Box<[Slot]>);

/// Slots for callers beside the engine's own threads.
const MORE: usize = 8;

thread_local! {
    /// Where this thread begins to look for a free slot.
    static FIRST: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Where the next thread begins to look.
static NEXT: AtomicUsize = AtomicUsize::new(0);

impl Scratches {
    /// For an engine of so many threads.
    pub(super) fn new(threads: usize) -> Self {
        Self((0..threads + MORE).map(|_| Slot::default()).collect())
    }

    /// Calls `work` with a scratch that no other thread uses meanwhile: the thread's own slot, if it is
    /// free, else another, and a new scratch if none is.
    #[inline]
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        let mut first = FIRST.get();
        if first == usize::MAX {
            first = NEXT.fetch_add(1, Ordering::Relaxed) >> 1;
            FIRST.set(first);
        }
        let (before, after) = self.0.split_at(first % self.0.len());
        for slot in after.iter().chain(before) {
            match slot.0.try_lock() {
                Ok(mut scratch) => return work(&mut scratch),
                // After a panic: what is in a scratch means nothing.
                Err(TryLockError::Poisoned(poisoned)) => return work(&mut poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        work(&mut Scratch::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_finds_no_free_slot_does_not_wait() {
        let scratches = Scratches::new(1);
        let depth = 1 + MORE + 3;
        fn nest(scratches: &Scratches, depth: usize) -> usize {
            if depth == 0 { 0 } else { 1 + scratches.with(|_| nest(scratches, depth - 1)) }
        }
        assert_eq!(nest(&scratches, depth), depth);
    }
}
