//! The steps of a training run on the CPU, on several threads.

mod evaluate;
mod need;
mod profile;
mod steps;
mod transfer;

use super::grids::{TableLevel, table_levels};
use super::layout::{Block, Kept, Layout, Purpose};
use super::lines::{LINE, Lines};
use super::scatter::Records;
use super::tile::{SHARE, Samples, Shape, Tile};
use crate::dataset::Dataset;
use crate::engine::notes::Notes;
use crate::engine::{Divergence, KEPT, Plan};
use crate::error::Result;
use crate::memory;
use crate::network::Network;
use crate::resources::Resources;
use crate::stop::StopHandle;
use std::cmp::Reverse;
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Multiplications with a parameter that are worth a thread of their own in a step: two
/// meetings cost about as much as those.
pub(super) const WORTH_A_THREAD: usize = 400_000;

/// Slices whose gradients are added up by themselves before they are added to those of the slices before
/// them: so rounding errors grow with the longer of two short chains, not with a long one.
pub(super) const SLICES_AT_ONCE: usize = 64;

/// Samples that are worth four groups: the sum over the groups reads a gradient for each.
const WORTH_FOUR_GROUPS: usize = 4_096;

/// The most groups of a batch.
const MOST_GROUPS: usize = 4;

/// The most numbers in the gradients of all groups.
const MOST_NUMBERS: usize = 1 << 24;

/// Some samples of a batch whose gradient is one sum, term by term.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Slice {
    /// Which group of the batch it belongs to.
    group: usize,
    /// Which slice of the group it is.
    number: usize,
    /// Whether it is the group's last.
    is_last: bool,
    /// Its samples in the batch.
    samples: Range<usize>,
}

/// How far a run is.
#[derive(Clone, Copy, Default)]
struct Progress {
    /// Batches whose gradients were taken.
    batches: u64,
    diverged: Option<Divergence>,
}

/// The sums of the squares of the rows of each block's gradient.
type Norms = Vec<Mutex<Vec<f64>>>;

/// What a training run consists of, and what its threads share.
///
/// Locks are never waited for: between two meetings of the threads a tile is written by its
/// own thread alone or read by all, and so is a block.
pub(super) struct Run {
    pub(super) plan: Plan,
    pub(super) dataset: Dataset,
    /// How many the network has.
    pub(super) parameters: usize,
    /// How many of them each sample is multiplied by: those of the layers.
    dense: usize,
    shape: Shape,
    blocks: Vec<RwLock<Block>>,
    /// The blocks of each layer.
    layers: Vec<Range<usize>>,
    /// Whether each layer is frozen.
    frozen: Vec<bool>,
    /// Which state of a block gathers the gradients of several batches, if an update is for several.
    gathered: Option<usize>,
    /// The blocks that each thread updates, if all can be started.
    owned: Vec<Vec<usize>>,
    /// Of each thread.
    tiles: Vec<RwLock<Tile>>,
    /// The gradient of each group of the batch, by block.
    gradients: Vec<Vec<RwLock<Lines>>>,
    /// The levels of all grids, whose blocks come first.
    levels: Vec<TableLevel>,
    /// Of each thread: what its samples add to the gradients of grids.
    records: Vec<RwLock<Records>>,
    /// Of each level: which lines of its gradient are not 0.
    touched: Vec<Mutex<Vec<u8>>>,
    /// The loss of each group, where a thread has taken all of it.
    losses: Vec<Mutex<f64>>,
    /// Of each thread: the gradient of some slices by block, where a group has more than are added up at once.
    partial: Vec<Mutex<Vec<Lines>>>,
    /// Of the gradient of each block, before it is clipped by its norm, and after.
    norms: [Norms; 2],
    progress: Mutex<Progress>,
    /// What is kept of each block.
    kept: [Vec<Mutex<Kept>>; KEPT],
    kept_progress: Mutex<[Progress; KEPT]>,
    /// Whether steps were left out, since a thread panicked.
    failed: AtomicBool,
    /// What has steps and evaluations abandoned.
    stop: Mutex<StopHandle>,
    /// Of the engine.
    pub(super) notes: Arc<Notes>,
    /// The memory that it holds, with what one kept moment takes.
    pub(super) resources: Resources,
}

impl Run {
    pub(super) fn new(
        network: &Network,
        plan: Plan,
        dataset: &Dataset,
        most_threads: usize,
    ) -> Result<Self> {
        let batch = plan.batch_size.min(dataset.len());
        let dense = network.parameters().len() - network.encoding_parameters();
        let work = dense.saturating_mul(batch) / WORTH_A_THREAD;
        let threads = work.min(batch.div_ceil(SHARE)).clamp(1, most_threads);
        Self::with_threads(network, plan, dataset, threads)
    }

    /// On so many threads.
    fn with_threads(
        network: &Network,
        plan: Plan,
        dataset: &Dataset,
        threads: usize,
    ) -> Result<Self> {
        let batch = plan.batch_size.min(dataset.len());
        let layout = Layout::of(network, threads);
        let mut states = plan.optimizer.initial();
        let vectors = plan.wrappers.vectors();
        states.resize(states.len() + vectors.count, 0.0);
        let shape = Shape::of(network, &layout);
        let dense = network.parameters().len() - network.encoding_parameters();
        let groups = groups(dense, batch);
        let rows = shape.most_rows().min(batch.next_multiple_of(SHARE));
        // A smaller batch may be one group where this one is several.
        let in_parts = batch > SLICES_AT_ONCE * rows;
        let partial = if in_parts { threads } else { 0 };
        let need =
            need::of(&layout, &shape, states.len(), groups + partial, (threads, rows, batch));
        let parameters = network.parameters().len();
        need.check(format_args!("training {parameters} parameters on {threads} threads"))?;
        // The gradients of tables are added up once, not by groups.
        let zeros = |b: usize, first: bool| {
            Lines::zeros(if first || b >= layout.tables { layout.size(b) } else { 0 })
        };
        let gradient =
            |group: usize| (0..layout.len()).map(|b| RwLock::new(zeros(b, group == 0))).collect();
        let parts =
            || (0..if in_parts { layout.len() } else { 0 }).map(|b| zeros(b, false)).collect();
        let touched = |b: usize| vec![0; layout.size(b) / LINE];
        let mut blocks = layout.blocks(network, Purpose::Training, &states);
        if let Some(slow) = vectors.slow {
            for block in &mut blocks {
                block.states[plan.optimizer.states() + slow].copy_from_slice(&block.values);
            }
        }
        let norms = || (0..layout.len()).map(|_| Mutex::default()).collect();
        let mut run = Self {
            plan,
            dataset: dataset.clone(),
            parameters: network.parameters().len(),
            dense,
            blocks: blocks.into_iter().map(RwLock::new).collect(),
            layers: layout.layers.clone(),
            frozen: network.layers().iter().map(|layer| layer.frozen).collect(),
            gathered: vectors.gathered.map(|place| plan.optimizer.states() + place),
            owned: owners(&layout, threads),
            tiles: (0..threads).map(|_| RwLock::new(Tile::new(&shape, rows))).collect(),
            gradients: (0..groups).map(gradient).collect(),
            levels: table_levels(network),
            records: (0..threads).map(|_| RwLock::default()).collect(),
            touched: (0..layout.tables).map(|b| Mutex::new(touched(b))).collect(),
            losses: (0..groups).map(|_| Mutex::default()).collect(),
            partial: (0..threads).map(|_| Mutex::new(parts())).collect(),
            shape,
            norms: [norms(), norms()],
            progress: Mutex::default(),
            kept: std::array::from_fn(|_| (0..layout.len()).map(|_| Mutex::default()).collect()),
            kept_progress: Mutex::default(),
            failed: AtomicBool::new(false),
            stop: Mutex::default(),
            notes: Arc::default(),
            resources: Resources::default(),
        };
        run.resources = run.measure_memory();
        Ok(run)
    }

    /// The slices of a batch of `count`. They follow from it and from the network alone, and every bit of a
    /// step from them: so the number of threads changes no bit.
    fn slices(&self, count: usize) -> Vec<Slice> {
        let groups = groups(self.dense, count);
        let of_group = |group: usize| {
            let all = shared(count, groups, group);
            let rows = self.shape.tile_rows(all.len());
            all.clone().step_by(rows).enumerate().map(move |(number, start)| {
                let samples = start..all.end.min(start + rows);
                Slice { group, number, is_last: samples.end == all.end, samples }
            })
        };
        (0..groups).flat_map(of_group).collect()
    }

    /// From now on, the handle has steps and evaluations abandoned.
    pub(super) fn stop_with(&self, stop: &StopHandle) {
        *lock(&self.stop) = stop.clone();
    }

    /// The work of so many samples: multiplications by a parameter.
    pub(super) fn work(&self, samples: usize) -> usize {
        self.dense.saturating_mul(samples)
    }
}

/// An error if the operating system would not give the memory that a task needs.
pub(super) fn check_memory(
    task: &str,
    parameters: usize,
    numbers: usize,
    threads: usize,
) -> Result<()> {
    if memory::has_room::<f32>(numbers) {
        return Ok(());
    }
    let what = format_args!("{task} {parameters} parameters on {threads} threads");
    memory::missing((numbers as u64).saturating_mul(4), what, "make the layers narrower")
}

/// Which blocks each thread updates: the largest first, each to the thread with least to do.
///
/// Levels of grids take turns, since each has as much to add up as the others.
fn owners(layout: &Layout, threads: usize) -> Vec<Vec<usize>> {
    let mut blocks: Vec<usize> = (layout.tables..layout.len()).collect();
    blocks.sort_by_key(|b| Reverse(layout.size(*b)));
    let mut owned = vec![(0, Vec::new()); threads];
    for block in blocks {
        if let Some((work, blocks)) = owned.iter_mut().min_by_key(|(work, _)| *work) {
            *work += layout.size(block);
            blocks.push(block);
        }
    }
    let mut owned: Vec<Vec<usize>> = owned.into_iter().map(|(_, blocks)| blocks).collect();
    for table in 0..layout.tables {
        owned[table % threads].push(table);
    }
    owned
}

/// The groups of a batch of `count`, whose gradients are added up in the end: few, since each costs memory
/// and its part of the sum. A batch that is not worth two threads is one group, and so is any
/// batch of a network whose gradients take much memory.
fn groups(parameters: usize, count: usize) -> usize {
    let worth = parameters.saturating_mul(count) / WORTH_A_THREAD;
    let most = worth.min(MOST_NUMBERS / parameters).min(count.div_ceil(SHARE));
    match most {
        0 | 1 => 1,
        MOST_GROUPS.. if count >= WORTH_FOUR_GROUPS => MOST_GROUPS,
        _ => 2,
    }
}

/// Whether so many threads take whole groups: they do where these divide about evenly.
fn takes_whole_groups(threads: usize, groups: usize) -> bool {
    20 * groups.div_ceil(threads) * threads <= 23 * groups
}

/// The samples of `count` that a thread takes: about as many as the others. So it is with groups.
fn shared(count: usize, threads: usize, thread: usize) -> Range<usize> {
    let groups = count.div_ceil(SHARE);
    // The remainders go to the first threads, what is left of the last group to the last.
    let end = |thread: usize| (groups * thread).div_ceil(threads) * SHARE;
    end(thread).min(count)..end(thread + 1).min(count)
}

/// Some slices of a batch that all threads have taken forward and back, each some of the samples.
struct Round<'a> {
    tiles: Vec<RwLockReadGuard<'a, Tile>>,
    slices: &'a [Slice],
}

impl<'a> Round<'a> {
    fn new(run: &'a Run, threads: usize, slices: &'a [Slice]) -> Self {
        Self { tiles: run.tiles[..threads].iter().map(read).collect(), slices }
    }

    /// The slices with their samples in their order.
    fn parts(&self) -> Vec<(&Slice, Vec<Samples<'_>>)> {
        let Self { tiles, slices } = self;
        let all = all_samples(slices);
        let of_slice = |slice: &'a Slice| {
            let own = slice.samples.start - all.start..slice.samples.end - all.start;
            let of_tile = |thread: usize| {
                let there = shared(all.len(), tiles.len(), thread);
                let common = own.start.max(there.start)..own.end.min(there.end);
                (!common.is_empty()).then(|| Samples {
                    tile: &tiles[thread],
                    first: common.start - there.start,
                    count: common.len(),
                })
            };
            (slice, (0..tiles.len()).filter_map(of_tile).collect())
        };
        slices.iter().map(of_slice).collect()
    }
}

/// The samples of slices that follow each other.
fn all_samples(slices: &[Slice]) -> Range<usize> {
    let start = slices.first().map_or(0, |slice| slice.samples.start);
    start..slices.last().map_or(start, |slice| slice.samples.end)
}

/// The sum of losses, in an order that depends on their number alone, not on their division into parts.
fn total<'a>(parts: impl Iterator<Item = &'a [f32]>) -> f64 {
    // Several sums, so that one addition does not wait for the other.
    let (mut sums, mut number) = ([0.0; 8], 0_usize);
    for part in parts {
        for loss in part {
            sums[number % 8] += f64::from(*loss);
            number += 1;
        }
    }
    sums.iter().sum()
}

/// A lock, also after its last holder panicked: a panic ends the run, so that nothing reads a half-made
/// step.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

fn lock<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::threads::most;
    use super::*;
    use crate::engine::{Compute, Outcome, Step, reference::ReferenceEngine};
    use crate::{Accumulate, Activation, Loss, Optimizer, Wrappers};
    use pollster::block_on;

    /// Losses, parameters and divergence after 3 epochs with an update for so many batches, on so many
    /// threads or the reference.
    fn train(
        threads: Option<usize>,
        batch_size: usize,
        batches: u64,
        rate: f64,
    ) -> (Outcome, Vec<f64>) {
        let network = Network::builder(3)
            .hidden(&[70, 33], Activation::Tanh)
            .dropout(0.25)
            .output(2, Activation::Identity)
            .build()
            .expect("a network");
        let numbers = |n: usize| (0..n).map(|i| (i * 37 % 101) as f32 / 101.0 - 0.4).collect();
        let dataset = Dataset::new(numbers(61 * 3), numbers(61 * 2), 3, 2).expect("samples");
        let weights: Vec<f64> = (0..61).map(|i| f64::from(i % 4) / 2.0).collect();
        let dataset = dataset.with_weights(&weights).expect("a weight a sample");
        let accumulate = (batches > 1).then_some(Accumulate { batches });
        let plan = Plan {
            loss: Loss::MeanSquaredError,
            optimizer: Optimizer::SGD,
            l2: 0.0,
            batch_size,
            shuffle: Some(5),
            seed: 9,
            wrappers: Wrappers { accumulate, ..Wrappers::default() },
        };
        let per_epoch = 61_usize.div_ceil(batch_size);
        let step = |i: usize| Step {
            number: i as u64 + 1,
            epoch: (i / per_epoch) as u64 + 1,
            first: i % per_epoch * batch_size,
            count: batch_size.min(61 - i % per_epoch * batch_size),
            // Large in one step only, where it is to break the parameters.
            learning_rate: if i == 3 { rate } else { 0.05 },
        };
        let steps: Vec<Step> = (0..3 * per_epoch).map(step).collect();
        let Some(threads) = threads else {
            let engine = ReferenceEngine::new();
            let session = engine.start(&network, &plan, &dataset);
            let mut session = block_on(session).expect("a plan that fits");
            let outcome = session.train(&steps).expect("steps that fit");
            let outcome = block_on(outcome).expect("no device to fail");
            return (outcome, block_on(session.parameters()).expect("no device to fail"));
        };
        let run = Run::with_threads(&network, plan, &dataset, threads).expect("memory");
        (run.train(&steps, None).expect("threads"), run.parameters())
    }

    #[test]
    fn any_number_of_threads_trains_as_the_reference() {
        for (batch_size, batches) in [(1, 1), (3, 1), (20, 1), (61, 1), (3, 2), (20, 4)] {
            let (expected, parameters) = train(None, batch_size, batches, 0.05);
            let one = train(Some(1), batch_size, batches, 0.05);
            for threads in 1..=7 {
                let (outcome, got) = train(Some(threads), batch_size, batches, 0.05);
                let near = |a: &f64, b: &f64| (a - b).abs() < 2e-5;
                assert!(
                    outcome.losses.iter().zip(&expected.losses).all(|(a, b)| near(a, b))
                        && got.iter().zip(&parameters).all(|(a, b)| near(a, b)),
                    "{threads} threads, batch {batch_size}"
                );
                assert_eq!((outcome, got), one, "the bits of one thread");
            }
        }
    }

    #[test]
    fn a_broken_update_is_undone_on_all_threads() {
        for threads in 1..=7 {
            for batches in [1, 2] {
                let (outcome, parameters) = train(Some(threads), 10, batches, 1e300);
                assert_eq!(outcome.diverged, Some(Divergence { step: 4, in_loss: false }));
                assert!(parameters.iter().all(|p| p.is_finite()), "{threads} threads");
            }
        }
    }

    #[test]
    fn the_transposed_weights_of_a_broken_update_are_undone_too() {
        let network = Network::builder(3)
            .hidden(&[5], Activation::Tanh)
            .output(2, Activation::Identity)
            .build()
            .expect("a network");
        let dataset = Dataset::new(vec![0.5; 12], vec![0.1; 8], 3, 2).expect("samples");
        let plan = Plan {
            loss: Loss::MeanSquaredError,
            optimizer: Optimizer::SGD,
            l2: 0.0,
            batch_size: 4,
            shuffle: None,
            seed: 0,
            wrappers: Wrappers::default(),
        };
        let run = Run::new(&network, plan, &dataset, 1).expect("memory");
        let before = read(&run.blocks[1]).transposed.to_vec();
        let step = Step { number: 1, epoch: 1, first: 0, count: 4, learning_rate: 1e300 };
        let outcome = run.train(&[step], None).expect("threads");
        assert_eq!(outcome.diverged, Some(Divergence { step: 1, in_loss: false }));
        assert_eq!(*read(&run.blocks[1]).transposed, *before);
    }

    #[test]
    fn slices_cover_a_batch() {
        let network = Network::builder(4)
            .hidden(&[100, 100], Activation::Relu)
            .output(2, Activation::Identity)
            .build()
            .expect("a network");
        let dataset = Dataset::new(vec![0.0; 40_000], vec![0.0; 20_000], 4, 2).expect("samples");
        let plan = Plan {
            loss: Loss::MeanSquaredError,
            optimizer: Optimizer::SGD,
            l2: 0.0,
            batch_size: 10_000,
            shuffle: None,
            seed: 0,
            wrappers: Wrappers::default(),
        };
        let run = Run::with_threads(&network, plan, &dataset, 3).expect("memory");
        for (count, groups) in [(1, 1), (30, 1), (80, 2), (200, 2), (4_095, 2), (10_000, 4)] {
            let slices = run.slices(count);
            assert_eq!(slices.last().expect("a slice").group + 1, groups, "{count}");
            assert_eq!(all_samples(&slices), 0..count);
            for pair in slices.windows(2) {
                assert_eq!(pair[0].samples.end, pair[1].samples.start);
                let next = (pair[0].group, pair[0].number + 1);
                let next = if pair[0].is_last { (pair[0].group + 1, 0) } else { next };
                assert_eq!((pair[1].group, pair[1].number), next);
            }
            assert!(slices.iter().all(|slice| (1..=128).contains(&slice.samples.len())));
        }
        // Gradients that take much memory are few.
        assert_eq!(groups(MOST_NUMBERS, 10_000), 1);
    }

    #[test]
    fn shares_cover_a_batch() {
        for count in [1, 2, 5, 61, 200] {
            for threads in 1..9 {
                let shares: Vec<_> = (0..threads).map(|t| shared(count, threads, t)).collect();
                assert_eq!((shares[0].start, shares[threads - 1].end), (0, count));
                assert!(shares.windows(2).all(|pair| pair[0].end == pair[1].start));
            }
        }
        assert_eq!(shared(200, 2, 0), 0..100);
    }

    #[test]
    fn a_run_goes_on_with_fewer_threads() {
        let (base, state) = with_fewer(&[]);
        for started in [vec![1], vec![2, 3, 1], vec![5, 4], vec![4, 1, 5]] {
            let (losses, found) = with_fewer(&started);
            assert_eq!((losses, found), (base.clone(), state.clone()), "{started:?}");
        }
    }

    /// The bits of losses, state, predictions and gradients of a run on five threads, of which the operating system
    /// starts so many, in turns.
    fn with_fewer(started: &[usize]) -> (Vec<u64>, Vec<u64>) {
        let encoding = crate::Encoding::from_name("grid:levels=4,log2_size=8").expect("a grid");
        let network = Network::builder(2)
            .encoding(encoding)
            .hidden(&[40, 70], Activation::Tanh)
            .output(2, Activation::Identity)
            .build()
            .expect("a network");
        let numbers = |n: usize| (0..n).map(|i| (i * 37 % 101) as f32 / 101.0).collect();
        let dataset = Dataset::new(numbers(2_000), numbers(2_000), 2, 2).expect("samples");
        let plan = Plan {
            loss: Loss::MeanSquaredError,
            optimizer: Optimizer::ADAM,
            l2: 0.0,
            batch_size: 1_000,
            shuffle: Some(5),
            seed: 9,
            wrappers: Wrappers::default(),
        };
        let run = Run::with_threads(&network, plan, &dataset, 5).expect("memory");
        let mut losses = Vec::new();
        for number in 1..=6 {
            let steps =
                [Step { number, epoch: number, first: 0, count: 1_000, learning_rate: 0.01 }];
            let most = started.iter().cycle().nth(number as usize).copied().unwrap_or(usize::MAX);
            let outcome = most::with(most, || run.train(&steps, Some(0))).expect("trains");
            losses.extend(outcome.losses);
            if number == 3 {
                most::with(most, || run.go_back(0));
            }
        }
        let most = started.first().copied().unwrap_or(usize::MAX);
        let state = most::with(most, || {
            let inputs = vec![0.3; 20_000];
            let outputs = run.predict(&inputs, crate::engine::Output::Activated);
            let gradients = run.backward([&numbers(2_000), &numbers(2_000)], crate::Wanted::Both);
            let gradients = gradients.expect("gradients");
            let slopes = gradients.inputs.into_iter().map(f64::from);
            [run.parameters(), outputs, gradients.parameters, slopes.collect()].concat()
        });
        let has_note = run.notes.lines().iter().any(|line| line.contains("instead of 5"));
        assert_eq!(has_note, !started.is_empty() && started != [5]);
        let bits = |numbers: Vec<f64>| numbers.into_iter().map(f64::to_bits).collect();
        (bits(losses), bits(state))
    }
}
