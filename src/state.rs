//! `State`: all that the steps of a session change.

use crate::error::{Result, invalid_data, invalid_setting, invalid_shape, unsupported};
use crate::plan::Plan;
use serde::{Deserialize, Serialize};

/// The most batches of a run: more than any takes, and exact in JSON.
const MOST_BATCHES: u64 = 1 << 53;

/// Everything that the steps of a [`Session`](crate::Session) change.
///
/// A new session with the same network, plan and samples that is [restored](crate::Session::restore) to it
/// computes the same next steps as the old session, to the bit on the same engine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The parameters, in the order of [`Network::parameters`](crate::Network::parameters); not their
    /// moving average, which is one of the vectors.
    pub parameters: Vec<f64>,
    /// The vectors of the optimizer, then those of its wrappers, each with a number for each
    /// parameter in the same order.
    pub vectors: Vec<Vec<f64>>,
    /// How many batches were taken.
    pub batches: u64,
    /// The loss scale of a session whose [precision](crate::Options::precision) stores f16. Without it, such a session
    /// begins with the scale of a new run. Other sessions ignore it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<LossScale>,
}

/// What deltas are multiplied by where they are stored as f16, and what decides about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossScale {
    /// The logarithm of the scale to base 2, from -100 to 3.
    pub exponent: i32,
    /// How many steps before the next were skipped one after the other, because numbers left f16; at most 10.
    pub skipped: u32,
}

impl State {
    /// An error unless this can be the state of a session with this plan and so many parameters.
    ///
    /// `single` says that the session computes in f32.
    pub(crate) fn check(&self, plan: &Plan, parameters: usize, single: bool) -> Result<()> {
        if self.batches > MOST_BATCHES {
            return invalid_setting(format!(
                "a state after {} batches: a run takes at most {MOST_BATCHES}",
                self.batches
            ));
        }
        let vectors = plan.vectors();
        if self.vectors.len() != vectors {
            return invalid_shape(format!(
                "a state with {} vectors does not fit {} and what surrounds it, which have {vectors}",
                self.vectors.len(),
                plan.optimizer.name()
            ));
        }
        for vector in std::iter::once(&self.parameters).chain(&self.vectors) {
            if vector.len() != parameters {
                return invalid_shape(format!(
                    "a state with {} numbers in a vector does not fit a network of {parameters} \
                     parameters",
                    vector.len()
                ));
            }
        }
        if let Some(LossScale { exponent, skipped }) = self.loss_scale
            && !((-100..=3).contains(&exponent) && skipped <= 10)
        {
            return invalid_setting(format!(
                "a state with a loss scale of 2^{exponent} after {skipped} skipped steps: the exponent is from \
                 -100 to 3, and at most 10 steps are skipped"
            ));
        }
        // The vectors may contain what the next update refuses.
        let finite = |number: &f64| {
            if single { (*number as f32).is_finite() } else { number.is_finite() }
        };
        if !self.parameters.iter().all(finite) {
            let kind = if single { "f32" } else { "f64" };
            return invalid_data(format!(
                "a state with a parameter that is not finite in {kind} cannot be restored"
            ));
        }
        Ok(())
    }
}

/// The error of `Session::state` after a step that diverged.
pub(crate) fn no_state<T>() -> Result<T> {
    unsupported(
        "an update was not finite, so there is no state: go back to a kept moment or restore a state",
    )
}
