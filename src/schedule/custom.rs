//! A schedule of the caller's.

use super::{Formula, Schedule};
use crate::custom_formula::CustomFormula;
use crate::family::About;
use crate::schedule_fn::ScheduleFn;

impl Schedule {
    /// A schedule of the caller's. `factor` receives the step, from 1, and the number of steps of the run,
    /// and returns the factor of the learning rate at that step, 0 or more. A run ends with an error at a
    /// factor that is negative or not finite.
    ///
    /// Each call keeps its function until the program ends. Call `custom` once for each function and copy the
    /// schedule. A schedule is equal only to its copies. A file can contain a network that was trained with
    /// such a schedule, but not the training run.
    ///
    /// ```
    /// use impasto::reference::ReferenceEngine;
    /// use impasto::{Activation, Dataset, Network, Schedule, Trainer};
    ///
    /// // The full rate for the first half of the run, then a straight line to 0.
    /// let schedule = Schedule::custom(|step, steps| {
    ///     let progress = (step - 1) as f64 / steps as f64;
    ///     f64::min(1.0, 2.0 - 2.0 * progress)
    /// });
    /// let samples = Dataset::from_rows(&[[0.0], [1.0]], &[[1.0], [0.0]])?;
    /// let mut network = Network::builder(1).output(1, Activation::Identity).build()?;
    /// let trainer = Trainer { schedule, epochs: 4, learning_rate: 0.1, ..Trainer::default() };
    /// let summary = trainer.fit(ReferenceEngine::new(), &mut network, &samples)?;
    /// let rates: Vec<f64> = summary.history.iter().map(|epoch| epoch.learning_rate).collect();
    /// assert_eq!(rates, [0.1, 0.1, 0.1, 0.05]);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    pub fn custom(factor: impl Fn(u64, u64) -> f64 + Send + Sync + 'static) -> Self {
        Self::Custom { function: CustomFormula::new(Box::new(factor)) }
    }
}

/// A schedule of the caller's.
#[derive(Clone, Copy, Debug)]
pub struct Custom {
    /// Its function.
    pub function: CustomFormula<ScheduleFn>,
}

impl Formula for Custom {
    const DEFAULT: Self = Self { function: CustomFormula::ONE };
    const ABOUT: About =
        About { formula: "the caller's", source: "the caller", pytorch: "", parameters: &[] };

    fn multiplier(self, step: u64, steps: u64, _: u64) -> f64 {
        (self.function.formula())(step, steps)
    }
}
