//! The trainer: epochs, batches, stopping rules, and events for whoever watches.
//!
//! ```
//! use impasto::{Activation, Backend, Control, Dataset, Initialisation, Loss, Network, Trainer};
//!
//! let xor = Dataset::from_rows(
//!     &[[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]],
//!     &[[0.0], [1.0], [1.0], [0.0]],
//! )?;
//! let mut network = Network::builder(2)
//!     .hidden(&[8], Activation::Tanh)
//!     .output(1, Activation::Sigmoid)
//!     .build()?;
//! let engine = impasto::open(Backend::Cpu, None)?;
//! let trainer = Trainer {
//!     epochs: 500,
//!     learning_rate: 0.02,
//!     loss: Loss::BinaryCrossEntropy,
//!     ..Trainer::default()
//! };
//! trainer.fit(&*engine, &mut network, &xor, |_| Control::Continue)?;
//! let outputs = engine.predict(&network, &[0.0, 1.0, 1.0, 1.0])?;
//! assert!(outputs[0] > 0.9 && outputs[1] < 0.1);
//! # Ok::<(), impasto::Error>(())
//! ```

use crate::dataset::Dataset;
use crate::engine::{Divergence, Engine, Outcome, Output, Pending, Plan, Session, Step, reference};
use crate::error::{Error, Result, invalid};
use crate::loss::Loss;
use crate::network::Network;
use crate::optimizer::{Optimizer, Plateau, Schedule, not_negative};
use std::collections::VecDeque;
use std::time::Duration;
use web_time::Instant;

/// About how long the steps of one submission take: long enough that submitting costs nothing,
/// short enough that a watcher sees progress and can stop.
const SUBMISSION: Duration = Duration::from_millis(50);

/// The most steps in a submission, which bounds what is uploaded and read back with it.
const MOST_STEPS: usize = 1024;

/// Submissions under way at once: the next is ready when the device has finished one.
const IN_FLIGHT: usize = 2;

/// How to train. `Trainer::default()` is Adam on the mean squared error.
#[derive(Clone, Debug, PartialEq)]
pub struct Trainer {
    /// Passes over the samples, at least 1; 200 by default.
    pub epochs: usize,
    /// Samples in a step, at least 1; the last step of an epoch takes what is left. 200 by
    /// default.
    pub batch_size: usize,
    /// Learning rate before the schedule, above 0; 1e-3 by default.
    pub learning_rate: f64,
    /// How the learning rate falls; [`Schedule::Constant`] by default.
    pub schedule: Schedule,
    /// What is made small; [`Loss::MeanSquaredError`] by default.
    pub loss: Loss,
    /// How gradients become updates; [`Optimizer::ADAM`] by default.
    pub optimizer: Optimizer,
    /// L2 penalty: `l2·w` is added to the gradient of every parameter; 0 by default. The losses
    /// told do not contain it.
    pub l2: f64,
    /// Whether each epoch visits the samples in an order of its own; true by default.
    pub shuffle: bool,
    /// Seed of that order and of the held-out samples; 0 by default.
    pub seed: u64,
    /// When to stop before the last epoch; `None` by default.
    pub early_stopping: Option<EarlyStopping>,
}

impl Default for Trainer {
    fn default() -> Self {
        Self {
            epochs: 200,
            batch_size: 200,
            learning_rate: 1e-3,
            schedule: Schedule::Constant,
            loss: Loss::MeanSquaredError,
            optimizer: Optimizer::ADAM,
            l2: 0.0,
            shuffle: true,
            seed: 0,
            early_stopping: None,
        }
    }
}

/// Stops when the loss no longer falls, as scikit-learn's `MLPRegressor` has it: after more than
/// `patience` epochs in a row that did not beat the best loss by more than `tolerance`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EarlyStopping {
    /// The improvement that counts, 0 or more; scikit-learn's `tol` is 1e-4.
    pub tolerance: f64,
    /// Epochs without it that are let pass; scikit-learn's `n_iter_no_change` is 10.
    pub patience: usize,
    /// The fraction of the samples that is kept from training and judged instead of the training
    /// loss; the parameters of the best epoch are then kept. scikit-learn's
    /// `validation_fraction` is 0.1.
    pub held_out: Option<f64>,
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self { tolerance: 1e-4, patience: 10, held_out: None }
    }
}

/// What a watcher is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The device is loaded and the first step about to start.
    Started {
        /// Steps in an epoch.
        steps_per_epoch: u64,
        /// Steps in all, if nothing stops them.
        steps: u64,
    },
    /// Some steps are done. Comes about twenty times a second.
    Progress {
        /// Steps done so far.
        steps: u64,
        /// The loss of the last of them.
        loss: f64,
        /// Samples a second, over these steps.
        samples_per_second: f64,
    },
    /// An epoch is done.
    Epoch(Epoch),
}

/// An epoch in the history of a training run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// Its number, from 1.
    pub number: u64,
    /// The mean (for a sum loss: the sum) of its steps' losses, each taken before its update.
    pub loss: f64,
    /// The loss on the held-out samples after it.
    pub held_out_loss: Option<f64>,
    /// The learning rate of its last step.
    pub learning_rate: f64,
    /// Seconds it took. Short epochs are timed together and share the time.
    pub seconds: f64,
}

/// What a watcher answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Stop here and keep what was learned.
    Stop,
}

/// Why training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All epochs are done.
    Finished,
    /// The loss no longer fell.
    Converged,
    /// The watcher said stop.
    Stopped,
    /// The loss or an update was no longer finite; told by [`Error::Diverged`].
    Diverged,
}

/// What came of training.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Why it ended.
    pub ending: Ending,
    /// Steps done.
    pub steps: u64,
    /// Samples that those steps took.
    pub samples: u64,
    /// Seconds from the first step to the last one finished.
    pub seconds: f64,
    /// Seconds of loading the device before.
    pub setup_seconds: f64,
    /// The epochs that were finished.
    pub history: Vec<Epoch>,
}

impl Trainer {
    /// Trains `network` on `dataset` and puts what was learned into it. `watch` is told of
    /// progress and may stop it. Blocks; see [`fit_async`](Self::fit_async).
    ///
    /// # Errors
    /// Settings that make no sense or do not fit the network, a device that failed, or
    /// [`Error::Diverged`]; then `network` has the parameters from before the step that diverged.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn fit(
        &self,
        engine: &dyn Engine,
        network: &mut Network,
        dataset: &Dataset,
        watch: impl FnMut(&Event) -> Control,
    ) -> Result<Summary> {
        pollster::block_on(self.fit_async(engine, network, dataset, watch))
    }

    /// [`fit`](Self::fit) for callers that must not block.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub async fn fit_async(
        &self,
        engine: &dyn Engine,
        network: &mut Network,
        dataset: &Dataset,
        mut watch: impl FnMut(&Event) -> Control,
    ) -> Result<Summary> {
        self.check(network)?;
        let setup = Instant::now();
        let split = match self.early_stopping.and_then(|stopping| stopping.held_out) {
            Some(fraction) => Some(dataset.split(fraction, self.seed)?),
            None => None,
        };
        let (dataset, held_out) = match &split {
            Some((rest, held_out)) => (rest, Some(held_out)),
            None => (dataset, None),
        };
        let plan = self.plan(dataset);
        let start = network.clone();
        let session = engine.start(&start, &plan, dataset).await?;
        let mut run = Run {
            trainer: self,
            engine,
            held_out,
            session,
            timetable: Timetable::new(self, dataset.len()),
            judge: Judge::new(self.early_stopping),
            plateau: Plateau::default(),
            multiplier: 1.0,
            clock: Instant::now(),
            epoch: OpenEpoch::default(),
            summary: Summary {
                ending: Ending::Finished,
                steps: 0,
                samples: 0,
                seconds: 0.0,
                setup_seconds: setup.elapsed().as_secs_f64(),
                history: Vec::new(),
            },
        };
        let ended = run.train(network, &mut watch).await;
        // Whatever ended it, what was learned so far is kept, unless the device is gone.
        let learned = match run.judge.best.take() {
            Some(best) => Ok(best),
            None => run.session.parameters().await,
        };
        match (ended, learned) {
            (Ok(()), Ok(parameters)) => network.set_parameters(&parameters)?,
            (Ok(()), Err(error)) => return Err(error),
            (Err(error), learned) => {
                if let Ok(parameters) = learned {
                    network.set_parameters(&parameters)?;
                }
                return Err(error);
            }
        }
        Ok(run.summary)
    }

    /// What the engine is told of a run on `dataset`.
    pub fn plan(&self, dataset: &Dataset) -> Plan {
        Plan {
            loss: self.loss,
            optimizer: self.optimizer,
            l2: self.l2,
            batch_size: self.batch_size.min(dataset.len()),
            shuffle: self.shuffle.then_some(self.seed),
        }
    }

    /// Whether these settings make sense and can train `network`; [`fit`](Self::fit) asks it too.
    ///
    /// # Errors
    /// One that says which setting is wrong.
    pub fn check(&self, network: &Network) -> Result<()> {
        if self.epochs == 0 {
            return invalid("0 epochs: training needs at least 1");
        }
        if self.batch_size == 0 {
            return invalid("a batch of 0 samples: it needs at least 1");
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return invalid(format!(
                "a learning rate of {}: it must be a number above 0",
                self.learning_rate
            ));
        }
        self.schedule.check()?;
        self.optimizer.check()?;
        not_negative("the L2 penalty", self.l2)?;
        network.check_trainable()?;
        self.loss.check(network.output_layer().activation)?;
        if let Some(stopping) = self.early_stopping {
            not_negative("the tolerance of early stopping", stopping.tolerance)?;
        }
        Ok(())
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
        let schedule = trainer.schedule.multiplier(number, self.steps, epoch);
        Step {
            number,
            epoch,
            first,
            count: self.batch_size.min(self.samples - first),
            learning_rate: trainer.learning_rate * multiplier * schedule,
        }
    }
}

/// The stopping rule and its memory.
struct Judge {
    rule: Option<EarlyStopping>,
    lowest: f64,
    waited: usize,
    /// The parameters of the best epoch, where the rule keeps them.
    best: Option<Vec<f64>>,
}

impl Judge {
    fn new(rule: Option<EarlyStopping>) -> Self {
        Self { rule, lowest: f64::INFINITY, waited: 0, best: None }
    }

    /// Takes in the loss of an epoch: (whether it is the best yet, whether to stop).
    fn observe(&mut self, loss: f64) -> (bool, bool) {
        let Some(rule) = self.rule else { return (false, false) };
        if loss > self.lowest - rule.tolerance {
            self.waited += 1;
        } else {
            self.waited = 0;
        }
        let improved = loss < self.lowest;
        if improved {
            self.lowest = loss;
        }
        (improved, self.waited > rule.patience)
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

/// A training run under way.
struct Run<'a> {
    trainer: &'a Trainer,
    engine: &'a dyn Engine,
    held_out: Option<&'a Dataset>,
    session: Box<dyn Session + 'a>,
    timetable: Timetable,
    judge: Judge,
    plateau: Plateau,
    multiplier: f64,
    clock: Instant,
    epoch: OpenEpoch,
    summary: Summary,
}

impl Run<'_> {
    async fn train(
        &mut self,
        network: &mut Network,
        watch: &mut impl FnMut(&Event) -> Control,
    ) -> Result<()> {
        // A rule that depends on an epoch's loss must see it before the next epoch starts.
        let waits = self.trainer.schedule.watches_loss() || self.trainer.early_stopping.is_some();
        let mut under_way: VecDeque<(Vec<Step>, Pending<'static, Outcome>)> = VecDeque::new();
        let mut next = 1_u64;
        let mut size = 1_usize;
        let started = Event::Started {
            steps_per_epoch: self.timetable.steps_per_epoch,
            steps: self.timetable.steps,
        };
        let mut stopped = watch(&started) == Control::Stop;
        let start = Instant::now();
        self.clock = start;
        loop {
            let room = if stopped { 0 } else { IN_FLIGHT };
            let epoch_done =
                waits && next > 1 && (next - 1).is_multiple_of(self.timetable.steps_per_epoch);
            let hold = epoch_done && !under_way.is_empty();
            if under_way.len() < room && next <= self.timetable.steps && !hold {
                let mut last = self.timetable.steps.min(next + size as u64 - 1);
                if waits {
                    last = last.min(
                        (next - 1) / self.timetable.steps_per_epoch
                            * self.timetable.steps_per_epoch
                            + self.timetable.steps_per_epoch,
                    );
                }
                let steps: Vec<Step> = (next..=last)
                    .map(|number| self.timetable.step(number, self.trainer, self.multiplier))
                    .collect();
                let outcome = self.session.train(&steps)?;
                under_way.push_back((steps, outcome));
                next = last + 1;
                continue;
            }
            let Some((steps, outcome)) = under_way.pop_front() else { break };
            let outcome = outcome.await?;
            let took = self.clock.elapsed();
            self.clock = Instant::now();
            self.summary.seconds = start.elapsed().as_secs_f64();
            // Grow or shrink towards the wanted duration, by at most a factor of two.
            let wanted =
                SUBMISSION.as_secs_f64() / took.as_secs_f64().max(1e-6) * steps.len() as f64;
            size = (wanted as usize).clamp(size.div_ceil(2), size * 2).clamp(1, MOST_STEPS);
            let ended = self.digest(network, &steps, &outcome, took, watch).await?;
            match ended {
                None => {}
                Some(Ending::Stopped) => stopped = true,
                Some(ending) => {
                    self.summary.ending = ending;
                    break;
                }
            }
        }
        if stopped && self.summary.steps < self.timetable.steps {
            self.summary.ending = Ending::Stopped;
        }
        Ok(())
    }

    /// Takes in what came of some steps: events, history, rules.
    async fn digest(
        &mut self,
        network: &mut Network,
        steps: &[Step],
        outcome: &Outcome,
        took: Duration,
        watch: &mut impl FnMut(&Event) -> Control,
    ) -> Result<Option<Ending>> {
        let samples: usize = steps.iter().map(|step| step.count).sum();
        let seconds = took.as_secs_f64();
        let mut ending = None;
        for (step, loss) in steps.iter().zip(&outcome.losses) {
            if let Some(divergence) = outcome.diverged.filter(|d| d.step == step.number) {
                return Err(diverged(divergence, step, &self.summary));
            }
            let weight = if self.trainer.loss.is_mean() { step.count as f64 } else { 1.0 };
            self.summary.steps += 1;
            self.summary.samples += step.count as u64;
            self.epoch.loss += loss * weight;
            self.epoch.samples += step.count;
            self.epoch.seconds += seconds * step.count as f64 / samples as f64;
            self.epoch.learning_rate = step.learning_rate;
            if step.first + step.count == self.timetable.samples {
                let (event, ended) = self.close_epoch(network, step.epoch).await?;
                if watch(&event) == Control::Stop {
                    ending = Some(Ending::Stopped);
                }
                ending = ended.or(ending);
            }
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
        network: &mut Network,
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
        if let Some(held_out) = self.held_out {
            let parameters = self.session.parameters().await?;
            network.set_parameters(&parameters)?;
            epoch.held_out_loss =
                Some(evaluate_async(self.engine, network, self.trainer.loss, held_out).await?);
        }
        let judged = epoch.held_out_loss.unwrap_or(epoch.loss);
        let (improved, stop) = self.judge.observe(judged);
        if improved && self.held_out.is_some() {
            self.judge.best = Some(network.parameters().to_vec());
        }
        self.multiplier = self.plateau.observe(self.trainer.schedule, judged);
        self.summary.history.push(epoch);
        Ok((Event::Epoch(epoch), stop.then_some(Ending::Converged)))
    }
}

/// Samples whose loss is computed at once.
const EVALUATED: usize = 1 << 16;

/// The loss of `network` on all of `dataset`, on any engine.
///
/// # Errors
/// A dataset that does not fit the network, or a device that failed.
pub async fn evaluate_async(
    engine: &dyn Engine,
    network: &Network,
    loss: Loss,
    dataset: &Dataset,
) -> Result<f64> {
    loss.check(network.output_layer().activation)?;
    let width = network.outputs();
    if dataset.target_width() != width {
        return invalid(format!(
            "samples of {} targets do not fit a network of {width} outputs",
            dataset.target_width()
        ));
    }
    let wanted =
        if loss.folded_activation().is_some() { Output::Logits } else { Output::Activated };
    let value = match loss {
        Loss::MeanSquaredError | Loss::SquaredErrorSum => reference::squared_error,
        Loss::BinaryCrossEntropy => reference::binary_cross_entropy,
        Loss::SoftmaxCrossEntropy => reference::softmax_cross_entropy,
    };
    let scale = loss.scale(dataset.len(), width);
    let mut sum = 0.0;
    // In parts, so that memory does not grow with the dataset.
    for first in (0..dataset.len()).step_by(EVALUATED) {
        let (inputs, targets) = dataset.rows(first..dataset.len().min(first + EVALUATED));
        let double = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
        let (inputs, targets) = (double(inputs), double(targets));
        let outputs = engine.forward(network, &inputs, wanted).await?;
        let mut losses = vec![0.0; targets.len() / width];
        let mut unused = vec![0.0; targets.len()];
        value(&outputs, &targets, width, scale, &mut losses, &mut unused);
        sum += reference::loss_sum(&losses);
    }
    Ok(sum)
}

/// [`evaluate_async`] for callers that may block.
///
/// # Errors
/// As [`evaluate_async`].
#[cfg(not(target_arch = "wasm32"))]
pub fn evaluate(
    engine: &dyn Engine,
    network: &Network,
    loss: Loss,
    dataset: &Dataset,
) -> Result<f64> {
    pollster::block_on(evaluate_async(engine, network, loss, dataset))
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
