//! `TrainingState`: a run at one moment, from which it can continue.

use super::{Judge, Samples, Training};
use crate::dataset::Dataset;
use crate::engine::Engine;
use crate::error::{Result, invalid};
use crate::network::Network;
use crate::schedule::plateau::Plateau;
use crate::state::State;
use crate::summary::{Epoch, OpenEpoch, Summary};
use crate::trainer::Trainer;
use crate::trainer::judge::Best;
use crate::trainer::timetable::Timetable;
use serde::{Deserialize, Serialize};

/// A training run at some moment, with everything it needs to continue: settings, parameters, the
/// optimizer's state, and the losses so far, from which the schedule and the stopping rule resume. The
/// samples are not part of it.
///
/// ```
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
/// training.run(half)?;
/// let bytes = training.state()?.encode()?;
///
/// // Later, in another process:
/// let state = TrainingState::decode(&bytes)?;
/// let mut resumed = Training::resume(&engine, &samples, &state)?;
/// resumed.run(|_| ControlFlow::Continue(()))?;
///
/// // As if it had never stopped.
/// training.run(|_| ControlFlow::Continue(()))?;
/// assert_eq!(resumed.parameters()?, training.parameters()?);
/// # Ok::<(), impasto::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TrainingState {
    /// The settings of the run. They may be changed before the run continues, such as to more epochs or
    /// another learning rate. The optimizer, the wrappers, the batch size and the fraction of held-out
    /// samples must stay the same.
    pub trainer: Trainer,
    /// What is trained, with what was learned so far.
    pub(crate) network: Network,
    pub(crate) session: State,
    /// The best epoch so far, where samples are held out.
    pub(crate) best: Option<u64>,
    pub(crate) course: Course,
    /// Samples of the dataset, those held out among them.
    pub(crate) samples: usize,
    pub(crate) epoch: OpenEpoch,
    pub(crate) summary: Summary,
}

/// The settings that decide which samples a step takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Course {
    batch_size: usize,
    shuffle: bool,
    seed: u64,
    held_out: Option<f64>,
}

impl Course {
    fn of(trainer: &Trainer) -> Self {
        let Trainer { batch_size, shuffle, seed, early_stopping, .. } = *trainer;
        let held_out = early_stopping.and_then(|stopping| stopping.held_out);
        Self { batch_size, shuffle, seed, held_out }
    }
}

impl TrainingState {
    /// The network with what was learned so far: the parameters of the best epoch where samples are held
    /// out to judge it, or the moving average where there is one.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// What came of the run so far.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }
}

impl Training {
    /// The state of the run after the last step that an event reported. The run itself can continue, too.
    ///
    /// # Errors
    /// A device that failed, or a run that diverged and whose session cannot go back to the step before
    /// ([`Session::can_keep`](crate::Session::can_keep)).
    pub async fn state_async(&mut self) -> Result<TrainingState> {
        let session = self.pipeline.state().await?;
        let mut network = self.network.clone();
        let averages = self.trainer.wrappers.ema.is_some();
        if self.judge.best().is_some() || averages {
            network.set_parameters(&self.parameters_async().await?)?;
        } else {
            network.set_parameters(&session.parameters)?;
        }
        Ok(TrainingState {
            trainer: self.trainer.clone(),
            network,
            session,
            best: self.judge.best().map(|best| best.epoch),
            course: Course::of(&self.trainer),
            samples: self.dataset.len() + self.held_out.as_ref().map_or(0, Dataset::len),
            epoch: self.epoch,
            summary: self.summary.clone(),
        })
    }

    /// Continues a run from its state, in a new session, as if it had never stopped; to the bit on the same
    /// engine. `dataset` must contain the samples that the run was begun with, in their order.
    ///
    /// # Errors
    /// A dataset with another number of samples or other widths than the run was begun with, settings that
    /// do not fit the state, or a device that failed.
    pub async fn resume_async(
        engine: impl Into<Engine>,
        dataset: &Dataset,
        state: &TrainingState,
    ) -> Result<Self> {
        if dataset.len() != state.samples {
            return invalid(format!(
                "a run that was begun with {} samples cannot go on with {}",
                state.samples,
                dataset.len()
            ));
        }
        let samples = Samples::of(&state.trainer, &state.network, dataset)?;
        Self::from_state(engine.into(), samples, state).await
    }

    /// Continues from an earlier state of this run on another engine, after the device of the first was lost.
    /// The steps after the state are forgotten.
    ///
    /// # Errors
    /// A state with another number of samples than this run, settings that do not fit the state, or a device
    /// that failed. Then the run is unchanged.
    pub async fn restart_async(
        &mut self,
        engine: impl Into<Engine>,
        state: &TrainingState,
    ) -> Result<()> {
        let (dataset, held_out) = (self.dataset.clone(), self.held_out.clone());
        if state.course != Course::of(&self.trainer) {
            return invalid("a state of another run, with another course through the samples");
        }
        if dataset.len() + held_out.as_ref().map_or(0, Dataset::len) != state.samples {
            return invalid(format!(
                "a state of another run: it has {} samples, and this run has {}",
                state.samples,
                dataset.len() + held_out.as_ref().map_or(0, Dataset::len)
            ));
        }
        *self = Self::from_state(engine.into(), Samples { dataset, held_out }, state).await?;
        Ok(())
    }

    async fn from_state(engine: Engine, samples: Samples, state: &TrainingState) -> Result<Self> {
        let TrainingState { trainer, network, session, best, epoch, summary, course, .. } = state;
        trainer.check(network)?;
        if *course != Course::of(trainer) {
            return invalid(
                "a run cannot go on with another batch size, seed, order of the samples or fraction of \
                 held-out samples than it was begun with",
            );
        }
        let timetable = Timetable::new(trainer, samples.dataset.len());
        if !timetable.is_at(session.batches, epoch, summary)
            || best.is_some_and(|best| best > summary.history.len() as u64)
        {
            return invalid(
                "a saved run whose numbers contradict each other: it is damaged, or another program \
                 wrote it",
            );
        }
        let judged = samples.held_out.is_some();
        let mut training = Self::start(trainer.clone(), engine, network, samples).await?;
        training.pipeline.restore(session).await?;
        let losses: Vec<f64> = summary.history.iter().map(Epoch::judged_loss).collect();
        let best = best.filter(|_| judged);
        let best = best.map(|epoch| Best { epoch, parameters: network.parameters().to_vec() });
        training.judge = Judge::after(trainer.early_stopping, &losses, best);
        training.plateau = Plateau::default();
        for loss in losses {
            training.multiplier = training.plateau.observe(trainer.schedule, loss);
        }
        training.epoch = *epoch;
        let setup_seconds = training.summary.setup_seconds;
        training.summary = Summary { setup_seconds, ..summary.clone() };
        Ok(training)
    }
}
