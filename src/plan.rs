//! `Plan`, the settings of a run that do not change, and `Step`.

use crate::dataset::Dataset;
use crate::error::{Result, invalid_data, invalid_setting, invalid_shape};
use crate::loss::Loss;
use crate::network::Network;
use crate::optimizer::Optimizer;
use crate::permutation::Permutation;
use crate::schedule::not_negative;
use crate::wrappers::Wrappers;

/// The settings of a training run that do not change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// The loss that training minimizes.
    pub loss: Loss,
    /// The optimizer, which turns gradients into updates.
    pub optimizer: Optimizer,
    /// L2 penalty: `l2·w` is added to the gradient of every parameter `w`.
    pub l2: f64,
    /// Samples in a step; the last step of an epoch may have fewer.
    pub batch_size: usize,
    /// Seed of the order of samples; `None` keeps their order in the dataset.
    pub shuffle: Option<u64>,
    /// Seed of the masks of [dropout](crate::Builder::dropout).
    pub seed: u64,
    /// The wrappers of the optimizer.
    pub wrappers: Wrappers,
}

impl Plan {
    /// The number of vectors of the optimizer and its wrappers.
    pub(crate) fn vectors(&self) -> usize {
        self.optimizer.states() + self.wrappers.vectors().count
    }

    /// The place of the moving average among them, if there is one.
    pub(crate) fn average(&self) -> Option<usize> {
        self.wrappers.vectors().average.map(|place| self.optimizer.states() + place)
    }

    /// Whether the plan fits `network` and `dataset`.
    pub(crate) fn check(&self, network: &Network, dataset: &Dataset) -> Result<()> {
        network.check_trainable()?;
        self.loss.check_trainable(network.output_layer().activation, network.outputs())?;
        self.optimizer.check()?;
        self.wrappers.check()?;
        not_negative("the L2 penalty", self.l2)?;
        if self.batch_size == 0 {
            return invalid_setting("a batch of 0 samples: it needs at least 1");
        }
        check_widths([network.inputs(), network.outputs()], dataset)?;
        self.loss.check_targets(dataset)
    }

    /// Whether all `steps`, in this order, can be taken on so many samples. Every engine asks this, so
    /// that all refuse the same steps.
    pub(crate) fn check_steps(&self, steps: &[Step], samples: usize) -> Result<()> {
        let batch = self.batch_size.min(samples);
        for (step, before) in steps.iter().zip(std::iter::once(None).chain(steps.iter().map(Some)))
        {
            let Step { number, first, count, learning_rate, .. } = *step;
            if number == 0 {
                return invalid_setting("step 0: steps are numbered from 1 on");
            }
            if let Some(before) =
                before.filter(|before| before.number.checked_add(1) != Some(number))
            {
                return invalid_setting(format!(
                    "step {number} follows step {}: steps are numbered one after the other, from 1 on",
                    before.number
                ));
            }
            if count == 0 || first.checked_add(count).is_none_or(|end| end > samples) {
                return invalid_setting(format!(
                    "step {number} is of {count} samples from position {first} on, and there are \
                     {samples}"
                ));
            }
            if count != batch && count != samples % batch {
                return invalid_setting(format!(
                    "step {number} is of {count} samples: it must have the batch size of {batch}, or \
                     what is left of the samples at the end of an epoch"
                ));
            }
            if !(learning_rate.is_finite() && learning_rate > 0.0) {
                return invalid_setting(format!(
                    "step {number} has a learning rate of {learning_rate}: it must be a number above 0"
                ));
            }
        }
        Ok(())
    }

    /// The order in which `epoch` visits `samples`.
    pub(crate) fn order(&self, samples: usize, epoch: u64) -> Permutation {
        self.shuffle.map_or_else(
            || Permutation::identity(samples),
            |seed| Permutation::new(samples, seed, epoch),
        )
    }
}

/// An error if the samples of `dataset` do not fit a network of so many inputs and outputs.
pub(crate) fn check_widths([inputs, outputs]: [usize; 2], dataset: &Dataset) -> Result<()> {
    if dataset.input_width() != inputs || dataset.target_width() != outputs {
        return invalid_shape(format!(
            "samples of {} inputs and {} targets do not fit a network of {inputs} inputs and \
             {outputs} outputs",
            dataset.input_width(),
            dataset.target_width(),
        ));
    }
    Ok(())
}

/// An error if a gradient cannot be applied to so many parameters at that rate.
pub(crate) fn check_gradient(
    parameters: usize,
    gradient: &[f64],
    learning_rate: f64,
) -> Result<()> {
    if gradient.len() != parameters {
        return invalid_shape(format!(
            "a gradient of {} numbers does not fit a network of {parameters} parameters",
            gradient.len()
        ));
    }
    if let Some(place) = gradient.iter().position(|number| !(*number as f32).is_finite()) {
        return invalid_data(format!(
            "the gradient of parameter {place} is {:e}: it must be a number in the range of f32",
            gradient[place]
        ));
    }
    if !(learning_rate.is_finite() && learning_rate > 0.0) {
        return invalid_setting(format!(
            "a learning rate of {learning_rate}: it must be a number above 0"
        ));
    }
    Ok(())
}

/// The error of an update by a gradient of the caller's that was not finite, or of one after it.
pub(crate) fn not_finite<T>() -> Result<T> {
    invalid_data(
        "an update was not finite, and the parameters are those from before it: lower the learning rate \
         and restore a state",
    )
}

/// An error if `loss` cannot be computed for `network` on `dataset`.
pub(crate) fn check_evaluation(network: &Network, loss: Loss, dataset: &Dataset) -> Result<()> {
    loss.check_output(network.output_layer().activation, network.outputs())?;
    check_widths([network.inputs(), network.outputs()], dataset)?;
    loss.check_targets(dataset)
}

/// One step of a training run: some samples and one update, or with [`Accumulate`](crate::Accumulate) a part
/// of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The step's number in the run, from 1. The session counts its updates itself, so a run may go on
    /// in another session.
    pub number: u64,
    /// Its epoch, from 1, which decides the order of the samples.
    pub epoch: u64,
    /// Position of its first sample in the epoch's order.
    pub first: usize,
    /// Samples in it: the plan's batch size, or fewer at the end of an epoch.
    pub count: usize,
    /// Learning rate, above 0.
    pub learning_rate: f64,
}
