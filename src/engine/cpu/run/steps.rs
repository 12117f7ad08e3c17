//! The steps of a training run on the CPU: the part of each thread.

use super::{Norms, Progress, Run, Share, TILES_AT_ONCE, lock, read, shared, write};
use crate::dropout::Masks;
use crate::engine::cpu::barrier::{Abandoned, Barrier};
use crate::engine::cpu::gradient::{Of, gather, squares};
use crate::engine::cpu::tile::{Dropout, Pass, Tile};
use crate::engine::cpu::update::{Around, Terms, update};
use crate::engine::{Divergence, Outcome, Plan, Step};
use crate::error::{Error, Result, internal};
use crate::wrapper::clip_norm::factor;
use std::ops::Range;
use std::result;
use std::sync::RwLockReadGuard;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

impl Run {
    /// Takes these steps, which the plan allows, and first keeps what they change in `place`, if one is
    /// given. To be called by one thread at a time.
    pub(in super::super) fn train(&self, steps: &[Step], place: Option<usize>) -> Result<Outcome> {
        self.in_threads(place, |worker| worker.run(steps))
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
        for (number, share) in self.shares.iter().enumerate() {
            let Share { gradients, loss, .. } = &mut *write(share);
            *loss = 0.0;
            for (lines, block) in gradients.iter_mut().zip(&self.blocks) {
                lines.fill(0.0);
                if number == 0 {
                    read(block).unflatten(&mut rest, lines);
                }
            }
        }
        let number = lock(&self.progress).batches + 1;
        let step = Step { number, epoch: 1, first: 0, count: 1, learning_rate };
        self.in_threads(place, |worker| worker.apply(&step))
    }

    /// Lets a worker on each thread do `work`, which returns the losses of its steps.
    fn in_threads(
        &self,
        place: Option<usize>,
        work: impl Fn(&mut Worker) -> result::Result<Vec<f64>, Abandoned> + Sync,
    ) -> Result<Outcome> {
        if self.failed.load(Ordering::Relaxed) {
            return internal("the steps before could not be taken");
        }
        let threads = self.tiles.len();
        let part = &work;
        let before = *lock(&self.progress);
        if let Some(place) = place {
            lock(&self.kept_progress)[place] = before;
        }
        let (barrier, broken) = (Barrier::new(threads), AtomicBool::new(false));
        let (barrier, broken) = (&barrier, &broken);
        let work = move |thread: usize| {
            let mut worker = Worker { run: self, thread, barrier, broken, progress: before };
            worker.keep(place);
            part(&mut worker).map(|losses| (losses, worker.progress))
        };
        // Threads of its own, not a pool's: they wait for each other, and a pool's thread that waits
        // may take up another training meanwhile. One call is worth many times their start.
        let done = thread::scope(|scope| {
            for other in 1..threads {
                let name = format!("impasto-cpu-{other}");
                let begun =
                    thread::Builder::new().name(name).spawn_scoped(scope, move || work(other));
                if let Err(error) = begun {
                    barrier.abandon();
                    return Err(Error::threads(threads, error));
                }
            }
            // A panic of another thread goes on in this one at the end of the scope.
            work(0).or_else(|Abandoned| internal("a thread of the CPU engine ended early"))
        });
        self.failed.store(done.is_err(), Ordering::Relaxed);
        let (losses, progress) = done?;
        *lock(&self.progress) = progress;
        Ok(Outcome { losses, diverged: progress.diverged })
    }
}

/// One thread's part in some steps.
struct Worker<'a> {
    run: &'a Run,
    thread: usize,
    barrier: &'a Barrier,
    /// Whether a parameter is no longer finite.
    broken: &'a AtomicBool,
    /// As all threads have it.
    progress: Progress,
}

impl Worker<'_> {
    /// Keeps the blocks of this thread, which no other changes.
    fn keep(&self, place: Option<usize>) {
        let Some(place) = place else { return };
        for b in &self.run.owned[self.thread] {
            read(&self.run.blocks[*b]).keep(&mut lock(&self.run.kept[place][*b]));
        }
    }

    /// Some steps, up to one that diverges; their losses.
    fn run(&mut self, steps: &[Step]) -> result::Result<Vec<f64>, Abandoned> {
        let _guard = self.barrier.guard();
        let mut tile = lock(&self.run.tiles[self.thread]);
        let mut losses = Vec::with_capacity(steps.len());
        for step in steps {
            if self.progress.diverged.is_some() {
                break;
            }
            losses.push(self.step(step, &mut tile)?);
        }
        Ok(losses)
    }

    fn step(&mut self, step: &Step, tile: &mut Tile) -> result::Result<f64, Abandoned> {
        self.share(step, tile);
        self.update_with_shares(step)
    }

    /// Updates the parameters with the gradient in the shares, if they have not diverged.
    fn apply(&mut self, step: &Step) -> result::Result<Vec<f64>, Abandoned> {
        let _guard = self.barrier.guard();
        if self.progress.diverged.is_none() {
            self.update_with_shares(step)?;
        }
        Ok(Vec::new())
    }

    /// The second half of a step, when the shares have their losses and gradients. Returns the loss.
    fn update_with_shares(&mut self, step: &Step) -> result::Result<f64, Abandoned> {
        let run = self.run;
        self.barrier.wait()?;
        let shares: Vec<_> = run.shares.iter().map(read).collect();
        let loss: f64 = shares.iter().map(|share| share.loss).sum();
        // The loss is judged as the f32 that the GPU engine computes.
        if !(loss as f32).is_finite() {
            self.progress.diverged = Some(Divergence { step: step.number, in_loss: true });
            return Ok(loss);
        }
        let mut terms = self.terms(step);
        if self.gather(&terms, &shares) {
            let squares = self.norms(&mut terms, &shares)?;
            self.update(&terms, &squares, &shares);
        }
        drop(shares);
        self.barrier.wait()?;
        if self.broken.load(Ordering::Relaxed) {
            self.progress.diverged = Some(Divergence { step: step.number, in_loss: false });
            for block in &run.owned[self.thread] {
                write(&run.blocks[*block]).undo();
            }
        } else {
            self.progress.batches += 1;
        }
        Ok(loss)
    }

    /// Loss and gradient of this thread's share of the batch.
    fn share(&self, step: &Step, tile: &mut Tile) {
        let run = self.run;
        let shape = &run.shape;
        let order = run.plan.order(run.dataset.len(), step.epoch);
        let scale = run.plan.loss.scale(step.count, shape.outputs) as f32;
        let masks = Masks::new(run.plan.seed, step.number);
        let blocks: Vec<_> = run.blocks.iter().map(read).collect();
        let Share { gradients, partial, loss } = &mut *write(&run.shares[self.thread]);
        *loss = 0.0;
        let samples = shared(step.count, run.tiles.len(), self.thread);
        let pass = |accumulate| Pass { parameters: true, first: None, accumulate };
        for (t, start) in samples.clone().step_by(tile.rows()).enumerate() {
            let rows = tile.rows().min(samples.end - start);
            tile.gather(shape, &run.dataset, &order, step.first + start, rows);
            let dropout = Some(Dropout { masks, first: start });
            *loss += tile.loss(shape, &blocks, run.plan.loss, scale, rows, dropout);
            if t < TILES_AT_ONCE {
                tile.backward(shape, &blocks, rows, pass(t > 0), gradients);
                continue;
            }
            tile.backward(shape, &blocks, rows, pass(t % TILES_AT_ONCE > 0), partial);
            if (t + 1) % TILES_AT_ONCE == 0 || start + rows == samples.end {
                for (all, some) in gradients.iter_mut().zip(&*partial) {
                    all.iter_mut().zip(&**some).for_each(|(all, some)| *all += some);
                }
            }
        }
        if samples.is_empty() {
            for gradient in gradients {
                gradient.fill(0.0);
            }
        }
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
    fn gather(&self, terms: &Terms, shares: &[RwLockReadGuard<Share>]) -> bool {
        let run = self.run;
        let (Some(around), Some(place)) = (terms.around, run.gathered) else { return true };
        for b in &run.owned[self.thread] {
            if self.is_frozen(*b) {
                continue;
            }
            let gradients = gradients(shares, *b);
            let block = &mut *write(&run.blocks[*b]);
            let mut gathered = std::mem::take(&mut block.states[place]);
            gather(run.shape.arch, around.numbers.gather, block, &gradients, &mut gathered);
            block.states[place] = gathered;
        }
        around.numbers.gather.updates
    }

    /// Computes the norms of the gradient that the update needs, if it does, and with them what clips
    /// it; the squared norms of the gradients of each layer's weights and biases.
    fn norms(
        &self,
        terms: &mut Terms,
        shares: &[RwLockReadGuard<Share>],
    ) -> result::Result<Vec<[f64; 2]>, Abandoned> {
        let run = self.run;
        let [before, after] = &run.norms;
        let mut of = Of { clip_value: f64::INFINITY, factor: 1.0, l2: 0.0 };
        if let Some(Around { numbers, factor: own, .. }) = &mut terms.around {
            of.clip_value = numbers.clip_value;
            if numbers.clip_norm.is_finite() {
                self.measure(of, shares, before);
                self.barrier.wait()?;
                let all = before.iter().map(|block| lock(block).iter().sum::<f64>()).sum();
                *own = factor(numbers.clip_norm, all);
                of.factor = *own;
            }
        }
        if terms.optimizer.square().is_none() {
            return Ok(vec![[0.0; 2]; run.layers.len()]);
        }
        of.l2 = terms.l2;
        self.measure(of, shares, after);
        self.barrier.wait()?;
        let of_blocks = |blocks: &Range<usize>| {
            let each = after[blocks.clone()].iter().map(|block| *lock(block));
            each.fold([0.0; 2], |[a, b], [c, d]| [a + c, b + d])
        };
        Ok(run.layers.iter().map(of_blocks).collect())
    }

    /// The sums of squares of the blocks of this thread.
    fn measure(&self, of: Of, shares: &[RwLockReadGuard<Share>], norms: &Norms) {
        for b in &self.run.owned[self.thread] {
            if self.is_frozen(*b) {
                continue;
            }
            let block = read(&self.run.blocks[*b]);
            let gradients = match self.run.gathered {
                None => gradients(shares, *b),
                Some(place) => vec![&*block.states[place]],
            };
            *lock(&norms[*b]) = squares(self.run.shape.arch, of, &block, &gradients);
        }
    }

    /// Whether training leaves a block as it is.
    fn is_frozen(&self, block: usize) -> bool {
        self.run.frozen[self.run.layers.partition_point(|blocks| blocks.end <= block)]
    }

    /// Updates the blocks of this thread.
    fn update(&self, terms: &Terms, squares: &[[f64; 2]], shares: &[RwLockReadGuard<Share>]) {
        let run = self.run;
        for b in &run.owned[self.thread] {
            let layer = run.layers.partition_point(|blocks| blocks.end <= *b);
            let block = &mut *write(&run.blocks[*b]);
            if run.frozen[layer] {
                let average = terms.around.and_then(|around| {
                    let place = terms.optimizer.states() + around.vectors.average?;
                    Some((place, around.numbers.share))
                });
                block.stay(average);
                continue;
            }
            let gathered = run.gathered.map(|place| std::mem::take(&mut block.states[place]));
            let gradients = match &gathered {
                None => gradients(shares, *b),
                Some(gathered) => vec![&**gathered],
            };
            if !update(run.shape.arch, terms, squares[layer], block, &gradients) {
                self.broken.store(true, Ordering::Relaxed);
            }
            if let (Some(place), Some(gathered)) = (run.gathered, gathered) {
                block.states[place] = gathered;
            }
        }
    }
}

/// The gradients of a block, of each thread.
fn gradients<'a>(shares: &'a [RwLockReadGuard<Share>], block: usize) -> Vec<&'a [f32]> {
    shares.iter().map(|share| &*share.gradients[block]).collect()
}
