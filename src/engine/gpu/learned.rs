//! What predictions and evaluations of a run keep between two calls.

use super::evaluation::Evaluation;
use super::prediction::Prediction;
use crate::dataset::Dataset;
use crate::engine::Output;

/// What predictions and evaluations of a run need: made when they are first asked for.
#[derive(Default)]
pub(super) struct Learned {
    /// The parameters learned, in the order of the run's.
    pub(super) parameters: Option<wgpu::Buffer>,
    /// The samples that were evaluated last.
    pub(super) evaluation: Option<(Dataset, Evaluation)>,
    /// The last prediction, of so many samples.
    pub(super) prediction: Option<(usize, Output, Prediction)>,
}
