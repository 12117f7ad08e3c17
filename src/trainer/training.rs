//! A training run under way: steps and submissions, the stopping rule, the history.

use super::judge::Judge;
use super::turns::Turns;
use super::{Control, Ending, Epoch, Event, Summary, Trainer, evaluate_async};
use crate::dataset::Dataset;
use crate::engine::{Divergence, Engine, Outcome, Pending, Session, Step};
use crate::error::{Error, Result};
use crate::network::Network;
use crate::schedule::plateau::Plateau;
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;
use web_time::Instant;

/// About how long the steps of one submission take: long enough that submitting costs nothing,
/// short enough that a watcher sees progress and can stop.
const SUBMISSION: Duration = Duration::from_millis(50);

/// The most steps in a submission, which bounds what is uploaded and read back with it.
const MOST_STEPS: usize = 1024;

/// Submissions under way at once: the next is ready when the device has finished one.
const IN_FLIGHT: usize = 2;

/// A training run that can be paused, looked at and gone on with; begun by [`Trainer::begin`].
///
/// Parameters, samples and the optimizer's state stay on the device. It borrows nothing of the engine,
/// but must be given the same one again.
pub struct Training {
    trainer: Trainer,
    /// What is trained, with the parameters it was begun with or that were last judged.
    network: Network,
    dataset: Dataset,
    held_out: Option<Dataset>,
    session: Box<dyn Session>,
    timetable: Timetable,
    judge: Judge,
    plateau: Plateau,
    multiplier: f64,
    /// The number of the next step.
    next: u64,
    /// Steps before this session, which counts its own from 1.
    earlier: u64,
    /// Steps in the next submission.
    size: usize,
    clock: Instant,
    epoch: OpenEpoch,
    summary: Summary,
}

impl fmt::Debug for Training {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Training").field("trainer", &self.trainer).finish_non_exhaustive()
    }
}

impl Training {
    pub(super) async fn begin(
        trainer: Trainer,
        engine: &dyn Engine,
        network: &Network,
        dataset: &Dataset,
    ) -> Result<Self> {
        trainer.check(network)?;
        let setup = Instant::now();
        let split = match trainer.early_stopping.and_then(|stopping| stopping.held_out) {
            Some(fraction) => {
                // Before the split, which gives samples other numbers, and leaves some to `evaluate`.
                trainer.loss.check_targets(dataset)?;
                Some(dataset.split(fraction, trainer.seed)?)
            }
            None => None,
        };
        let (dataset, held_out) = match split {
            Some((rest, held_out)) => (rest, Some(held_out)),
            None => (dataset.clone(), None),
        };
        let plan = trainer.plan(&dataset);
        let session = engine.start(network, &plan, &dataset).await?;
        Ok(Self {
            network: network.clone(),
            timetable: Timetable::new(&trainer, dataset.len()),
            dataset,
            held_out,
            session,
            judge: Judge::new(trainer.early_stopping),
            trainer,
            plateau: Plateau::default(),
            multiplier: 1.0,
            next: 1,
            earlier: 0,
            size: 1,
            clock: Instant::now(),
            epoch: OpenEpoch::default(),
            summary: Summary {
                ending: Ending::Stopped,
                steps: 0,
                samples: 0,
                seconds: 0.0,
                setup_seconds: setup.elapsed().as_secs_f64(),
                history: Vec::new(),
            },
        })
    }

    /// Trains on until all epochs are done, a rule ends it, or `watch` says to stop: then it can be
    /// called again. Steps that are under way when `watch` says so are still finished, some
    /// 100 milliseconds of work.
    ///
    /// # Errors
    /// A device that failed, or [`Error::Diverged`]; it is no use to call it again then.
    pub async fn run(
        &mut self,
        engine: &dyn Engine,
        mut watch: impl FnMut(&Event) -> Control,
    ) -> Result<Ending> {
        let trained = self.train(engine, &mut watch).await;
        self.summary.ending = match &trained {
            Ok(ending) => *ending,
            Err(_) => Ending::Stopped,
        };
        trained
    }

    /// The parameters learned so far, in the order of [`Network::parameters`]: those of the best epoch
    /// where samples are held out to judge it.
    ///
    /// # Errors
    /// A device that failed.
    pub async fn parameters(&mut self) -> Result<Vec<f64>> {
        match self.judge.best() {
            Some(best) => Ok(best.to_vec()),
            None => self.session.parameters().await,
        }
    }

    /// Goes on with another engine, after the one that it ran on was lost: from `parameters`, which were
    /// learned in `epochs` epochs. Those that came after them are forgotten; the schedule, the order of
    /// the samples and the stopping rule go on as they were then, and what the optimizer knew is lost.
    /// Where the best epoch's parameters are kept, and it is among those forgotten, `parameters` take
    /// their place.
    ///
    /// # Errors
    /// Parameters of another number than the network has, or a device that failed; then nothing has
    /// changed.
    pub async fn restart(
        &mut self,
        engine: &dyn Engine,
        parameters: &[f64],
        epochs: usize,
    ) -> Result<()> {
        let mut network = self.network.clone();
        network.set_parameters(parameters)?;
        let plan = self.trainer.plan(&self.dataset);
        self.session = engine.start(&network, &plan, &self.dataset).await?;
        self.network = network;
        let history = &mut self.summary.history;
        history.truncate(epochs);
        let losses: Vec<f64> = history.iter().map(Epoch::judged_loss).collect();
        self.judge.go_back(&losses, parameters);
        self.plateau = Plateau::default();
        self.multiplier = 1.0;
        for loss in losses {
            self.multiplier = self.plateau.observe(self.trainer.schedule, loss);
        }
        self.earlier = history.len() as u64 * self.timetable.steps_per_epoch;
        self.next = self.earlier + 1;
        self.summary.steps = self.earlier;
        self.summary.samples = history.len() as u64 * self.timetable.samples as u64;
        self.epoch = OpenEpoch::default();
        self.size = 1;
        Ok(())
    }

    /// Sets the learning rate, before the schedule, of the steps to come.
    ///
    /// # Errors
    /// A rate that is not above 0.
    pub fn set_learning_rate(&mut self, rate: f64) -> Result<()> {
        let changed = Trainer { learning_rate: rate, ..self.trainer.clone() };
        changed.check(&self.network)?;
        self.trainer = changed;
        Ok(())
    }

    /// What came of it so far.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    pub(super) fn into_summary(self) -> Summary {
        self.summary
    }

    async fn train(
        &mut self,
        engine: &dyn Engine,
        watch: &mut impl FnMut(&Event) -> Control,
    ) -> Result<Ending> {
        // A rule that depends on an epoch's loss must see it before the next epoch starts.
        let waits = self.trainer.schedule.watches_loss() || self.trainer.early_stopping.is_some();
        let mut under_way: VecDeque<(Vec<Step>, Pending<'static, Outcome>)> = VecDeque::new();
        let mut stopped = false;
        if self.next == 1 {
            let started = Event::Started {
                steps_per_epoch: self.timetable.steps_per_epoch,
                steps: self.timetable.steps,
            };
            stopped = watch(&started) == Control::Stop;
        }
        let (start, before) = (Instant::now(), self.summary.seconds);
        self.clock = start;
        let mut turns = Turns::new();
        loop {
            let room = if stopped { 0 } else { IN_FLIGHT };
            let hold = waits && self.at_end_of_epoch() && !under_way.is_empty();
            if under_way.len() < room && self.next <= self.timetable.steps && !hold {
                let steps = self.next_steps(waits);
                let outcome = self.session.train(&steps)?;
                under_way.push_back((steps, outcome));
                continue;
            }
            let Some((steps, outcome)) = under_way.pop_front() else { break };
            let outcome = turns.wait(outcome).await?;
            let took = self.clock.elapsed();
            self.clock = Instant::now();
            self.summary.seconds = before + start.elapsed().as_secs_f64();
            // Grow or shrink towards the wanted duration, by at most a factor of two.
            let wanted =
                SUBMISSION.as_secs_f64() / took.as_secs_f64().max(1e-6) * steps.len() as f64;
            let (least, most) = (self.size.div_ceil(2), self.size * 2);
            self.size = (wanted as usize).clamp(least, most).clamp(1, MOST_STEPS);
            match self.digest(engine, &steps, &outcome, took, watch).await? {
                None => {}
                Some(Ending::Stopped) => stopped = true,
                Some(ending) => return Ok(ending),
            }
        }
        let unfinished = stopped && self.summary.steps < self.timetable.steps;
        Ok(if unfinished { Ending::Stopped } else { Ending::Finished })
    }

    /// Whether the steps started so far end with an epoch.
    fn at_end_of_epoch(&self) -> bool {
        self.next > 1 && (self.next - 1).is_multiple_of(self.timetable.steps_per_epoch)
    }

    /// The steps of the next submission: of one epoch if `waits`.
    fn next_steps(&mut self, waits: bool) -> Vec<Step> {
        let mut last = self.timetable.steps.min(self.next + self.size as u64 - 1);
        if waits {
            let per_epoch = self.timetable.steps_per_epoch;
            last = last.min((self.next - 1) / per_epoch * per_epoch + per_epoch);
        }
        let steps = (self.next..=last)
            .map(|number| self.timetable.step(number, &self.trainer, self.multiplier))
            .map(|step| Step { number: step.number - self.earlier, ..step })
            .collect();
        self.next = last + 1;
        steps
    }

    /// Takes in what came of some steps: events, history, rules.
    async fn digest(
        &mut self,
        engine: &dyn Engine,
        steps: &[Step],
        outcome: &Outcome,
        took: Duration,
        watch: &mut impl FnMut(&Event) -> Control,
    ) -> Result<Option<Ending>> {
        let samples: usize = steps.iter().map(|step| step.count).sum();
        let seconds = took.as_secs_f64();
        let mut ending = None;
        // The step that diverged is the last with a loss, and changed nothing.
        let diverged_at = outcome.diverged.map(|divergence| divergence.step);
        let changed = |step: &&Step| diverged_at.is_none_or(|diverged| step.number < diverged);
        for (step, loss) in steps.iter().take_while(changed).zip(&outcome.losses) {
            let weight = if self.trainer.loss.is_mean() { step.count as f64 } else { 1.0 };
            self.summary.steps += 1;
            self.summary.samples += step.count as u64;
            self.epoch.loss += loss * weight;
            self.epoch.samples += step.count;
            self.epoch.seconds += seconds * step.count as f64 / samples as f64;
            self.epoch.learning_rate = step.learning_rate;
            if step.first + step.count == self.timetable.samples {
                let (event, ended) = self.close_epoch(engine, step.epoch).await?;
                if watch(&event) == Control::Stop {
                    ending = Some(Ending::Stopped);
                }
                ending = ended.or(ending);
            }
        }
        if let (Some(divergence), Some(step)) =
            (outcome.diverged, steps.iter().find(|step| !changed(step)))
        {
            let step = Step { number: self.earlier + step.number, ..*step };
            // Asked to go on, the session says so of the same step again.
            self.next = step.number;
            return Err(diverged(divergence, &step, &self.summary));
        }
        let event = Event::Progress {
            steps: self.summary.steps,
            loss: outcome.losses.last().copied().unwrap_or(f64::NAN),
            samples_per_second: samples as f64 / seconds.max(1e-9),
        };
        if watch(&event) == Control::Stop {
            ending = ending.or(Some(Ending::Stopped));
        }
        Ok(ending)
    }

    async fn close_epoch(
        &mut self,
        engine: &dyn Engine,
        number: u64,
    ) -> Result<(Event, Option<Ending>)> {
        let open = std::mem::take(&mut self.epoch);
        let divisor = if self.trainer.loss.is_mean() { open.samples as f64 } else { 1.0 };
        let mut epoch = Epoch {
            number,
            loss: open.loss / divisor,
            held_out_loss: None,
            learning_rate: open.learning_rate,
            seconds: open.seconds,
        };
        if let Some(held_out) = &self.held_out {
            let parameters = self.session.parameters().await?;
            self.network.set_parameters(&parameters)?;
            let loss = self.trainer.loss;
            epoch.held_out_loss =
                Some(evaluate_async(engine, &self.network, loss, held_out).await?);
        }
        let judged = epoch.judged_loss();
        let (improved, stop) = self.judge.observe(judged);
        if improved && self.held_out.is_some() {
            self.judge.keep(number, self.network.parameters());
        }
        self.multiplier = self.plateau.observe(self.trainer.schedule, judged);
        self.summary.history.push(epoch);
        Ok((Event::Epoch(epoch), stop.then_some(Ending::Converged)))
    }
}

/// Which samples belong to which step, and at which learning rate.
struct Timetable {
    samples: usize,
    batch_size: usize,
    steps_per_epoch: u64,
    steps: u64,
}

impl Timetable {
    fn new(trainer: &Trainer, samples: usize) -> Self {
        let batch_size = trainer.batch_size.min(samples);
        let steps_per_epoch = samples.div_ceil(batch_size) as u64;
        let steps = steps_per_epoch.saturating_mul(trainer.epochs as u64);
        Self { samples, batch_size, steps_per_epoch, steps }
    }

    /// The step of that number, from 1.
    fn step(&self, number: u64, trainer: &Trainer, multiplier: f64) -> Step {
        let epoch = (number - 1) / self.steps_per_epoch + 1;
        let first = ((number - 1) % self.steps_per_epoch) as usize * self.batch_size;
        let schedule = trainer.schedule.after_warm_up(trainer.warm_up, number, self.steps, epoch);
        // A schedule may fall so far that the product is 0, which is no rate.
        let learning_rate = (trainer.learning_rate * multiplier * schedule).max(f64::MIN_POSITIVE);
        Step {
            number,
            epoch,
            first,
            count: self.batch_size.min(self.samples - first),
            learning_rate,
        }
    }
}

/// Sums over the steps of the epoch that is under way.
#[derive(Default)]
struct OpenEpoch {
    loss: f64,
    samples: usize,
    seconds: f64,
    learning_rate: f64,
}

/// The error for a step that diverged.
fn diverged(divergence: Divergence, step: &Step, summary: &Summary) -> Error {
    let tenth = step.learning_rate / 10.0;
    Error::Diverged {
        what: divergence.what(),
        step: step.number,
        epoch: step.epoch,
        // One significant digit is all that such advice is worth.
        suggestion: format!("{tenth:.0e}").parse().unwrap_or(tenth),
        summary: Box::new(Summary { ending: Ending::Diverged, ..summary.clone() }),
    }
}
