//! Gradients as values: a forward and a backward pass of samples with a gradient of the caller's.
//!
//! Each thread takes its share of the samples, in tiles as in training, and adds up a gradient of its own.
//! The gradients of the threads are added in their order, so that the same number of threads gives the same
//! bits.

use super::layout::{Block, Layout, Purpose};
use super::lines::Lines;
use super::pool::Pool;
use super::run::{TILES_AT_ONCE, WORTH_A_THREAD, check_memory};
use super::tile::{Pass, SHARE, Shape, Tile};
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

/// The passes of one thread over its samples.
pub(super) struct Passes<'a, B> {
    /// Without dropout and frozen layers.
    pub(super) shape: &'a Shape,
    pub(super) blocks: &'a [B],
    /// The [transposed weights](Block::turned) of the first layer, if the gradient of the inputs is wanted.
    pub(super) first: Option<&'a [Lines]>,
    pub(super) wanted: Wanted,
}

impl<B: Deref<Target = Block>> Passes<'_, B> {
    /// Runs the passes of some samples: `inputs`, `[samples, inputs]`, and `output_gradient`,
    /// `[samples, outputs]`. Writes the gradient of the inputs to `to`, `[samples, inputs]`, which is empty
    /// if that gradient is not wanted. The gradient of the parameters is the sum of two parts: `gradients`,
    /// one for each block, and `sum`, in the network's order, which is empty if it would be 0.
    pub(super) fn share(
        &self,
        tile: &mut Tile,
        [inputs, output_gradient]: [&[f32]; 2],
        to: &mut [f32],
        gradients: &mut [Lines],
        sum: &mut Vec<f64>,
    ) {
        let Self { shape, blocks, first, wanted } = *self;
        let rows = tile.rows();
        sum.clear();
        let mut to = to.chunks_mut(rows * shape.inputs);
        let some = inputs.chunks(rows * shape.inputs);
        for (t, (inputs, slopes)) in
            some.zip(output_gradient.chunks(rows * shape.outputs)).enumerate()
        {
            let rows = inputs.len() / shape.inputs;
            let accumulate = t % TILES_AT_ONCE > 0;
            if wanted.parameters() && t > 0 && !accumulate {
                self.add(gradients, sum);
            }
            tile.fill(shape, inputs, slopes);
            // The gradient of this loss with respect to the outputs is its targets.
            tile.loss(shape, blocks, Loss::Linear, 1.0, rows, None);
            let pass = Pass { parameters: wanted.parameters(), first, accumulate };
            tile.backward(shape, blocks, rows, pass, gradients);
            if let Some(to) = to.next() {
                tile.input_gradient(shape, to);
            }
        }
    }

    /// Adds the gradients of the blocks to `sum`, in the network's order. An empty sum counts as zeros.
    pub(super) fn add(&self, gradients: &[Lines], sum: &mut Vec<f64>) {
        if sum.is_empty() {
            let numbers = |block: &B| block.rows() * block.width;
            sum.resize(self.blocks.iter().map(numbers).sum(), 0.0);
        }
        let mut sum = sum.iter_mut();
        for (block, lines) in self.blocks.iter().zip(gradients) {
            for row in lines.chunks_exact(block.stride).take(block.rows()) {
                row[..block.width].iter().zip(&mut sum).for_each(|(g, sum)| *sum += f64::from(*g));
            }
        }
    }
}

/// The buffers of one thread.
struct Worker {
    tile: Tile,
    /// The gradients of the latest tiles, one for each block.
    gradients: Vec<Lines>,
    /// The sum of the gradients of earlier tiles, in the network's order.
    sum: Vec<f64>,
}

/// The buffers for passes of one network and one number of samples.
struct Workspace {
    /// The network without its parameters.
    network: Network,
    samples: usize,
    /// The most samples of a worker.
    share: usize,
    shape: Shape,
    blocks: Vec<Block>,
    workers: Vec<Worker>,
}

impl Workspace {
    fn new(network: &Network, samples: usize, most_threads: usize) -> Result<Self> {
        let work = network.parameters().len().saturating_mul(samples) / WORTH_A_THREAD;
        let threads = work.min(samples.div_ceil(SHARE)).clamp(1, most_threads);
        let share = samples.div_ceil(threads).next_multiple_of(SHARE);
        let threads = samples.div_ceil(share);
        let layout = Layout::of(network, 1);
        check_memory("the gradients of", network, layout.numbers(0, threads), threads)?;
        let plain = network.shape().plain();
        let shape = Shape::of(&plain, &layout);
        let rows = shape.tile_rows(share.min(samples));
        let worker = |_| Worker {
            tile: Tile::new(&shape, rows, Purpose::Gradients),
            gradients: (0..layout.len()).map(|b| Lines::zeros(layout.size(b))).collect(),
            sum: Vec::new(),
        };
        Ok(Self {
            workers: (0..threads).map(worker).collect(),
            network: network.shape(),
            samples,
            share,
            shape,
            blocks: layout.blocks(network, Purpose::Gradients, &[]),
        })
    }

    /// The size of its buffers, in numbers of f32.
    fn numbers(&self) -> usize {
        let of_block = |block: &Block| block.values.len() + block.transposed.len();
        let of_worker = |worker: &Worker| {
            let gradients = worker.gradients.iter().map(|lines| lines.len()).sum::<usize>();
            worker.tile.numbers() + gradients + 2 * worker.sum.capacity()
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
        let Self { shape, blocks, workers, share, .. } = self;
        let first = wanted.inputs().then(|| vec![blocks[0].turned()]);
        let blocks: Vec<&Block> = blocks.iter().collect();
        let passes = Passes { shape, blocks: &blocks, first: first.as_deref(), wanted };
        let mut gradient = vec![0.0; if wanted.inputs() { inputs.len() } else { 0 }];
        let mut to = gradient.chunks_mut(*share * shape.inputs);
        let from = inputs.chunks(*share * shape.inputs);
        let from = from.zip(output_gradient.chunks(*share * shape.outputs));
        let shares = workers.iter_mut().zip(from);
        let mut shares: Vec<_> = shares
            .map(|(worker, (inputs, slopes))| {
                (worker, [inputs, slopes], to.next().unwrap_or_default())
            })
            .collect();
        pool.each(&mut shares, |(worker, from, to)| {
            let Worker { tile, gradients, sum } = &mut **worker;
            passes.share(tile, *from, to, gradients, sum);
        });
        let mut parameters = Vec::new();
        if wanted.parameters() {
            for Worker { gradients, sum, .. } in &*workers {
                passes.add(gradients, &mut parameters);
                parameters.iter_mut().zip(sum).for_each(|(all, some)| *all += *some);
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
