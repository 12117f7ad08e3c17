//! `ScheduleFn`: the function of a schedule of the caller's.

use crate::custom_formula::{CustomFormula, CustomKind};

/// The function of a schedule of the caller's; see [`Schedule::custom`](crate::Schedule::custom). It receives
/// a step, from 1, and the number of steps of the run. It returns the factor of the learning rate at that
/// step.
pub type ScheduleFn = dyn Fn(u64, u64) -> f64 + Send + Sync;

impl CustomKind for ScheduleFn {
    const WHAT: &'static str = "a schedule";
}

impl CustomFormula<ScheduleFn> {
    /// The default function: a factor of 1.
    pub(crate) const ONE: Self = Self::default_of(&|_, _| 1.0);
}
