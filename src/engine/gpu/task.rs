//! The interface between the GPU engine and its lowerings: tasks, and what a lowering builds for them.

use super::device::Gpu;
use super::evaluation::Evaluation;
use super::mixed::layout::Tile;
use super::prediction::Prediction;
use super::recorder::{Dispatch, Pass};
use super::run_buffers::RunBuffers;
use super::samples::Stored;
use crate::dataset::Dataset;
use crate::engine::choice::{Kernels, Precision};
use crate::engine::{Output, Pending, Plan};
use crate::error::Result;
use crate::loss::Loss;
use crate::network::Network;
use std::sync::Arc;

/// A way to run a network on a GPU: it turns a task into buffers and dispatches of kernels.
pub(super) trait Lowering: Sync {
    /// What chooses it.
    fn kernels(&self) -> Kernels;

    /// What its kernels are called.
    fn name(&self) -> &'static str;

    /// Whether it can train this network on this dataset with these batches.
    ///
    /// # Errors
    /// The reason why it cannot.
    fn fits_training(&self, task: &TrainingTask) -> Result<()>;

    /// Whether it can predict so many samples.
    ///
    /// # Errors
    /// The reason why it cannot.
    fn fits_prediction(&self, task: &PredictionTask) -> Result<()>;

    /// Records the steps of a training run that fits.
    ///
    /// # Errors
    /// The device or its driver refuses something.
    fn build_training<'a>(&self, task: &'a TrainingTask<'a>) -> Pending<'a, Training>;

    /// Records an evaluation, for a run that it trains.
    ///
    /// # Errors
    /// The device or its driver refuses something.
    fn build_evaluation<'a>(&self, task: &'a EvaluationTask<'a>) -> Pending<'a, Evaluation>;

    /// Records a prediction that fits.
    ///
    /// # Errors
    /// The device or its driver refuses something.
    fn build_prediction<'a>(&self, task: &'a PredictionTask<'a>) -> Pending<'a, Prediction>;
}

/// What a lowering can be asked for.
pub(super) trait Task {
    /// What it builds.
    type Built;

    fn gpu(&self) -> &Gpu;

    fn network(&self) -> &Network;

    /// The loss, if it computes one.
    fn loss(&self) -> Option<Loss>;

    /// Whether this lowering can take the task.
    ///
    /// # Errors
    /// The reason why it cannot.
    fn fits(&self, lowering: &dyn Lowering) -> Result<()>;

    /// Builds the task by a lowering that can take it.
    ///
    /// # Errors
    /// The device or its driver refuses something.
    fn build<'a>(&'a self, lowering: &dyn Lowering) -> Pending<'a, Self::Built>;
}

/// A training run to be built.
pub(super) struct TrainingTask<'a> {
    pub(super) gpu: &'a Arc<Gpu>,
    pub(super) network: &'a Network,
    pub(super) plan: &'a Plan,
    pub(super) dataset: &'a Dataset,
    /// The most steps in a submission.
    pub(super) slots: usize,
    /// Samples of a full batch, and of what is left at the end of an epoch.
    pub(super) counts: &'a [usize],
    /// Whether the fastest shapes are searched.
    pub(super) tune: bool,
    /// The tile of mixed precision, if not the one that suits the batch.
    pub(super) tile: Option<Tile>,
}

/// A training run as it was built.
pub(super) struct Training {
    /// What built it.
    pub(super) lowering: &'static dyn Lowering,
    /// The precision that it is in.
    pub(super) precision: Precision,
    pub(super) state: RunBuffers,
    /// Where each parameter of the network is in `state`, if not in the network's own order.
    pub(super) places: Option<Vec<usize>>,
    /// The samples on the device.
    pub(super) samples: Stored,
    /// What comes before the first step of a submission.
    pub(super) before: Vec<Dispatch>,
    /// The dispatches of a step of each of the task's counts.
    pub(super) passes: Vec<Pass>,
}

impl Task for TrainingTask<'_> {
    type Built = Training;

    fn gpu(&self) -> &Gpu {
        self.gpu
    }

    fn network(&self) -> &Network {
        self.network
    }

    fn loss(&self) -> Option<Loss> {
        Some(self.plan.loss)
    }

    fn fits(&self, lowering: &dyn Lowering) -> Result<()> {
        lowering.fits_training(self)
    }

    fn build<'a>(&'a self, lowering: &dyn Lowering) -> Pending<'a, Training> {
        lowering.build_training(self)
    }
}

/// A prediction to be built.
pub(super) struct PredictionTask<'a> {
    pub(super) gpu: &'a Arc<Gpu>,
    pub(super) network: &'a Network,
    pub(super) samples: usize,
    pub(super) output: Output,
    /// The parameters, if they are on the device in the order of the lowering; else the network's are
    /// uploaded.
    pub(super) parameters: Option<&'a wgpu::Buffer>,
}

impl Task for PredictionTask<'_> {
    type Built = Prediction;

    fn gpu(&self) -> &Gpu {
        self.gpu
    }

    fn network(&self) -> &Network {
        self.network
    }

    fn loss(&self) -> Option<Loss> {
        None
    }

    fn fits(&self, lowering: &dyn Lowering) -> Result<()> {
        lowering.fits_prediction(self)
    }

    fn build<'a>(&'a self, lowering: &dyn Lowering) -> Pending<'a, Prediction> {
        lowering.build_prediction(self)
    }
}

/// An evaluation to be built, for a run on the device.
pub(super) struct EvaluationTask<'a> {
    pub(super) gpu: &'a Arc<Gpu>,
    pub(super) network: &'a Network,
    pub(super) loss: Loss,
    pub(super) dataset: &'a Dataset,
    /// Samples of a batch that trains.
    pub(super) batch: usize,
    /// The samples, if they are on the device; else they are uploaded.
    pub(super) samples: Option<&'a Stored>,
    /// The parameters, in the order of the lowering.
    pub(super) parameters: &'a wgpu::Buffer,
}

impl Task for EvaluationTask<'_> {
    type Built = Evaluation;

    fn gpu(&self) -> &Gpu {
        self.gpu
    }

    fn network(&self) -> &Network {
        self.network
    }

    fn loss(&self) -> Option<Loss> {
        Some(self.loss)
    }

    /// What trains a run can evaluate it.
    fn fits(&self, _: &dyn Lowering) -> Result<()> {
        Ok(())
    }

    fn build<'a>(&'a self, lowering: &dyn Lowering) -> Pending<'a, Evaluation> {
        lowering.build_evaluation(self)
    }
}
