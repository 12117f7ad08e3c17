//! `Training`: a run in progress, its events, rules and history.

#[cfg(not(target_arch = "wasm32"))]
mod blocking;
mod pace;
pub(crate) mod saved;

use super::judge::Judge;
use super::pipeline::{Done, Pipeline, Taken};
use super::stop::StopHandle;
use super::timetable::Timetable;
use super::turns::Turns;
use super::{Ending, Epoch, Event, Summary, Trainer};
use crate::dataset::Dataset;
use crate::engine::{Divergence, Engine, Step};
use crate::error::{Error, Result};
use crate::network::Network;
use crate::schedule::plateau::Plateau;
use crate::summary::OpenEpoch;
use std::fmt;
use std::ops::ControlFlow;
use web_time::Instant;

impl Trainer {
    /// Trains `network` on `dataset` and puts what was learned into it. `watch` receives
    /// events, and stops the run with [`ControlFlow::Break`]; what was learned until then is kept.
    /// Blocks; see [`fit_async`](Self::fit_async).
    ///
    /// # Errors
    /// Settings that make no sense or do not fit the network, a device that failed, or
    /// [`Error::Diverged`](crate::Error::Diverged); then `network` has the parameters from before the step that diverged.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn fit(
        &self,
        engine: impl Into<Engine>,
        network: &mut Network,
        dataset: &Dataset,
        watch: impl FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<Summary> {
        pollster::block_on(self.fit_async(engine, network, dataset, watch))
    }

    /// [`fit`](Self::fit) for callers that must not block.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub async fn fit_async(
        &self,
        engine: impl Into<Engine>,
        network: &mut Network,
        dataset: &Dataset,
        mut watch: impl FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<Summary> {
        let mut training = self.begin_async(engine, network, dataset).await?;
        let ended = training.run_async(&mut watch).await;
        // Whatever ended it, what was learned so far is kept, unless the device is gone.
        let learned = training.parameters_async().await;
        if let Ok(parameters) = &learned {
            network.set_parameters(parameters)?;
        }
        ended?;
        learned?;
        Ok(training.into_summary())
    }

    /// Loads `network` and `dataset` into an engine, ready to train, for callers that do things between the
    /// steps and must not block. [`fit_async`](Self::fit_async) is this with one
    /// [`run_async`](Training::run_async).
    ///
    /// # Errors
    /// Settings that make no sense or do not fit the network, or a device that failed.
    pub async fn begin_async(
        &self,
        engine: impl Into<Engine>,
        network: &Network,
        dataset: &Dataset,
    ) -> Result<Training> {
        Training::begin(self.clone(), engine.into(), network, dataset).await
    }
}

/// A training run that can be paused, inspected and continued. `Trainer::begin` or
/// [`Trainer::begin_async`] starts it. WebAssembly has only the functions whose names end in `_async`.
///
/// Parameters, samples and the optimizer's state stay on the device. It owns a handle to its engine, and
/// can move to another thread.
pub struct Training {
    trainer: Trainer,
    engine: Engine,
    /// What is trained, with the parameters it was begun with or that were last judged.
    network: Network,
    dataset: Dataset,
    held_out: Option<Dataset>,
    pipeline: Pipeline,
    timetable: Timetable,
    judge: Judge,
    plateau: Plateau,
    multiplier: f64,
    /// Whether the learning rate of the steps under way is out of date.
    stale: bool,
    stop: StopHandle,
    /// The loss of the last step taken in.
    last_loss: f64,
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
        engine: Engine,
        network: &Network,
        dataset: &Dataset,
    ) -> Result<Self> {
        let samples = Samples::of(&trainer, network, dataset)?;
        Self::start(trainer, engine, network, samples).await
    }

    /// Starts a session on samples that were split.
    async fn start(
        trainer: Trainer,
        engine: Engine,
        network: &Network,
        samples: Samples,
    ) -> Result<Self> {
        let setup = Instant::now();
        let Samples { dataset, held_out } = samples;
        let plan = trainer.plan(&dataset);
        let session = engine.start(network, &plan, &dataset).await?;
        Ok(Self {
            engine,
            network: network.clone(),
            timetable: Timetable::new(&trainer, dataset.len()),
            dataset,
            held_out,
            pipeline: Pipeline::new(session),
            judge: Judge::new(trainer.early_stopping),
            trainer,
            plateau: Plateau::default(),
            multiplier: 1.0,
            stale: false,
            stop: StopHandle::default(),
            last_loss: f64::NAN,
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

    /// Trains until all epochs are done, a rule ends the run, or `watch` or a [`StopHandle`] stops it. A
    /// stopped run is exactly where the event was, even if the device has computed more steps. Another
    /// call continues from there.
    ///
    /// # Errors
    /// A device that failed, or [`Error::Diverged`]. After a divergence the run is before the step that
    /// diverged; a lower [rate](Self::set_learning_rate) may get it further.
    ///
    /// [`StopHandle`]: crate::StopHandle
    pub async fn run_async(
        &mut self,
        watch: impl FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<Ending> {
        self.run_until(u64::MAX, watch).await
    }

    /// The same up to the step of that number.
    async fn run_until(
        &mut self,
        until: u64,
        mut watch: impl FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<Ending> {
        let trained = self.train(until, &mut watch).await;
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
    pub async fn parameters_async(&mut self) -> Result<Vec<f64>> {
        match self.judge.best() {
            Some(best) => Ok(best.parameters.clone()),
            None => self.pipeline.parameters().await,
        }
    }

    /// The network with the parameters learned so far; see [`parameters_async`](Self::parameters_async).
    ///
    /// # Errors
    /// A device that failed.
    pub async fn network_async(&mut self) -> Result<Network> {
        let parameters = self.parameters_async().await?;
        let mut network = self.network.clone();
        network.set_parameters(&parameters)?;
        Ok(network)
    }

    /// Sets the learning rate, before the schedule, of the steps to come.
    ///
    /// # Errors
    /// A rate that is not above 0.
    pub fn set_learning_rate(&mut self, rate: f64) -> Result<()> {
        let changed = Trainer { learning_rate: rate, ..self.trainer.clone() };
        changed.check(&self.network)?;
        self.trainer = changed;
        self.stale = true;
        Ok(())
    }

    /// The engine that it runs on.
    pub fn engine(&self) -> &Engine {
        &self.engine
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
        until: u64,
        watch: &mut impl FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<Ending> {
        let until = until.min(self.timetable.steps);
        // A rule that depends on an epoch's loss must see it before the next epoch starts.
        let rules = self.trainer.schedule.watches_loss() || self.trainer.early_stopping.is_some();
        let waits = rules || self.pipeline.waits();
        if self.stale {
            self.pipeline.settle().await?;
            self.stale = false;
        }
        if self.stop.take() {
            return Ok(Ending::Stopped);
        }
        if self.next() == 1 {
            let started = Event::Started {
                steps_per_epoch: self.timetable.steps_per_epoch,
                steps: self.timetable.steps,
            };
            if watch(&started).is_break() {
                return Ok(Ending::Stopped);
            }
        }
        self.pipeline.resume();
        let mut turns = Turns::new();
        loop {
            let hold = waits && self.is_between_epochs() && !self.pipeline.is_empty();
            if self.pipeline.has_room() && self.next() <= until && !hold {
                let steps = self.next_steps(until, waits);
                self.pipeline.submit(steps).await?;
                continue;
            }
            if let Some(seconds) = self.pipeline.finish_first(&mut turns).await? {
                self.summary.seconds += seconds;
            }
            let Some(done) = self.pipeline.first() else { break };
            match self.digest(done, until, watch).await? {
                None => {}
                Some(Ending::Stopped) => break,
                Some(ending) => return Ok(ending),
            }
        }
        let left = self.summary.steps < self.timetable.steps;
        Ok(if left { Ending::Stopped } else { Ending::Finished })
    }

    /// The number of the next step to submit.
    fn next(&self) -> u64 {
        self.pipeline.last().unwrap_or(self.summary.steps) + 1
    }

    /// Whether the steps started so far end with an epoch.
    fn is_between_epochs(&self) -> bool {
        (self.next() - 1).is_multiple_of(self.timetable.steps_per_epoch)
    }

    /// The steps of the next submission, up to that of number `until`: of one epoch if `waits`.
    fn next_steps(&self, until: u64, waits: bool) -> Vec<Step> {
        let next = self.next();
        let mut last = until.min(next + self.pipeline.size() as u64 - 1);
        if waits {
            let per_epoch = self.timetable.steps_per_epoch;
            last = last.min((next - 1) / per_epoch * per_epoch + per_epoch);
        }
        let step = |number| self.timetable.step(number, &self.trainer, self.multiplier);
        (next..=last).map(step).collect()
    }

    /// Takes in what came of the oldest submission: events, history, rules.
    async fn digest(
        &mut self,
        done: Done,
        until: u64,
        watch: &mut impl FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<Option<Ending>> {
        let mut ending = None;
        while let Some(next) = self.pipeline.next() {
            let (step, loss) = match next {
                Taken::Loss(step, loss) => (step, loss),
                Taken::Diverged(step, divergence) => {
                    return Err(diverged(divergence, &step, &self.summary));
                }
            };
            let ends = self.timetable.ends_epoch(&step);
            // Before anything changes, since this may be dropped while it waits.
            let held_out_loss = if ends { self.held_out_loss().await? } else { None };
            self.pipeline.take();
            let weight = if self.trainer.loss.is_mean() { step.count as f64 } else { 1.0 };
            self.summary.steps += 1;
            self.last_loss = loss;
            self.summary.samples += step.count as u64;
            self.epoch.loss += loss * weight;
            self.epoch.samples += step.count;
            self.epoch.seconds += done.seconds * step.count as f64 / done.samples as f64;
            self.epoch.learning_rate = step.learning_rate;
            if ends {
                let (event, ended) = self.close_epoch(step.epoch, held_out_loss);
                let stopped = watch(&event).is_break();
                if ended {
                    ending = Some(Ending::Converged);
                } else if stopped {
                    return Ok(Some(Ending::Stopped));
                }
            }
            if self.summary.steps == until && ending.is_none() && self.pipeline.next().is_some() {
                return Ok(Some(Ending::Stopped));
            }
        }
        self.pipeline.drop_first();
        let event = Event::Progress {
            steps: self.summary.steps,
            loss: done.loss,
            samples_per_second: done.samples as f64 / done.seconds.max(1e-9),
        };
        let stopped = watch(&event).is_break() || self.stop.take();
        if stopped || self.summary.steps == until {
            ending = ending.or(Some(Ending::Stopped));
        }
        Ok(ending)
    }

    /// The loss on the held-out samples, if there are any, after the steps submitted so far. If it is the
    /// best so far, copies the parameters to `network`.
    async fn held_out_loss(&mut self) -> Result<Option<f64>> {
        let Some(held_out) = &self.held_out else { return Ok(None) };
        let loss = self.pipeline.evaluate(held_out).await?;
        if self.judge.is_best(loss) {
            let parameters = self.pipeline.latest_parameters().await?;
            self.network.set_parameters(&parameters)?;
        }
        Ok(Some(loss))
    }

    fn close_epoch(&mut self, number: u64, held_out_loss: Option<f64>) -> (Event, bool) {
        let open = std::mem::take(&mut self.epoch);
        let divisor = if self.trainer.loss.is_mean() { open.samples as f64 } else { 1.0 };
        let epoch = Epoch {
            number,
            loss: open.loss / divisor,
            held_out_loss,
            learning_rate: open.learning_rate,
            seconds: open.seconds,
        };
        let judged = epoch.judged_loss();
        let (improved, stop) = self.judge.observe(judged);
        if improved && held_out_loss.is_some() {
            self.judge.keep(number, self.network.parameters());
        }
        self.multiplier = self.plateau.observe(self.trainer.schedule, judged);
        self.summary.history.push(epoch);
        (Event::Epoch(epoch), stop)
    }
}

/// The samples of a run.
struct Samples {
    dataset: Dataset,
    held_out: Option<Dataset>,
}

impl Samples {
    /// Those of `dataset`, of which the trainer may hold some out.
    fn of(trainer: &Trainer, network: &Network, dataset: &Dataset) -> Result<Self> {
        trainer.check(network)?;
        let Some(fraction) = trainer.early_stopping.and_then(|stopping| stopping.held_out) else {
            return Ok(Self { dataset: dataset.clone(), held_out: None });
        };
        // Before the split, which gives samples other numbers, and leaves some to `evaluate`.
        trainer.loss.check_targets(dataset)?;
        let (rest, held_out) = dataset.split(fraction, trainer.seed)?;
        Ok(Self { dataset: rest, held_out: Some(held_out) })
    }
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
