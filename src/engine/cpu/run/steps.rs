//! The steps of a training run on the CPU: the part of each thread.

mod passes;
mod tables;

use super::{
    MOST_GROUPS, Norms, Progress, Round, Run, SLICES_AT_ONCE, Slice, lock, read,
    takes_whole_groups, total, write,
};
use crate::engine::cpu::barrier::{Abandoned, Barrier};
use crate::engine::cpu::gradient::{Of, gather, squares};
use crate::engine::cpu::layout::Block;
use crate::engine::cpu::lines::Lines;
use crate::engine::cpu::phases::{Clock, Phase, Stopwatch, Times, Untimed};
use crate::engine::cpu::threads;
use crate::engine::cpu::tile::{Pass, Samples, gradient};
use crate::engine::cpu::update::{Around, Terms, update};
use crate::engine::{Divergence, Outcome, Plan, Step};
use crate::error::{Result, internal};
use crate::layer::Layer;
use crate::stop::StopHandle;
use crate::wrapper::clip_norm::factor;
use std::ops::Range;
use std::result;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, RwLock};
use std::thread;

impl Run {
    /// Takes these steps, which the plan allows, and first keeps what they change in `place`, if one is
    /// given. A step that is to be stopped has no effect, and is the last that is looked at. To be called by one thread
    /// at a time.
    pub(in super::super) fn train(&self, steps: &[Step], place: Option<usize>) -> Result<Outcome> {
        self.in_threads(place, |worker| worker.run(steps, &mut Untimed))
    }

    /// Takes these steps in the same way, and returns the times of each step on each thread that was started too.
    pub(super) fn train_timed(&self, steps: &[Step]) -> Result<(Outcome, Vec<Vec<Times>>)> {
        let times: Vec<_> = self.tiles.iter().map(|_| Mutex::default()).collect();
        let outcome = self.in_threads(None, |worker| {
            let mut watch = Stopwatch::new();
            let losses = worker.run(steps, &mut watch)?;
            *lock(&times[worker.thread]) = watch.steps;
            Ok(losses)
        })?;
        let times = times.into_iter().map(|times| std::mem::take(&mut *lock(&times)));
        Ok((outcome, times.filter(|times| !times.is_empty()).collect()))
    }

    /// Updates the parameters with a gradient in the network's order, and first keeps what that changes in
    /// `place`, if one is given. To be called by one thread at a time.
    pub(in super::super) fn apply(
        &self,
        gradient: &[f64],
        learning_rate: f64,
        place: Option<usize>,
    ) -> Result<Outcome> {
        let mut rest = gradient;
        for (gradient, block) in self.gradients[0].iter().zip(&self.blocks) {
            read(block).unflatten(&mut rest, &mut write(gradient));
        }
        self.touched.iter().for_each(|lines| lock(lines).fill(1));
        self.records.iter().for_each(|records| write(records).clear());
        let number = lock(&self.progress).batches + 1;
        let step = Step { number, epoch: 1, first: 0, count: 1, learning_rate };
        self.in_threads(place, |worker| worker.apply(&step))
    }

    /// Lets a worker on each thread do `work`, which returns the losses of its steps. Where the operating system
    /// starts fewer threads, there are fewer workers, which changes no bit.
    fn in_threads(
        &self,
        place: Option<usize>,
        work: impl Fn(&mut Worker) -> result::Result<Vec<f64>, Abandoned> + Sync,
    ) -> Result<Outcome> {
        if self.failed.load(Ordering::Relaxed) {
            return internal("the steps before could not be taken");
        }
        let wanted = self.tiles.len();
        let part = &work;
        let before = *lock(&self.progress);
        if let Some(place) = place {
            lock(&self.kept_progress)[place] = before;
        }
        // Each thread waits until it is known how many there are.
        let (barrier, broken, left) =
            (OnceLock::new(), AtomicBool::new(false), AtomicBool::new(false));
        let (barrier, broken, left) = (&barrier, &broken, &left);
        let stop = &lock(&self.stop).clone();
        let work = move |thread: usize| {
            let barrier: &Barrier = barrier.wait();
            let progress = before;
            let mut worker = Worker { run: self, thread, barrier, broken, stop, left, progress };
            worker.keep(place);
            part(&mut worker).map(|losses| (losses, worker.progress))
        };
        // Threads of its own, not a pool's: they wait for each other, and a pool's thread that waits
        // may take up another training meanwhile. One call is worth many times their start.
        let done = thread::scope(|scope| {
            let begun = |other| threads::start(scope, other, move || work(other)).ok();
            let threads = 1 + (1..wanted).map_while(begun).count();
            self.notes.add_fewer(threads, wanted);
            // Nothing clears what threads that are not there have recorded in earlier steps.
            self.records[threads..].iter().for_each(|records| write(records).clear());
            barrier.get_or_init(|| Barrier::new(threads));
            // A panic of another thread goes on in this one at the end of the scope.
            work(0).or_else(|Abandoned| internal("a thread of the CPU engine ended early"))
        });
        self.failed.store(done.is_err(), Ordering::Relaxed);
        let (losses, progress) = done?;
        *lock(&self.progress) = progress;
        Ok(Outcome { losses, diverged: progress.diverged })
    }
}

/// What the backward pass of a training step computes of a network whose encoding has parameters or not.
pub(super) const fn training(has_tables: bool) -> Pass<'static> {
    Pass { parameters: true, first: None, tables: has_tables }
}

/// One thread's part in some steps.
struct Worker<'a> {
    run: &'a Run,
    thread: usize,
    barrier: &'a Barrier,
    /// Whether a parameter is no longer finite.
    broken: &'a AtomicBool,
    stop: &'a StopHandle,
    /// Whether a thread has left samples of the step out, since it is to be stopped.
    left: &'a AtomicBool,
    /// As all threads have it.
    progress: Progress,
}

impl Worker<'_> {
    /// How many threads take the steps.
    fn threads(&self) -> usize {
        self.barrier.threads()
    }

    /// The blocks that this thread updates: its own, and its share of those of threads that are not there.
    fn owned(&self) -> impl Iterator<Item = usize> + use<'_> {
        self.run.owned.iter().skip(self.thread).step_by(self.threads()).flatten().copied()
    }

    /// Keeps the blocks of this thread, which no other changes.
    fn keep(&self, place: Option<usize>) {
        let Some(place) = place else { return };
        for b in self.owned() {
            read(&self.run.blocks[b]).keep(&mut lock(&self.run.kept[place][b]));
        }
    }

    /// Some steps, up to one that diverges; their losses.
    fn run(
        &mut self,
        steps: &[Step],
        clock: &mut impl Clock,
    ) -> result::Result<Vec<f64>, Abandoned> {
        let _guard = self.barrier.guard();
        let mut losses = Vec::with_capacity(steps.len());
        for step in steps {
            if self.progress.diverged.is_some() {
                break;
            }
            clock.begin();
            let Some(loss) = self.step(step, clock)? else { break };
            losses.push(loss);
            clock.lap(Phase::Other);
        }
        Ok(losses)
    }

    /// Updates the parameters with the gradient of the first group, if they have not diverged.
    fn apply(&mut self, step: &Step) -> result::Result<Vec<f64>, Abandoned> {
        let _guard = self.barrier.guard();
        if self.progress.diverged.is_none() {
            self.update(step, 1, None, &mut Untimed)?;
        }
        Ok(Vec::new())
    }

    /// Takes a step; its loss. `None` if it was left, and nothing is changed.
    fn step(
        &mut self,
        step: &Step,
        clock: &mut impl Clock,
    ) -> result::Result<Option<f64>, Abandoned> {
        let run = self.run;
        let order = run.plan.order(run.dataset.len(), step.epoch);
        let slices = run.slices(step.count);
        let groups = slices.last().map_or(1, |slice| slice.group + 1);
        let mut losses = vec![0.0; groups];
        let mut last = None;
        write(&run.records[self.thread]).clear();
        if takes_whole_groups(self.threads(), groups) {
            self.take_groups(step, &order, &slices, groups, clock);
            self.wait(clock)?;
            // All threads see the same: none is written before they have met again.
            if self.left.load(Ordering::Relaxed) {
                return Ok(None);
            }
            losses.iter_mut().zip(&run.losses).for_each(|(loss, of_group)| *loss = *lock(of_group));
        } else {
            for slices in slices.chunks(self.threads()) {
                if let Some(round) = last.take() {
                    self.add_round(&round, clock);
                    drop(round);
                    self.wait(clock)?;
                }
                self.take_part(step, &order, slices, clock);
                self.wait(clock)?;
                if self.left.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                let round = Round::new(run, self.threads(), slices);
                for (slice, parts) in round.parts() {
                    losses[slice.group] += loss_of(&parts);
                }
                last = Some(round);
            }
        }
        let loss: f64 = losses.into_iter().sum();
        // The loss is judged as the f32 that the GPU engine computes.
        if (loss as f32).is_finite() {
            self.update(step, groups, last, clock)?;
        } else {
            self.progress.diverged = Some(Divergence { step: step.number, in_loss: true });
        }
        Ok(Some(loss))
    }

    /// Meets the other threads. The time before it belongs to what is in no phase.
    fn wait(&self, clock: &mut impl Clock) -> result::Result<(), Abandoned> {
        clock.lap(Phase::Other);
        self.barrier.wait()?;
        clock.lap(Phase::Wait);
        Ok(())
    }

    /// The blocks of this thread that are not frozen.
    fn trained(&self) -> impl Iterator<Item = usize> + use<'_> {
        self.owned().filter(|b| !self.is_frozen(*b))
    }

    /// Adds the gradients of a round to those of their groups, of the blocks of this thread.
    fn add_round(&self, round: &Round, clock: &mut impl Clock) {
        let mut partial = lock(&self.run.partial[self.thread]);
        let parts = round.parts();
        for b in self.trained().filter(|b| *b >= self.run.levels.len()) {
            let block = read(&self.run.blocks[b]);
            for (slice, samples) in &parts {
                self.add(slice, samples, b, &block, &mut partial);
            }
            clock.lap(Phase::Gradients);
        }
    }

    /// Adds the gradient of a slice to that of the slices before it in its group, of a block.
    fn add(
        &self,
        slice: &Slice,
        samples: &[Samples],
        b: usize,
        block: &Block,
        partial: &mut [Lines],
    ) {
        let shape = &self.run.shape;
        let sum = &mut *write(&self.run.gradients[slice.group][b]);
        let number = slice.number;
        if number < SLICES_AT_ONCE {
            gradient(shape, samples, block, number > 0, sum);
            return;
        }
        let partial = &mut partial[b];
        gradient(shape, samples, block, !number.is_multiple_of(SLICES_AT_ONCE), partial);
        if (number + 1).is_multiple_of(SLICES_AT_ONCE) || slice.is_last {
            sum.iter_mut().zip(&**partial).for_each(|(all, some)| *all += some);
        }
    }

    /// The second half of a step, when its loss is known: adds the gradients of a last round, if there is
    /// one, and updates the parameters with the gradients of so many groups.
    fn update(
        &mut self,
        step: &Step,
        groups: usize,
        last: Option<Round>,
        clock: &mut impl Clock,
    ) -> result::Result<(), Abandoned> {
        let run = self.run;
        let groups = &run.gradients[..groups];
        let mut terms = self.terms(step);
        if let Some(round) = last {
            self.add_round(&round, clock);
        }
        clock.lap(Phase::Other);
        self.scatter(clock);
        if self.gather(&terms, groups, clock) {
            let squares = self.norms(&mut terms, groups, clock)?;
            self.update_blocks(&terms, &squares, groups, clock);
        }
        self.wait(clock)?;
        if self.broken.load(Ordering::Relaxed) {
            self.progress.diverged = Some(Divergence { step: step.number, in_loss: false });
            for b in self.owned() {
                let block = &mut *write(&run.blocks[b]);
                if block.is_table() {
                    block.undo_lines(&lock(&run.touched[b]));
                } else {
                    block.undo();
                }
            }
        } else {
            self.progress.batches += 1;
        }
        self.clear_tables();
        Ok(())
    }

    /// The terms of the update of a step.
    fn terms(&self, step: &Step) -> Terms {
        let Plan { optimizer, l2, wrappers, .. } = self.run.plan;
        let numbers = wrappers.at(self.progress.batches + 1);
        let around = Around { numbers, vectors: wrappers.vectors(), factor: 1.0 };
        Terms {
            optimizer,
            constants: optimizer.constants(step.learning_rate, numbers.t),
            l2,
            around: (!wrappers.is_empty()).then_some(around),
        }
    }

    /// Gathers the gradients of the blocks of this thread with those of other batches, if an update is
    /// for several; whether the update comes now.
    fn gather(&self, terms: &Terms, groups: &Groups, clock: &mut impl Clock) -> bool {
        let run = self.run;
        let (Some(around), Some(place)) = (terms.around, run.gathered) else { return true };
        for b in self.trained() {
            let block = &mut *write(&run.blocks[b]);
            let mut gathered = std::mem::take(&mut block.states[place]);
            with_gradients(of_block(groups, b, run), b, |gradients| {
                gather(run.shape.arch, around.numbers.gather, block, gradients, &mut gathered);
            });
            block.states[place] = gathered;
            clock.lap(Phase::Accumulate);
        }
        around.numbers.gather.updates
    }

    /// Computes the norms of the gradient that the update needs, if it does, and with them what clips
    /// it; the squared norms of the gradients of each layer's weights and biases.
    fn norms(
        &self,
        terms: &mut Terms,
        groups: &Groups,
        clock: &mut impl Clock,
    ) -> result::Result<Squares, Abandoned> {
        let run = self.run;
        let [before, after] = &run.norms;
        let mut of = Of { clip_value: f64::INFINITY, factor: 1.0, l2: 0.0 };
        if let Some(Around { numbers, factor: own, .. }) = &mut terms.around {
            of.clip_value = numbers.clip_value;
            if numbers.clip_norm.is_finite() {
                self.measure(of, groups, before, clock);
                self.wait(clock)?;
                let tables = (0..run.levels.len()).flat_map(|b| lock(&before[b]).clone());
                let all = self.of_layers(before).into_iter().flatten().chain(tables);
                *own = factor(numbers.clip_norm, all.sum());
                of.factor = *own;
            }
        }
        if terms.optimizer.square().is_none() {
            let layers = vec![[0.0; 2]; run.layers.len()];
            return Ok(Squares { layers, tables: vec![0.0; run.levels.len()] });
        }
        of.l2 = terms.l2;
        self.measure(of, groups, after, clock);
        self.wait(clock)?;
        Ok(Squares { layers: self.of_layers(after), tables: self.of_tables(after) })
    }

    /// The sums of squares of the rows of the blocks of this thread.
    fn measure(&self, of: Of, groups: &Groups, norms: &Norms, clock: &mut impl Clock) {
        let run = self.run;
        for b in self.trained() {
            let block = &*read(&run.blocks[b]);
            // There is no penalty on tables.
            let of = if block.is_table() { Of { l2: 0.0, ..of } } else { of };
            let measure = |gradients: &[&[f32]]| {
                squares(run.shape.arch, of, block, gradients, &mut lock(&norms[b]));
            };
            match run.gathered {
                None => with_gradients(of_block(groups, b, run), b, measure),
                Some(place) => measure(&[&*block.states[place]]),
            }
            clock.lap(Phase::Norms);
        }
    }

    /// The sums of squares of the weights and of the biases of each layer, row by row, so that the division
    /// into blocks changes no bit.
    fn of_layers(&self, norms: &Norms) -> Vec<[f64; 2]> {
        let run = self.run;
        let layers = run.layers.iter().zip(&run.shape.layers);
        let of_layer = |(blocks, layer): (&Range<usize>, &Layer)| {
            let mut sums = [0.0; 2];
            for b in blocks.clone() {
                let rows = lock(&norms[b]);
                let biases = usize::from(layer.bias && b + 1 == blocks.end);
                let (weights, biases) = rows.split_at(rows.len().saturating_sub(biases));
                for row in weights {
                    sums[0] += row;
                }
                for row in biases {
                    sums[1] += row;
                }
            }
            sums
        };
        layers.map(of_layer).collect()
    }

    /// Whether training leaves a block as it is.
    fn is_frozen(&self, block: usize) -> bool {
        let run = self.run;
        block >= run.levels.len()
            && run.frozen[run.layers.partition_point(|blocks| blocks.end <= block)]
    }

    /// Updates the blocks of this thread.
    fn update_blocks(
        &self,
        terms: &Terms,
        squares: &Squares,
        groups: &Groups,
        clock: &mut impl Clock,
    ) {
        let run = self.run;
        for b in self.owned() {
            let block = &mut *write(&run.blocks[b]);
            if block.is_table() {
                self.update_level(terms, squares.tables[b], b, block);
                clock.lap(Phase::Update);
                continue;
            }
            if run.frozen[block.layer] {
                let average = terms.around.and_then(|around| {
                    let place = terms.optimizer.states() + around.vectors.average?;
                    Some((place, around.numbers.share))
                });
                block.stay(average);
                clock.lap(Phase::Update);
                continue;
            }
            let squares = squares.layers[block.layer];
            let update = |block: &mut Block, gradients: &[&[f32]]| {
                if !update(run.shape.arch, terms, squares, block, gradients) {
                    self.broken.store(true, Ordering::Relaxed);
                }
            };
            match run.gathered {
                None => with_gradients(groups, b, |gradients| update(block, gradients)),
                Some(place) => {
                    let gathered = std::mem::take(&mut block.states[place]);
                    update(block, &[&gathered]);
                    block.states[place] = gathered;
                }
            }
            clock.lap(Phase::Update);
            if !block.transposed.is_empty() {
                block.transpose_with(run.shape.arch);
                clock.lap(Phase::Transpose);
            }
        }
    }
}

/// The squared norms of the gradients that an optimizer asks for.
struct Squares {
    /// Of each layer's weights and biases.
    layers: Vec<[f64; 2]>,
    /// Of the table that each level belongs to.
    tables: Vec<f64>,
}

/// The gradients of some groups, by block.
type Groups = [Vec<RwLock<Lines>>];

/// The groups that have a gradient of a block: the first alone of a table.
fn of_block<'a>(groups: &'a Groups, block: usize, run: &Run) -> &'a Groups {
    if block < run.levels.len() { &groups[..1] } else { groups }
}

/// Calls `work` with the gradient of a block that each group has.
fn with_gradients(groups: &Groups, block: usize, mut work: impl FnMut(&[&[f32]])) {
    let locks: [_; MOST_GROUPS] =
        std::array::from_fn(|g| groups.get(g).map(|group| read(&group[block])));
    let mut gradients: [&[f32]; MOST_GROUPS] = Default::default();
    for (gradient, lock) in gradients.iter_mut().zip(locks.iter().flatten()) {
        *gradient = lock;
    }
    work(&gradients[..groups.len()]);
}

/// The loss of a slice.
fn loss_of(parts: &[Samples]) -> f64 {
    total(parts.iter().map(|s| &s.tile.losses()[s.first..][..s.count]))
}
