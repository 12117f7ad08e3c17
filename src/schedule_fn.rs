//! `ScheduleFn`: the function of a schedule of the caller's.

use crate::custom_formula::{CustomFormula, CustomKind};

/// The function of a schedule of the caller's: the factor of the learning rate at a step, from 1, of so many. See
/// [`Schedule::custom`](crate::Schedule::custom).
pub type ScheduleFn = dyn Fn(u64, u64) -> f64 + Send + Sync;

impl CustomKind for ScheduleFn {
    const WHAT: &'static str = "a schedule";
}

impl CustomFormula<ScheduleFn> {
    /// A factor of 1.
    pub(crate) const ONE: Self = Self::default_of(&|_, _| 1.0);
}
