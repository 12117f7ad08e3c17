//! Buffers and kernels for predictions and evaluations of a run, kept between calls.

use super::backpropagation::Backpropagation;
use super::evaluation::Evaluation;
use super::prediction::Prediction;
use crate::dataset::Dataset;
use crate::engine::Output;
use crate::gradients::Wanted;
use crate::loss::Loss;

/// What predictions and evaluations of a run need. Each is made when it is first needed.
#[derive(Default)]
pub(super) struct Learned {
    /// The parameters learned, in the order in which the run stores them.
    pub(super) parameters: Option<wgpu::Buffer>,
    /// Evaluations of the samples that were evaluated last, one for each loss.
    pub(super) evaluations: Vec<(Dataset, Loss, Evaluation)>,
    /// The last prediction, of so many samples.
    pub(super) prediction: Option<(usize, Output, Prediction)>,
    /// The last backward pass, of so many samples.
    pub(super) gradients: Option<(usize, Wanted, Backpropagation)>,
}
