//! `Training`: a run in progress, its events, rules and history.

#[cfg(not(target_arch = "wasm32"))]
mod blocking;
mod pace;
pub(crate) mod saved;
mod stopping;

use super::data::TrainingData;
use super::judge::Judge;
use super::pipeline::{Done, Pipeline, Taken};
use super::timetable::Timetable;
use super::turns::Turns;
use super::{Ending, Epoch, Event, Summary, Trainer};
use crate::engine::{Divergence, Engine, Step};
use crate::error::{Error, Result};
use crate::memory;
use crate::metric::Metrics;
use crate::metric::measure::Measure;
use crate::network::Network;
use crate::schedule::plateau::Plateau;
use crate::stop::StopHandle;
use crate::summary::OpenEpoch;
use std::fmt;
use std::ops::ControlFlow;
use web_time::Instant;

impl Trainer {
    /// Trains `network` on `data` (a dataset, or one to train on and one to validate with; see
    /// [`TrainingData`]) and puts what was learned into it. Blocks; see
    /// [`fit_async`](Self::fit_async).
    ///
    /// Another call continues with the parameters of `network`, a new state of the optimizer, and the
    /// samples in orders that follow those of the epochs before
    /// ([`Network::epochs_trained`]). To continue exactly where a run stopped, keep a [`Training`] or its
    /// [`state`](Training::state).
    ///
    /// # Errors
    /// Settings that make no sense or do not fit the network, a device that failed, or
    /// [`Error::Diverged`](crate::Error::Diverged); then `network` has the parameters from before the step that diverged.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn fit(
        &self,
        engine: impl Into<Engine>,
        network: &mut Network,
        data: impl Into<TrainingData>,
    ) -> Result<Summary> {
        self.fit_with(engine, network, data, |_| ControlFlow::Continue(()))
    }

    /// [`fit`](Self::fit) with a watcher, which receives events and stops the run with
    /// [`ControlFlow::Break`]. What was learned until then is kept.
    ///
    /// ```
    /// use impasto::reference::ReferenceEngine;
    /// use impasto::{Activation, Dataset, Event, Network, Trainer};
    /// use std::ops::ControlFlow;
    ///
    /// let samples = Dataset::from_rows(&[[0.0], [1.0]], &[[1.0], [0.0]])?;
    /// let mut network = Network::builder(1).output(1, Activation::Identity).build()?;
    /// let watch = |event: &Event| match event {
    ///     Event::Epoch(epoch) if epoch.number == 3 => ControlFlow::Break(()),
    ///     _ => ControlFlow::Continue(()),
    /// };
    /// let trainer = Trainer::default();
    /// let summary = trainer.fit_with(ReferenceEngine::new(), &mut network, &samples, watch)?;
    /// assert_eq!(summary.history.len(), 3);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn fit_with(
        &self,
        engine: impl Into<Engine>,
        network: &mut Network,
        data: impl Into<TrainingData>,
        watch: impl FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<Summary> {
        pollster::block_on(self.fit_with_async(engine, network, data, watch))
    }

    /// [`fit`](Self::fit) for callers that must not block. See [`fit`](Self::fit) for an example.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub async fn fit_async(
        &self,
        engine: impl Into<Engine>,
        network: &mut Network,
        data: impl Into<TrainingData>,
    ) -> Result<Summary> {
        self.fit_with_async(engine, network, data, |_| ControlFlow::Continue(())).await
    }

    /// [`fit_with`](Self::fit_with) for callers that must not block. See [`fit_with`](Self::fit_with) for an
    /// example.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub async fn fit_with_async(
        &self,
        engine: impl Into<Engine>,
        network: &mut Network,
        data: impl Into<TrainingData>,
        mut watch: impl FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<Summary> {
        let mut training = self.begin_async(engine, network, data).await?;
        let ended = training.run_with_async(&mut watch).await;
        // Whatever ended it, what was learned so far is kept, unless the device is gone.
        let learned = training.parameters_async().await;
        if let Ok(parameters) = &learned {
            network.set_parameters(parameters)?;
            network.set_epochs_trained(training.epochs_trained());
        }
        ended?;
        learned?;
        Ok(training.into_summary())
    }

    /// Loads `network` and `data` into an engine, ready to train, for callers that do things between the
    /// steps and must not block. [`fit_async`](Self::fit_async) is this with one
    /// [`run_async`](Training::run_async). See [`begin`](Self::begin) for an example.
    ///
    /// # Errors
    /// Settings that make no sense or do not fit the network, too little memory, or a device that failed.
    pub async fn begin_async(
        &self,
        engine: impl Into<Engine>,
        network: &Network,
        data: impl Into<TrainingData>,
    ) -> Result<Training> {
        Training::begin(self.clone(), engine.into(), network, data.into()).await
    }
}

/// A training run that can be paused, inspected and continued.
///
/// `Trainer::begin` or [`Trainer::begin_async`] starts it. WebAssembly has only the functions whose names end
/// in `_async`. Parameters, samples and the optimizer's state stay on the device. The run owns a handle to
/// its engine, and can move to another thread.
///
/// ```
/// use impasto::reference::ReferenceEngine;
/// use impasto::{Activation, Dataset, Metric, Network, Trainer};
///
/// let samples = Dataset::from_rows(&[[0.0], [0.5], [1.0]], &[[1.0], [0.0], [1.0]])?;
/// let network = Network::builder(1).hidden(&[8], Activation::Tanh);
/// let network = network.output(1, Activation::Identity).build()?;
/// let trainer = Trainer { learning_rate: 0.02, ..Trainer::default() };
/// let mut training = trainer.begin(ReferenceEngine::new(), &network, &samples)?;
/// println!("on {}", training.engine().device());
///
/// let first = training.step(1)?.expect("a step was left");
/// training.step(99)?;
/// assert!(training.evaluate(&samples)? < first);
/// let metrics = training.metrics(&samples, &[Metric::R2])?;
/// println!("R² is {:?} after {} steps", metrics.get(Metric::R2), training.summary().steps);
///
/// // What was learned so far. The run goes on.
/// let network = training.network()?;
/// assert_eq!(network.parameters(), training.parameters()?);
/// training.run()?;
/// # Ok::<(), impasto::Error>(())
/// ```
pub struct Training {
    trainer: Trainer,
    engine: Engine,
    /// What is trained, with the parameters it was begun with or that were last judged.
    network: Network,
    data: TrainingData,
    measure: Measure,
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
        data: TrainingData,
    ) -> Result<Self> {
        trainer.check(network)?;
        let data = data.prepared(&trainer, network)?;
        Self::start(trainer, engine, network, data).await
    }

    /// Starts a session on samples that were split.
    async fn start(
        trainer: Trainer,
        engine: Engine,
        network: &Network,
        data: TrainingData,
    ) -> Result<Self> {
        let setup = Instant::now();
        let plan = trainer.plan_after(network.epochs_trained(), &data.training);
        let session = engine.start(network, &plan, &data.training).await?;
        let notes = data.training.scale_note().into_iter().collect();
        let measured = data.validation.as_ref().unwrap_or(&data.training);
        let output = network.output_layer().activation;
        let stop = StopHandle::default();
        Ok(Self {
            engine,
            network: network.copy()?,
            timetable: Timetable::new(&trainer, data.training.len()),
            measure: Measure::new(&trainer.metrics, trainer.loss, output, measured),
            data,
            pipeline: Pipeline::new(session, stop.clone()),
            judge: Judge::new(trainer.early_stopping),
            trainer,
            plateau: Plateau::default(),
            multiplier: 1.0,
            stale: false,
            stop,
            last_loss: f64::NAN,
            epoch: OpenEpoch::default(),
            summary: Summary {
                ending: Ending::Stopped,
                steps: 0,
                samples: 0,
                seconds: 0.0,
                setup_seconds: setup.elapsed().as_secs_f64(),
                epochs: 0,
                history: Vec::new(),
                best_epoch: None,
                notes,
            },
        })
    }

    /// Trains until all epochs are done, a rule ends the run, or a [`StopHandle`] stops it. Another call
    /// continues from there. See [`run`](Self::run) for an example.
    ///
    /// # Errors
    /// A device that failed, or [`Error::Diverged`]. After a divergence the run is before the step that
    /// diverged; a lower [rate](Self::set_learning_rate) may get it further.
    ///
    /// [`StopHandle`]: crate::StopHandle
    pub async fn run_async(&mut self) -> Result<Ending> {
        self.run_until(u64::MAX, |_| ControlFlow::Continue(())).await
    }

    /// [`run_async`](Self::run_async) with a watcher, which receives events and stops the run with
    /// [`ControlFlow::Break`]. A stopped run is exactly where the event was, even if the device has computed
    /// more steps. See [`run_with`](Self::run_with) for an example.
    ///
    /// # Errors
    /// As [`run_async`](Self::run_async).
    pub async fn run_with_async(
        &mut self,
        watch: impl FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<Ending> {
        self.run_until(u64::MAX, watch).await
    }

    /// The parameters learned so far, in the order of [`Network::parameters`]. Where early stopping
    /// validates, they are those of the best epoch, as after [`Trainer::fit_async`].
    /// [`predict_async`](Self::predict_async) uses those of the last step instead. See
    /// [`parameters`](Self::parameters) for an example.
    ///
    /// # Errors
    /// A device that failed.
    pub async fn parameters_async(&mut self) -> Result<Vec<f64>> {
        if let Some(best) = self.judge.best() {
            return memory::copy(&best.parameters);
        }
        self.catch_up().await?;
        let parameters = self.pipeline.parameters().await?;
        Ok(self.with_frozen(parameters))
    }

    /// These parameters with those of frozen layers as they were at the beginning. The engine rounds them to f32,
    /// although training does not change them.
    fn with_frozen(&self, mut parameters: Vec<f64>) -> Vec<f64> {
        for place in self.network.frozen() {
            parameters[place.clone()].copy_from_slice(&self.network.parameters()[place]);
        }
        parameters
    }

    /// The network with the parameters learned so far; see [`parameters_async`](Self::parameters_async). See
    /// [`network`](Self::network) for an example.
    ///
    /// # Errors
    /// A device that failed, or too little memory.
    pub async fn network_async(&mut self) -> Result<Network> {
        let parameters = self.parameters_async().await?;
        let mut network = self.network.copy()?;
        network.set_parameters(&parameters)?;
        network.set_epochs_trained(self.epochs_trained());
        Ok(network)
    }

    /// Epochs that the network was trained for, before this run and in it.
    fn epochs_trained(&self) -> u64 {
        self.network.epochs_trained() + self.summary.epochs
    }

    /// Sets the learning rate, before the schedule, of the steps to come.
    ///
    /// # Errors
    /// A rate that is not a finite number above 0.
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

    /// The epochs, steps and seconds so far.
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
        if self.is_out_of_time() {
            return Ok(Ending::TimeLimit);
        }
        let waits = self.looks_at_epochs() || self.pipeline.waits();
        if self.stale {
            self.catch_up().await?;
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
            let goes_on = self.next() <= until && !self.stop.is_stopping();
            if self.pipeline.has_room() && goes_on && !hold {
                let steps = self.next_steps(until, waits);
                self.pipeline.submit(steps).await?;
                continue;
            }
            if let Some(seconds) = self.pipeline.finish_first(&mut turns).await? {
                self.summary.seconds += seconds;
            }
            let Some(done) = self.pipeline.first() else {
                // A request to stop is kept for later if this is the end in any case.
                if self.summary.steps < until {
                    self.stop.take();
                }
                break;
            };
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
            let found = if ends { self.validate().await? } else { Validation::default() };
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
                let (event, ended) = self.close_epoch(step.epoch, found);
                let stopped = watch(&event).is_break();
                if ended.is_some() {
                    ending = ended;
                } else if stopped {
                    return Ok(Some(Ending::Stopped));
                }
            }
            if self.summary.steps == until && ending.is_none() && self.pipeline.next().is_some() {
                return Ok(Some(Ending::Stopped));
            }
        }
        self.pipeline.drop_first();
        if done.samples == 0 {
            // Its first step was abandoned.
            return Ok(ending.or_else(|| self.stop.take().then_some(Ending::Stopped)));
        }
        let event = Event::Progress {
            steps: self.summary.steps,
            loss: done.loss,
            samples_per_second: done.samples as f64 / done.seconds.max(1e-9),
        };
        // A request to stop is kept for later if this is the end in any case.
        let stops_anyway = self.summary.steps == until;
        let stopped = watch(&event).is_break() || (!stops_anyway && self.stop.take());
        if self.is_out_of_time() && self.summary.steps < self.timetable.steps {
            ending = ending.or(Some(Ending::TimeLimit));
        }
        if stopped || stops_anyway {
            ending = ending.or(Some(Ending::Stopped));
        }
        Ok(ending)
    }

    /// Whether something depends on what came of an epoch, and must know it before the next epoch starts.
    fn looks_at_epochs(&self) -> bool {
        self.trainer.schedule.watches_loss()
            || self.trainer.early_stopping.is_some()
            || self.trainer.target_loss.is_some()
            || self.data.validation.is_some()
            || !self.trainer.metrics.is_empty()
    }

    fn is_out_of_time(&self) -> bool {
        self.trainer.time_limit.is_some_and(|limit| self.summary.seconds >= limit)
    }

    /// Computes the validation loss, if there are validation samples, and the metrics after the steps
    /// submitted so far. If early stopping keeps the best epoch and this is it, copies the parameters to
    /// `network`.
    async fn validate(&mut self) -> Result<Validation> {
        let trained = self.trainer.loss;
        let mut values = Vec::new();
        for loss in self.measure.losses() {
            let samples = self.data.validation.as_ref().unwrap_or(&self.data.training);
            values.push((loss, self.pipeline.evaluate(samples, loss).await?));
        }
        let metrics = self.measure.metrics(&values);
        let Some(validation) = &self.data.validation else {
            return Ok(Validation { loss: None, metrics });
        };
        let loss = match values.iter().find(|(loss, _)| *loss == trained) {
            Some((_, known)) => *known,
            None => self.pipeline.evaluate(validation, trained).await?,
        };
        if self.judge.is_best(loss) {
            let parameters = self.pipeline.latest_parameters().await?;
            self.network.set_parameters(&self.with_frozen(parameters))?;
        }
        Ok(Validation { loss: Some(loss), metrics })
    }

    /// Adds the epoch to the history. Returns its event, and how it ends the run if it does.
    fn close_epoch(&mut self, number: u64, found: Validation) -> (Event, Option<Ending>) {
        let open = std::mem::take(&mut self.epoch);
        let divisor = if self.trainer.loss.is_mean() { open.samples as f64 } else { 1.0 };
        let epoch = Epoch {
            number,
            loss: open.loss / divisor,
            validation_loss: found.loss,
            metrics: found.metrics,
            learning_rate: open.learning_rate,
            seconds: open.seconds,
        };
        let judged = epoch.judged_loss();
        let (improved, stop) = self.judge.observe(judged);
        if improved && found.loss.is_some() {
            self.judge.keep(number, self.network.parameters());
            self.summary.best_epoch = Some(number);
        }
        self.multiplier = self.plateau.observe(self.trainer.schedule, judged);
        self.summary.push(epoch);
        let reached = self.trainer.target_loss.is_some_and(|target| judged <= target);
        let ending = match (reached, stop) {
            (true, _) => Some(Ending::TargetLoss),
            (false, true) => Some(Ending::Converged),
            (false, false) => None,
        };
        (Event::Epoch(epoch), ending)
    }
}

/// The default learning rate of [`Trainer`], which suits most runs.
const USUAL_RATE: f64 = 1e-3;

/// What came of the validation of an epoch.
#[derive(Clone, Copy, Default)]
struct Validation {
    loss: Option<f64>,
    metrics: Metrics,
}

/// The error for a step that diverged.
fn diverged(divergence: Divergence, step: &Step, summary: &Summary) -> Error {
    // A tenth of a rate that is far too large is too large as well.
    let tenth = (step.learning_rate / 10.0).min(USUAL_RATE);
    Error::Diverged {
        what: divergence.what(),
        step: step.number,
        epoch: step.epoch,
        // One significant digit is all that such advice is worth.
        suggestion: format!("{tenth:.0e}").parse().unwrap_or(tenth),
        summary: Box::new(Summary { ending: Ending::Diverged, ..summary.clone() }),
    }
}
