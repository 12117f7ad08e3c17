//! Predictions, losses and gradients with the parameters of a run.

use super::{Run, WORTH_A_THREAD, check_memory, lock, read, total, write};
use crate::dataset::Dataset;
use crate::engine::cpu::backward::{Passes, share};
use crate::engine::cpu::layout::Block;
use crate::engine::cpu::lines::Lines;
use crate::engine::cpu::phases::Untimed;
use crate::engine::cpu::threads;
use crate::engine::cpu::tile::{Scaled, Tile};
use crate::engine::{Output, not_finite};
use crate::error::{Error, Result};
use crate::gradients::{Gradients, Wanted};
use crate::loss::Loss;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, RwLockReadGuard};
use std::thread;

/// Restores the parameters in the blocks at its end.
struct Restore<'a>(&'a Run);

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        for block in &self.0.blocks {
            write(block).exchange(None);
        }
    }
}

impl Run {
    /// The outputs of whole samples with the parameters learned so far.
    pub(in super::super) fn predict(&self, inputs: &[f64], output: Output) -> Vec<f64> {
        let width = self.shape.inputs;
        let samples = inputs.len() / width;
        let parts = self.with_learned(samples, |tile, range| {
            let blocks: Vec<_> = self.blocks.iter().map(read).collect();
            let blocks: Vec<_> = blocks.iter().map(|block| &**block).collect();
            let inputs = &inputs[range.start * width..range.end * width];
            let mut outputs = vec![0.0; range.len() * self.shape.outputs];
            let rows = tile.rows();
            let to = outputs.chunks_mut(rows * self.shape.outputs);
            for (inputs, outputs) in inputs.chunks(rows * width).zip(to) {
                tile.predict(&self.shape, &blocks, inputs, output, outputs);
            }
            outputs
        });
        parts.concat()
    }

    /// The `loss` of the parameters learned so far on samples that fit, or an error if it is to be stopped.
    pub(in super::super) fn evaluate(&self, dataset: &Dataset, loss: Loss) -> Result<f64> {
        let (stop, left) = (lock(&self.stop).clone(), AtomicBool::new(false));
        let scale = loss.scale(dataset.len(), self.shape.outputs) as f32;
        let loss = Scaled { loss, scale };
        let order = crate::permutation::Permutation::identity(dataset.len());
        let parts = self.with_learned(dataset.len(), |tile, range| {
            let blocks: Vec<_> = self.blocks.iter().map(read).collect();
            let mut losses = Vec::with_capacity(range.len());
            for first in range.clone().step_by(tile.rows()) {
                if stop.is_stopping() {
                    left.store(true, Ordering::Relaxed);
                    break;
                }
                let rows = tile.rows().min(range.end - first);
                tile.gather(&self.shape, dataset, &order, first, rows);
                tile.loss(&self.shape, &blocks, loss, rows, None, &mut Untimed);
                losses.extend_from_slice(&tile.losses()[..rows]);
            }
            losses
        });
        if left.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        Ok(total(parts.iter().map(Vec::as_slice)))
    }

    /// Calls `work` for each thread's share of so many samples, while the blocks contain the parameters
    /// learned so far. Returns the results in the order of the shares.
    fn with_learned<T: Send>(
        &self,
        samples: usize,
        work: impl Fn(&mut Tile, Range<usize>) -> T + Sync,
    ) -> Vec<T> {
        // The blocks contain the moving average, if there is one, until `work` is done.
        let averages = self.plan.wrappers.ema.is_some();
        if averages {
            let learned = self.parameters();
            let mut learned = learned.as_slice();
            for block in &self.blocks {
                write(block).exchange(Some(&mut learned));
            }
        }
        // Also after a panic in `work`.
        let _restore = averages.then(|| Restore(self));
        self.in_shares(&self.shares(samples), |_, tile, range| work(tile, range))
    }

    /// The gradients with respect to the parameters and the inputs of whole samples, with the parameters
    /// that the next step changes.
    pub(in super::super) fn backward(
        &self,
        [inputs, output_gradient]: [&[f32]; 2],
        wanted: Wanted,
    ) -> Result<Gradients> {
        if lock(&self.progress).diverged.is_some_and(|diverged| !diverged.in_loss) {
            return not_finite();
        }
        let shape = &self.shape.plain();
        let [wide_in, wide_out] = self.widths();
        let samples = inputs.len() / wide_in;
        let blocks: Vec<_> = self.blocks.iter().map(read).collect();
        let turned = |blocks: &[RwLockReadGuard<Block>]| -> Vec<Lines> {
            blocks.iter().map(|block| block.turned()).collect()
        };
        let first = wanted.inputs().then(|| turned(&blocks[self.layers[0].clone()]));
        let passes = Passes {
            shape,
            blocks: &blocks,
            first: first.as_deref(),
            levels: &self.levels,
            wanted,
        };
        let (mut ranges, mut buffers) = (self.shares(samples), Vec::new());
        let threads = ranges.len();
        let mut parameters = Vec::new();
        if wanted.parameters() {
            let share = share(self.parameters, samples, read(&self.tiles[0]).rows());
            let end = |start: usize| samples.min(start + share);
            ranges = (0..samples).step_by(share).map(|start| start..end(start)).collect();
            let threads = threads.min(ranges.len());
            let size = |block: &RwLockReadGuard<Block>| block.values.len();
            let numbers = blocks.iter().map(size).sum::<usize>().saturating_mul(threads);
            check_memory("the gradients of", self.parameters, numbers, threads)?;
            let gradients = || Mutex::new(blocks.iter().map(|b| Lines::zeros(size(b))).collect());
            buffers.resize_with(threads, gradients);
            parameters.resize(self.parameters, 0.0);
        }
        let mut gradient = Vec::new();
        for ranges in ranges.chunks(threads) {
            let parts = self.in_shares(ranges, |thread, tile, range| {
                let from = &inputs[range.start * wide_in..range.end * wide_in];
                let slopes = &output_gradient[range.start * wide_out..range.end * wide_out];
                let mut to = vec![0.0; if wanted.inputs() { from.len() } else { 0 }];
                let mut buffer = buffers.get(thread).map(lock);
                let gradients = buffer.as_deref_mut().map_or(&mut [][..], Vec::as_mut_slice);
                passes.share(tile, [from, slopes], &mut to, gradients);
                to
            });
            for (thread, to) in parts.into_iter().enumerate() {
                if let Some(gradients) = buffers.get(thread) {
                    passes.add(&lock(gradients), &mut parameters);
                }
                gradient.extend(to);
            }
        }
        Gradients::new(parameters, gradient)
    }

    /// So many samples in about equal shares, one for each thread that they are worth.
    fn shares(&self, samples: usize) -> Vec<Range<usize>> {
        let threads = (self.work(samples) / WORTH_A_THREAD).clamp(1, self.tiles.len());
        let range = |thread: usize| samples * thread / threads..samples * (thread + 1) / threads;
        (0..threads).map(range).collect()
    }

    /// Calls `work` for each share of some samples on a thread of its own, with the number of the thread, or on the
    /// calling thread where the operating system starts no other. There are at most as many shares as threads.
    /// Returns the results in the order of the shares.
    fn in_shares<T: Send>(
        &self,
        shares: &[Range<usize>],
        work: impl Fn(usize, &mut Tile, Range<usize>) -> T + Sync,
    ) -> Vec<T> {
        let (wanted, work) = (shares.len(), &work);
        let share = move |thread: usize| {
            work(thread, &mut write(&self.tiles[thread]), shares[thread].clone())
        };
        thread::scope(|scope| {
            let begun = |thread| threads::start(scope, thread, move || share(thread)).ok();
            let others: Vec<_> = (1..wanted).map_while(begun).collect();
            let started = 1 + others.len();
            self.notes.add_fewer(started, wanted);
            let mut done = vec![share(0)];
            let left: Vec<T> = (started..wanted).map(share).collect();
            for other in others {
                // A panic of another thread goes on in this one.
                done.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            done.extend(left);
            done
        })
    }
}
