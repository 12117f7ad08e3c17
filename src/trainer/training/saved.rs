//! `TrainingState`: a run at one moment, from which it can continue.

use super::{Judge, Training};
use crate::engine::Engine;
use crate::error::{Result, invalid_format, invalid_setting, invalid_shape};
use crate::network::Network;
use crate::schedule::plateau::Plateau;
use crate::state::State;
use crate::summary::{Epoch, OpenEpoch, Summary};
use crate::trainer::Trainer;
use crate::trainer::data::TrainingData;
use crate::trainer::judge::{Best, Remembered};
use crate::trainer::timetable::Timetable;
use serde::{Deserialize, Serialize};

/// A training run at some moment, with everything that it needs to continue, except for the samples.
///
/// That is settings, parameters, the optimizer's state, and the losses so far, from which the schedule and
/// the stopping rule resume.
///
#[cfg_attr(feature = "safetensors", doc = "```")]
#[cfg_attr(not(feature = "safetensors"), doc = "```ignore")]
/// use impasto::reference::ReferenceEngine;
/// use impasto::{Activation, Dataset, Event, Network, Trainer};
/// use std::ops::ControlFlow;
/// use impasto::{Training, TrainingState};
///
/// let samples = Dataset::from_rows(&[[0.0], [0.5], [1.0]], &[[1.0], [0.0], [1.0]])?;
/// let network = Network::builder(1).hidden(&[8], Activation::Tanh);
/// let network = network.output(1, Activation::Identity).build()?;
/// let (engine, trainer) = (ReferenceEngine::new(), Trainer { epochs: 20, ..Trainer::default() });
///
/// let mut training = trainer.begin(&engine, &network, &samples)?;
/// let half = |event: &Event| match event {
///     Event::Epoch(epoch) if epoch.number == 10 => ControlFlow::Break(()),
///     _ => ControlFlow::Continue(()),
/// };
/// training.run_with(half)?;
/// let bytes = training.state()?.encode()?;
///
/// // Later, in another process:
/// let state = TrainingState::decode(&bytes)?;
/// let mut resumed = Training::resume(&engine, &samples, &state)?;
/// resumed.run()?;
///
/// // As if it had never stopped.
/// training.run()?;
/// assert_eq!(resumed.parameters()?, training.parameters()?);
/// # Ok::<(), impasto::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TrainingState {
    /// The settings of the run. They may be changed before the run continues, such as to more epochs or
    /// another learning rate. The optimizer, the wrappers, the batch size and the validation fraction must
    /// stay the same.
    pub trainer: Trainer,
    /// What is trained, with what was learned so far.
    pub(crate) network: Network,
    pub(crate) session: State,
    /// The best epoch so far, where early stopping validates.
    pub(crate) best: Option<u64>,
    pub(crate) course: Course,
    /// How many samples there are, those to validate with among them.
    pub(crate) samples: usize,
    /// How many of them validate; `None` in older files, which do not contain it.
    pub(crate) validating: Option<usize>,
    pub(crate) epoch: OpenEpoch,
    pub(crate) summary: Summary,
    /// What the rules remember; `None` in older files, whose history has every epoch.
    pub(crate) memory: Option<Memory>,
}

/// What the stopping rule and the schedule remember of the losses of all epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memory {
    judge: Remembered,
    plateau: Plateau,
}

/// The settings that decide which samples a step takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Course {
    batch_size: usize,
    shuffle: bool,
    seed: u64,
    validation: Option<f64>,
}

impl Course {
    fn of(trainer: &Trainer) -> Self {
        let Trainer { batch_size, shuffle, seed, validation_fraction, .. } = *trainer;
        Self { batch_size, shuffle, seed, validation: validation_fraction }
    }
}

impl TrainingState {
    /// The network with what was learned so far: the parameters of the best epoch where early
    /// stopping validates, or the moving average where there is one. See
    /// [`Training::restart`](crate::Training::restart) for an example.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The epochs, steps and seconds of the run so far.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }
}

impl Training {
    /// The state of the run after the last step that an event reported. The run itself can continue, too. See
    /// [`state`](Self::state) for an example.
    ///
    /// # Errors
    /// A device that failed, too little memory, or a run that diverged and whose session cannot go back to the step before
    /// ([`Session::can_keep`](crate::Session::can_keep)).
    pub async fn state_async(&mut self) -> Result<TrainingState> {
        self.catch_up().await?;
        let session = self.pipeline.state().await?;
        let mut network = self.network.copy()?;
        let averages = self.trainer.wrappers.ema.is_some();
        if self.judge.best().is_some() || averages {
            network.set_parameters(&self.parameters_async().await?)?;
        } else {
            network.set_parameters(&session.parameters)?;
        }
        network.set_epochs_trained(self.epochs_trained());
        Ok(TrainingState {
            trainer: self.trainer.clone(),
            network,
            session,
            best: self.judge.best().map(|best| best.epoch),
            course: Course::of(&self.trainer),
            samples: self.data.len(),
            validating: Some(self.data.validating()),
            epoch: self.epoch,
            summary: self.summary.clone(),
            memory: Some(Memory { judge: self.judge.remembered(), plateau: self.plateau.clone() }),
        })
    }

    /// Continues a run from its state, in a new session, as if it had never stopped; to the bit on the same
    /// engine. `data` must contain the samples that the run was begun with, in their order. See
    /// [`resume`](Self::resume) for an example.
    ///
    /// # Errors
    /// Another number of samples to train on or to validate with, or other widths, than the run was begun
    /// with; settings that do not fit the state; or a device that failed.
    pub async fn resume_async(
        engine: impl Into<Engine>,
        data: impl Into<TrainingData>,
        state: &TrainingState,
    ) -> Result<Self> {
        let data = data.into();
        if data.len() != state.samples {
            return invalid_shape(format!(
                "a run that was begun with {} samples cannot go on with {}",
                state.samples,
                data.len()
            ));
        }
        state.trainer.check(&state.network)?;
        let data = data.prepared(&state.trainer, &state.network)?;
        Self::from_state(engine.into(), data, state).await
    }

    /// Continues from an earlier state of this run on another engine, after the device of the first was lost.
    /// The steps after the state are forgotten. See [`restart`](Self::restart) for an example.
    ///
    /// # Errors
    /// A state with another number of samples than this run, settings that do not fit the state, or a device
    /// that failed. Then the run is unchanged.
    pub async fn restart_async(
        &mut self,
        engine: impl Into<Engine>,
        state: &TrainingState,
    ) -> Result<()> {
        if state.course != Course::of(&self.trainer) {
            return invalid_setting(
                "a state of another run, with another course through the samples",
            );
        }
        if self.data.len() != state.samples {
            return invalid_shape(format!(
                "a state of another run: it has {} samples, and this run has {}",
                state.samples,
                self.data.len()
            ));
        }
        *self = Self::from_state(engine.into(), self.data.clone(), state).await?;
        Ok(())
    }

    async fn from_state(engine: Engine, data: TrainingData, state: &TrainingState) -> Result<Self> {
        let TrainingState {
            trainer, network, session, best, epoch, summary, course, memory, ..
        } = state;
        trainer.check(network)?;
        if *course != Course::of(trainer) {
            return invalid_setting(
                "a run cannot go on with another batch size, seed, order of the samples or validation \
                 fraction than it was begun with",
            );
        }
        if let Some(validating) = state.validating
            && validating != data.validating()
        {
            return invalid_shape(format!(
                "a run that was begun with {validating} samples to validate with cannot go on with {}",
                data.validating()
            ));
        }
        let timetable = Timetable::new(trainer, data.training.len());
        let epochs_before = network.epochs_trained().checked_sub(summary.epochs);
        if !timetable.is_at(session.batches, epoch, summary)
            || epochs_before.is_none()
            || best.is_some_and(|best| best > summary.epochs)
        {
            return invalid_format(
                "a saved run whose numbers contradict each other or the samples: it was begun with other \
                 samples to train on and to validate with, it is damaged, or another program wrote it",
            );
        }
        let judged = data.validation.is_some() && trainer.early_stopping.is_some();
        let mut begun = network.copy()?;
        begun.set_epochs_trained(epochs_before.unwrap_or_default());
        let mut training = Self::start(trainer.clone(), engine, &begun, data).await?;
        training.pipeline.restore(session).await?;
        let losses: Vec<f64> = summary.history.iter().map(Epoch::judged_loss).collect();
        let best = best.filter(|_| judged);
        let best = match best {
            Some(epoch) => {
                Some(Best { epoch, parameters: crate::memory::copy(network.parameters())? })
            }
            None => None,
        };
        match memory {
            // The history lacks epochs.
            Some(memory) if losses.len() as u64 != summary.epochs => {
                training.judge = Judge::with(trainer.early_stopping, memory.judge, best);
                training.plateau = memory.plateau.clone();
                training.multiplier = training.plateau.multiplier();
            }
            // The settings may have changed: as if they had been these from the beginning.
            _ => {
                training.judge = Judge::after(trainer.early_stopping, &losses, best);
                training.plateau = Plateau::default();
                for loss in losses {
                    training.multiplier = training.plateau.observe(trainer.schedule, loss);
                }
            }
        }
        training.epoch = *epoch;
        let setup_seconds = training.summary.setup_seconds;
        let best_epoch = summary.best_epoch.filter(|_| judged);
        training.summary = Summary { setup_seconds, best_epoch, ..summary.clone() };
        Ok(training)
    }
}
