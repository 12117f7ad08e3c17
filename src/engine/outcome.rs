//! What a prediction returns, and what a training step leaves.

/// Which numbers of the last layer a prediction returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// After the output activation.
    Activated,
    /// The weighted sums before it.
    Logits,
}

/// The result of some steps.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Outcome {
    /// The loss of each step's samples before its update. If a step diverged, it is the last one here, since
    /// no step after it is taken. If a [`StopHandle`](crate::StopHandle) stopped a step, that and those after it are
    /// missing.
    pub losses: Vec<f64>,
    /// The step that diverged, if one did.
    pub diverged: Option<Divergence>,
}

/// The step at which a number was no longer finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Divergence {
    /// The step's number in the run, from 1.
    pub step: u64,
    /// Whether the loss itself was not finite (the update was then left out), or the update of
    /// some parameter (the whole update was then undone).
    pub in_loss: bool,
}

impl Divergence {
    /// What was not finite, in words.
    pub(crate) fn what(self) -> &'static str {
        if self.in_loss { "the loss" } else { "a parameter's update" }
    }
}
