//! `Trainer`: epochs, batches, stopping rules and events.

pub(crate) mod data;
mod judge;
mod pipeline;
mod timetable;
pub(crate) mod training;
mod turns;

use crate::dataset::Dataset;
use crate::engine::{Engine, Output, Plan, check_evaluation, reference};
use crate::error::{Result, invalid_setting};
use crate::loss::Loss;
use crate::metric::Metric;
use crate::network::Network;
use crate::optimizer::Optimizer;
use crate::schedule::{Schedule, not_negative};
use crate::summary::{Ending, Epoch, Summary};
use crate::wrappers::Wrappers;
use serde::{Deserialize, Serialize};

/// The settings of training. `Trainer::default()` is Adam on the mean squared error for 200 epochs.
///
/// ```
/// use impasto::{Activation, Backend, Dataset, Engine, Loss, Network, Trainer};
///
/// let xor = Dataset::from_rows(
///     &[[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]],
///     &[[0.0], [1.0], [1.0], [0.0]],
/// )?;
/// let mut network = Network::builder(2)
///     .hidden(&[8], Activation::Tanh)
///     .output(1, Activation::Sigmoid)
///     .build()?;
/// let engine = Engine::open(Backend::Cpu)?;
/// let trainer = Trainer {
///     epochs: 500,
///     learning_rate: 0.02,
///     loss: Loss::BinaryCrossEntropy,
///     ..Trainer::default()
/// };
/// trainer.check(&network)?; // `fit` checks the settings, too.
/// trainer.fit(&engine, &mut network, &xor)?;
/// let outputs = engine.predict(&network, &[0.0, 1.0, 1.0, 1.0])?;
/// assert!(outputs[0] > 0.9 && outputs[1] < 0.1);
/// # Ok::<(), impasto::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Trainer {
    /// Passes over the samples, at least 1; 200 by default.
    pub epochs: usize,
    /// The most steps, at least 1; `None`, as many as the epochs have, by default. The schedule runs over the steps
    /// that are taken. The last epoch may then stay unfinished, and an unfinished epoch is not in the history.
    ///
    /// ```
    /// use impasto::reference::ReferenceEngine;
    /// use impasto::{Activation, Dataset, Network, Trainer};
    ///
    /// let samples = Dataset::from_rows(&[[0.0], [1.0], [2.0]], &[[1.0], [0.0], [1.0]])?;
    /// let mut network = Network::builder(1).output(1, Activation::Identity).build()?;
    /// let trainer = Trainer { steps: Some(10), batch_size: 1, ..Trainer::default() };
    /// let summary = trainer.fit(ReferenceEngine::new(), &mut network, &samples)?;
    /// assert_eq!((summary.steps, summary.history.len()), (10, 3));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    pub steps: Option<u64>,
    /// Samples in a step, at least 1; the last step of an epoch takes what is left. 200 by
    /// default.
    pub batch_size: usize,
    /// Learning rate before the schedule, above 0; 1e-3 by default.
    pub learning_rate: f64,
    /// How the learning rate falls; [`Schedule::Constant`] by default.
    pub schedule: Schedule,
    /// Steps over which the learning rate first rises from almost 0 to that of the schedule; 0, no
    /// warm-up, by default. See [`Schedule::after_warm_up`]. For a network that was trained before, take
    /// [`warm_up_again`](Self::warm_up_again).
    pub warm_up: u64,
    /// The loss that training minimizes; [`Loss::MeanSquaredError`] by default.
    pub loss: Loss,
    /// How gradients become updates; [`Optimizer::ADAM`] by default.
    pub optimizer: Optimizer,
    /// The wrappers of the optimizer: clipping, lookahead, a moving average; none by default. With a moving
    /// average, the run results in the average, which is also what is validated.
    pub wrappers: Wrappers,
    /// L2 penalty: `l2·w` is added to the gradient of every parameter; 0 by default. The reported
    /// losses do not contain it.
    pub l2: f64,
    /// Whether each epoch visits the samples in an order of its own; true by default.
    pub shuffle: bool,
    /// Seed of that order, of the validation samples and of dropout; 0 by default.
    pub seed: u64,
    /// The fraction of the samples, in (0, 1), that is split off to validate with, where no validation
    /// samples are given; `None` by default. scikit-learn's `validation_fraction` is 0.1.
    pub validation_fraction: Option<f64>,
    /// What is computed after each epoch: of the validation samples, or of the training samples where
    /// there are none. Nothing by default. Each kind of metric takes a pass over those samples.
    pub metrics: Vec<Metric>,
    /// When to stop because the loss no longer falls; `None` by default.
    pub early_stopping: Option<EarlyStopping>,
    /// Stops after an epoch whose loss is this or less: the validation loss where there is one, else the
    /// training loss. `None` by default.
    pub target_loss: Option<f64>,
    /// Stops after this many seconds of training, above 0, within about a tenth of a second. `None` by
    /// default.
    pub time_limit: Option<f64>,
}

impl Default for Trainer {
    fn default() -> Self {
        Self {
            epochs: 200,
            steps: None,
            batch_size: 200,
            learning_rate: 1e-3,
            schedule: Schedule::Constant,
            warm_up: 0,
            loss: Loss::MeanSquaredError,
            optimizer: Optimizer::ADAM,
            wrappers: Wrappers::default(),
            l2: 0.0,
            shuffle: true,
            seed: 0,
            validation_fraction: None,
            metrics: Vec::new(),
            early_stopping: None,
            target_loss: None,
            time_limit: None,
        }
    }
}

/// Stops a run when the loss no longer falls, as scikit-learn's `MLPRegressor` does.
///
/// The run ends after more than `patience` epochs in a row whose loss was not below the best loss by at least
/// `tolerance`.
///
/// The loss is the validation loss where there are validation samples, else the training loss. With
/// validation samples, the network gets the parameters of the best epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlyStopping {
    /// The improvement that counts, 0 or more; 1e-4 by default, as scikit-learn's `tol`.
    pub tolerance: f64,
    /// Epochs without such an improvement that do not end the run; 10 by default, as scikit-learn's
    /// `n_iter_no_change`.
    pub patience: usize,
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self { tolerance: 1e-4, patience: 10 }
    }
}

/// An event of a training run, which a watcher receives; see [`Trainer::fit_with`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The network and the samples are on the device, and the first step starts.
    Started {
        /// Steps in an epoch.
        steps_per_epoch: u64,
        /// Steps in all, if nothing stops them.
        steps: u64,
    },
    /// Some steps are done. This event comes about twenty times a second.
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

impl Trainer {
    /// Steps of [warm-up](Self::warm_up) for a network that was trained before and whose optimizer state was
    /// not kept: 2,000 steps, or a fifth of the run if that is less. Without a warm-up, the first steps of
    /// the new optimizer would undo much of what was learned. Ma & Yarats 2021, who take 2/(1 − β₂) steps for
    /// Adam.
    ///
    /// ```
    /// use impasto::{Dataset, Trainer};
    ///
    /// let samples = Dataset::from_rows(&[[0.0], [1.0]], &[[1.0], [0.0]])?;
    /// let trainer = Trainer { epochs: 50, ..Trainer::default() };
    /// let trainer = Trainer { warm_up: trainer.warm_up_again(&samples), ..trainer };
    /// assert_eq!(trainer.warm_up, 10);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    pub fn warm_up_again(&self, dataset: &Dataset) -> u64 {
        let steps = dataset.len().div_ceil(self.batch_size.max(1)).saturating_mul(self.epochs);
        (self.most_steps(steps as u64) / 5).min(2_000)
    }

    /// The steps of a run whose epochs have so many.
    fn most_steps(&self, steps: u64) -> u64 {
        self.steps.map_or(steps, |most| most.min(steps))
    }

    /// The [`Plan`] of a run on `dataset`, for a network that was not trained before.
    pub fn plan(&self, dataset: &Dataset) -> Plan {
        self.plan_after(0, dataset)
    }

    /// The same for a network that was trained for so many epochs before. The samples are then in other
    /// orders, and dropout in other places.
    pub(crate) fn plan_after(&self, epochs: u64, dataset: &Dataset) -> Plan {
        // The golden ratio, so that the seeds of neighbors are far apart.
        let seed = self.seed ^ epochs.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Plan {
            loss: self.loss,
            optimizer: self.optimizer,
            l2: self.l2,
            batch_size: self.batch_size.min(dataset.len()),
            shuffle: self.shuffle.then_some(seed),
            seed,
            wrappers: self.wrappers,
        }
    }

    /// Whether these settings make sense and can train `network`; [`fit`](Self::fit) asks it too.
    ///
    /// # Errors
    /// A setting out of its range, or a loss or a network that cannot be trained with these settings.
    pub fn check(&self, network: &Network) -> Result<()> {
        if self.epochs == 0 {
            return invalid_setting("0 epochs: training needs at least 1");
        }
        if self.steps == Some(0) {
            return invalid_setting("0 steps: training needs at least 1");
        }
        if self.batch_size == 0 {
            return invalid_setting("a batch of 0 samples: it needs at least 1");
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return invalid_setting(format!(
                "a learning rate of {}: it must be a number above 0",
                self.learning_rate
            ));
        }
        self.schedule.check()?;
        self.optimizer.check()?;
        self.wrappers.check()?;
        not_negative("the L2 penalty", self.l2)?;
        network.check_trainable()?;
        self.loss.check_trainable(network.output_layer().activation, network.outputs())?;
        if let Some(stopping) = self.early_stopping {
            not_negative("the tolerance of early stopping", stopping.tolerance)?;
        }
        if let Some(fraction) = self.validation_fraction
            && !(fraction > 0.0 && fraction < 1.0)
        {
            return invalid_setting(format!(
                "a validation fraction of {fraction}: it must be above 0 and below 1"
            ));
        }
        if let Some(loss) = self.target_loss
            && !loss.is_finite()
        {
            return invalid_setting(format!("a target loss of {loss}: it must be a finite number"));
        }
        if let Some(seconds) = self.time_limit
            && !(seconds.is_finite() && seconds > 0.0)
        {
            return invalid_setting(format!(
                "a time limit of {seconds} seconds: it must be a number above 0"
            ));
        }
        Ok(())
    }
}

/// Samples whose loss is computed at once.
const EVALUATED: usize = 1 << 16;

/// The loss of `network` on all of `dataset`, on any engine. Weights of samples count. See [`evaluate`] for
/// an example.
///
/// # Errors
/// Samples that do not fit the network or the loss, a loss that does not fit the network's outputs, or a
/// device that failed.
pub async fn evaluate_async(
    engine: impl Into<Engine>,
    network: &Network,
    loss: Loss,
    dataset: &Dataset,
) -> Result<f64> {
    let engine = engine.into();
    check_evaluation(network, loss, dataset)?;
    let width = network.outputs();
    let wanted =
        if loss.folded_activation().is_some() { Output::Logits } else { Output::Activated };
    let scale = loss.scale(dataset.len(), width);
    let mut sum = 0.0;
    // In parts, so that memory does not grow with the dataset.
    for first in (0..dataset.len()).step_by(EVALUATED) {
        let (inputs, targets) = dataset.rows(first..dataset.len().min(first + EVALUATED));
        let double = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
        let (inputs, targets) = (double(inputs), double(targets));
        let weights = dataset.weights(first..first + targets.len() / width);
        let scales: Vec<f64> = weights.into_iter().map(|w| scale * f64::from(w)).collect();
        let outputs = engine.forward(network, &inputs, wanted).await?;
        let mut losses = vec![0.0; targets.len() / width];
        let mut unused = vec![0.0; targets.len()];
        reference::loss(loss, &outputs, &targets, width, &scales, &mut losses, &mut unused);
        sum += reference::loss_sum(&losses);
    }
    Ok(sum)
}

/// The loss of `network` on all of `dataset`, on any engine. Weights of samples count. Blocks.
///
/// ```
/// use impasto::reference::ReferenceEngine;
/// use impasto::{Activation, Dataset, Loss, Network, evaluate};
///
/// let samples = Dataset::from_rows(&[[0.0], [1.0]], &[[1.0], [3.0]])?;
/// let mut network = Network::builder(1).output(1, Activation::Identity).build()?;
/// network.set_parameters(&[2.0, 1.0])?; // y = 2x + 1
/// let engine = ReferenceEngine::new();
/// assert_eq!(evaluate(&engine, &network, Loss::MeanSquaredError, &samples)?, 0.0);
/// # Ok::<(), impasto::Error>(())
/// ```
///
/// # Errors
/// As [`evaluate_async`].
#[cfg(not(target_arch = "wasm32"))]
pub fn evaluate(
    engine: impl Into<Engine>,
    network: &Network,
    loss: Loss,
    dataset: &Dataset,
) -> Result<f64> {
    pollster::block_on(evaluate_async(engine, network, loss, dataset))
}
