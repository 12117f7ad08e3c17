//! Gradients as values: a forward and a backward pass of samples with a gradient of the caller's.
//!
//! The samples are divided into shares by their number and the network alone. Each thread takes a share at a
//! time, in tiles as in training, and adds up its gradient. The gradients of the shares are added in their
//! order, so that any number of threads gives the same bits.

use super::grids::{TableLevel, grid_gradient, table_levels};
use super::layout::{Block, Layout, Purpose};
use super::lines::{LINE, Lines};
use super::phases::Untimed;
use super::pool::Pool;
use super::run::{SLICES_AT_ONCE, WORTH_A_THREAD, check_memory};
use super::tile::{Pass, SHARE, Samples, Scaled, Shape, Tile, gradient};
use crate::error::Result;
use crate::gradients::{self, Gradients, Wanted};
use crate::loss::Loss;
use crate::network::Network;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most numbers of the workspaces that are kept from one call to the next.
const MOST_NUMBERS: usize = 1 << 24;

/// The most workspaces that are kept.
const MOST: usize = 8;

/// The most shares of some samples, unless a share has more than [`SLICES_AT_ONCE`] tiles.
const MOST_SHARES: usize = 16;

/// Samples that are worth a share: the sum over the shares reads a gradient for each.
const WORTH_A_SHARE: usize = 64;

/// The most samples of a share, in tiles of so many rows, where the gradient of this number of parameters is
/// computed. A power of two of shares divides among most numbers of threads.
pub(super) fn share(parameters: usize, samples: usize, rows: usize) -> usize {
    let worth = (parameters.saturating_mul(samples) / WORTH_A_THREAD).min(samples / WORTH_A_SHARE);
    let shares = 1 << worth.clamp(1, MOST_SHARES).ilog2();
    samples.div_ceil(shares).next_multiple_of(SHARE).clamp(1, SLICES_AT_ONCE * rows)
}

/// The passes of one thread over its samples.
pub(super) struct Passes<'a, B> {
    /// Without dropout and frozen layers.
    pub(super) shape: &'a Shape,
    pub(super) blocks: &'a [B],
    /// The [transposed weights](Block::turned) of the first layer, if the gradient of the inputs is wanted.
    pub(super) first: Option<&'a [Lines]>,
    /// The levels of all grids.
    pub(super) levels: &'a [TableLevel],
    pub(super) wanted: Wanted,
}

impl<B: Deref<Target = Block>> Passes<'_, B> {
    /// Runs the passes of a share: `inputs`, `[samples, inputs]`, and `output_gradient`,
    /// `[samples, outputs]`. Writes the gradient of the inputs to `to`, `[samples, inputs]`, which is empty
    /// if that gradient is not wanted, and that of the parameters to `gradients`, one for each block.
    pub(super) fn share(
        &self,
        tile: &mut Tile,
        [inputs, output_gradient]: [&[f32]; 2],
        to: &mut [f32],
        gradients: &mut [Lines],
    ) {
        let Self { shape, blocks, first, wanted, .. } = *self;
        let tables = wanted.parameters() && shape.has_tables;
        let pass = Pass { parameters: wanted.parameters(), first, tables };
        let levels = if tables { self.levels } else { &[] };
        let (mut of_columns, mut touched) = (Vec::new(), Vec::new());
        let rows = tile.rows();
        tile.keep_deltas(false);
        let mut to = to.chunks_mut(rows * shape.inputs);
        let some = inputs.chunks(rows * shape.inputs);
        for (t, (inputs, slopes)) in
            some.zip(output_gradient.chunks(rows * shape.outputs)).enumerate()
        {
            let count = inputs.len() / shape.inputs;
            tile.fill(shape, inputs, slopes);
            // The gradient of this loss with respect to the outputs is its targets.
            let loss = Scaled { loss: Loss::Linear, scale: 1.0 };
            tile.loss(shape, blocks, loss, count, None, &mut Untimed);
            tile.backward(shape, blocks, count, pass, &mut Untimed, |tile, layer| {
                let samples = [Samples { tile, first: 0, count }];
                for (block, sum) in blocks.iter().zip(&mut *gradients) {
                    if block.layer == layer {
                        gradient(shape, &samples, block, t > 0, sum);
                    }
                }
            });
            if let Some(encoder) = shape.encoder.as_ref().filter(|_| tables) {
                let (raw, deltas) = tile.first_gradient(shape, count);
                encoder.column_gradient(shape.arch, blocks, raw, deltas, &mut of_columns);
                for (own, sum) in levels.iter().zip(&mut *gradients) {
                    if t == 0 {
                        sum.fill(0.0);
                    }
                    touched.resize(sum.len() / LINE, 0);
                    let delta = own.deltas(&of_columns, encoder.columns());
                    let x = own.inputs_of(raw, shape.inputs);
                    grid_gradient(shape.arch, own, x, &delta, sum, &mut touched);
                }
            }
            if let Some(to) = to.next() {
                tile.input_gradient(shape, blocks, to);
            }
        }
    }

    /// The number of the network's parameters.
    fn parameters(&self) -> usize {
        self.blocks.iter().map(|block| block.rows() * block.width).sum()
    }

    /// Adds the gradients of the blocks to `sum`, in the network's order.
    pub(super) fn add(&self, gradients: &[Lines], mut sum: &mut [f64]) {
        for (block, lines) in self.blocks.iter().zip(gradients) {
            for row in lines.chunks_exact(block.stride).take(block.rows()) {
                let (own, others) = sum.split_at_mut(block.width);
                own.iter_mut().zip(row).for_each(|(sum, g)| *sum += f64::from(*g));
                sum = others;
            }
        }
    }
}

/// The buffers of one thread.
struct Worker {
    tile: Tile,
    /// The gradient of a share, one for each block. Nothing if there are fewer shares than threads.
    gradients: Vec<Lines>,
}

/// The buffers for passes of one network and one number of samples.
struct Workspace {
    /// The network without its parameters.
    network: Network,
    samples: usize,
    /// The most samples of a [share](share()).
    share: usize,
    shape: Shape,
    blocks: Vec<Block>,
    levels: Vec<TableLevel>,
    workers: Vec<Worker>,
}

impl Workspace {
    fn new(network: &Network, samples: usize, most_threads: usize) -> Result<Self> {
        let parameters = network.parameters().len();
        let work = parameters.saturating_mul(samples) / WORTH_A_THREAD;
        let threads = work.min(samples.div_ceil(SHARE)).clamp(1, most_threads);
        let layout = Layout::of(network, 1);
        let plain = network.shape().plain();
        let shape = Shape::of(&plain, &layout);
        let share = share(parameters, samples, shape.most_rows());
        let gradients = threads.min(samples.div_ceil(share));
        check_memory("the gradients of", parameters, layout.numbers(0, gradients), threads)?;
        let rows = shape.tile_rows(share.min(samples));
        let worker = |thread: usize| {
            let blocks = if thread < gradients { layout.len() } else { 0 };
            let gradients = (0..blocks).map(|b| Lines::zeros(layout.size(b))).collect();
            Worker { tile: Tile::new(&shape, rows), gradients }
        };
        Ok(Self {
            workers: (0..threads).map(worker).collect(),
            network: network.shape(),
            samples,
            share,
            shape,
            blocks: layout.blocks(network, Purpose::Gradients, &[]),
            levels: table_levels(network),
        })
    }

    /// The size of its buffers, in numbers of f32.
    fn numbers(&self) -> usize {
        let of_block = |block: &Block| block.values.len() + block.transposed.len();
        let of_worker = |worker: &Worker| {
            let gradients = worker.gradients.iter().map(|lines| lines.len()).sum::<usize>();
            worker.tile.numbers() + gradients
        };
        let blocks = self.blocks.iter().map(of_block).sum::<usize>();
        blocks + self.workers.iter().map(of_worker).sum::<usize>()
    }

    /// The gradients of the network whose parameters are in the blocks.
    fn run(
        &mut self,
        pool: &Pool,
        [inputs, output_gradient]: [&[f32]; 2],
        wanted: Wanted,
    ) -> Result<Gradients> {
        let Self { shape, blocks, levels, workers, share, samples, .. } = self;
        let (wide_in, wide_out) = (shape.inputs, shape.outputs);
        let first = wanted.inputs().then(|| vec![blocks[levels.len()].turned()]);
        let blocks: Vec<&Block> = blocks.iter().collect();
        let passes = Passes { shape, blocks: &blocks, first: first.as_deref(), levels, wanted };
        // No sum depends on the division if the gradient of the inputs alone is wanted.
        let evenly = samples.div_ceil(workers.len()).next_multiple_of(SHARE);
        let share = if wanted.parameters() { *share } else { evenly };
        let mut parameters = vec![0.0; if wanted.parameters() { passes.parameters() } else { 0 }];
        let mut gradient = vec![0.0; if wanted.inputs() { inputs.len() } else { 0 }];
        let mut to = gradient.chunks_mut(share * wide_in);
        let mut from = inputs.chunks(share * wide_in).zip(output_gradient.chunks(share * wide_out));
        for _ in 0..samples.div_ceil(share).div_ceil(workers.len()) {
            let mut shares: Vec<_> = workers
                .iter_mut()
                .zip(&mut from)
                .map(|(worker, (inputs, slopes))| {
                    (worker, [inputs, slopes], to.next().unwrap_or_default())
                })
                .collect();
            pool.each(&mut shares, |(worker, from, to)| {
                let Worker { tile, gradients } = &mut **worker;
                passes.share(tile, *from, to, gradients);
            });
            if wanted.parameters() {
                for (worker, ..) in &shares {
                    passes.add(&worker.gradients, &mut parameters);
                }
            }
        }
        Gradients::new(parameters, gradient)
    }
}

/// The workspaces that were used most recently, the latest at the end. A clone shares them.
#[derive(Clone, Default)]
pub(super) struct Kept(Arc<Mutex<Vec<Workspace>>>);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Vec<Workspace>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the workspace of a network and a number of samples, if it is kept.
    fn take(&self, network: &Network, samples: usize) -> Option<Workspace> {
        let mut kept = self.lock();
        let fits = |known: &Workspace| known.samples == samples && known.network == *network;
        let place = kept.iter().rposition(fits)?;
        Some(kept.remove(place))
    }

    /// Keeps a workspace, and drops the oldest ones while all take too much memory.
    fn keep(&self, workspace: Workspace) {
        let mut kept = self.lock();
        kept.push(workspace);
        let mut numbers: usize = kept.iter().map(Workspace::numbers).sum();
        while kept.len() > MOST || (!kept.is_empty() && numbers > MOST_NUMBERS) {
            numbers -= kept.remove(0).numbers();
        }
    }

    /// The gradients of a network, on the threads of a pool.
    pub(super) fn gradients(
        &self,
        pool: &Pool,
        network: &Network,
        inputs: &[f32],
        output_gradient: &[f32],
        wanted: Wanted,
    ) -> Result<Gradients> {
        let samples = gradients::check(network, inputs, output_gradient)?;
        if samples == 0 {
            return Gradients::of_no_sample(network.parameters().len(), wanted);
        }
        let mut workspace = if let Some(mut known) = self.take(&network.shape(), samples) {
            let mut flat = network.parameters();
            for block in &mut known.blocks {
                block.set(std::slice::from_mut(&mut flat));
            }
            known
        } else {
            Workspace::new(network, samples, pool.threads())?
        };
        let gradients = workspace.run(pool, [inputs, output_gradient], wanted);
        self.keep(workspace);
        gradients
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_worth_their_sum() {
        // Few samples, a small network, and the most shares.
        assert_eq!(share(30_000, 100, 128), 100);
        assert_eq!(share(30_000, 128, 128), 64);
        assert_eq!(share(30_000, 10_000, 128), 628);
        assert_eq!(share(10, 10_000, 128), 64 * 128);
        // More than 16, since none has more tiles than are added up at once.
        assert_eq!(share(30_000, 1_000_000, 128), 64 * 128);
        assert_eq!(share(10, 0, 4), 1);
    }
}
