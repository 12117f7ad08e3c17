//! The samples of a training run.

use super::Trainer;
use crate::dataset::Dataset;
use crate::error::{Result, invalid_data, invalid_setting};
use crate::network::Network;
use crate::plan::check_evaluation;

/// The samples of a training run: those to train on, and those to validate with, if there are any.
///
/// `&dataset` and `(&training, &validation)` convert into it.
///
/// ```
/// use impasto::reference::ReferenceEngine;
/// use impasto::{Activation, Dataset, EarlyStopping, Network, Trainer, TrainingData};
///
/// let training = Dataset::from_rows(&[[0.0], [1.0], [2.0]], &[[1.0], [3.0], [5.0]])?;
/// let validation = Dataset::from_rows(&[[0.5], [1.5]], &[[2.0], [4.0]])?;
/// let mut network = Network::builder(1).output(1, Activation::Identity).build()?;
/// let trainer = Trainer {
///     learning_rate: 0.1,
///     early_stopping: Some(EarlyStopping::default()),
///     ..Trainer::default()
/// };
/// let engine = ReferenceEngine::new();
/// let summary = trainer.fit(&engine, &mut network, (&training, &validation))?;
/// let losses: Vec<_> = summary.history.iter().map(|epoch| epoch.validation_loss).collect();
/// assert!(losses.iter().all(Option::is_some));
///
/// // The pair is short for this.
/// let data = TrainingData::new(training).with_validation(validation);
/// trainer.fit(&engine, &mut network, data)?;
/// # Ok::<(), impasto::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TrainingData {
    pub(super) training: Dataset,
    pub(super) validation: Option<Dataset>,
}

impl TrainingData {
    /// Samples to train on. [`Trainer::validation_fraction`] of them are split off to validate with, if it is
    /// set.
    pub fn new(training: Dataset) -> Self {
        Self { training, validation: None }
    }

    /// The same with samples to validate with, which are not trained on.
    #[must_use]
    pub fn with_validation(self, validation: Dataset) -> Self {
        Self { validation: Some(validation), ..self }
    }

    /// The samples that a run uses, of which `trainer` may split some off to validate.
    pub(super) fn prepared(self, trainer: &Trainer, network: &Network) -> Result<Self> {
        let Self { training, validation } = self;
        match (validation, trainer.validation_fraction) {
            (Some(_), Some(fraction)) => invalid_setting(format!(
                "validation samples are given, and a fraction of {fraction} is to be split off: choose \
                 one of them"
            )),
            (Some(validation), None) => {
                check_evaluation(network, trainer.loss, &validation)?;
                check_weights(&validation)?;
                Ok(Self { training, validation: Some(validation) })
            }
            (None, Some(fraction)) => {
                // Before the split, which gives samples other numbers.
                trainer.loss.check_targets(&training)?;
                let (training, validation) = training.split(fraction, trainer.seed)?;
                check_weights(&validation)?;
                Ok(Self { training, validation: Some(validation) })
            }
            (None, None) => Ok(Self { training, validation: None }),
        }
    }

    /// How many samples there are, those to validate with among them.
    pub(super) fn len(&self) -> usize {
        self.training.len() + self.validating()
    }

    /// How many samples validate.
    pub(super) fn validating(&self) -> usize {
        self.validation.as_ref().map_or(0, Dataset::len)
    }
}

/// An error if no sample counts.
fn check_weights(validation: &Dataset) -> Result<()> {
    if (0..validation.len()).any(|sample| validation.weight(sample) > 0.0) {
        return Ok(());
    }
    invalid_data("the validation samples all have weight 0, so they validate nothing")
}

impl From<Dataset> for TrainingData {
    fn from(training: Dataset) -> Self {
        Self::new(training)
    }
}

impl From<&Dataset> for TrainingData {
    fn from(training: &Dataset) -> Self {
        Self::new(training.clone())
    }
}

impl From<(Dataset, Dataset)> for TrainingData {
    fn from((training, validation): (Dataset, Dataset)) -> Self {
        Self::new(training).with_validation(validation)
    }
}

impl From<(&Dataset, &Dataset)> for TrainingData {
    fn from((training, validation): (&Dataset, &Dataset)) -> Self {
        Self::new(training.clone()).with_validation(validation.clone())
    }
}
