//! `CustomSchedule`: the function of a schedule of the caller's.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

type Function = dyn Fn(u64, u64) -> f64 + Send + Sync;

/// The function of a schedule of the caller's; see [`Schedule::custom`](crate::Schedule::custom). It is equal
/// to itself alone.
#[derive(Clone, Copy)]
pub struct CustomSchedule {
    number: u64,
    function: &'static Function,
}

impl CustomSchedule {
    /// A function that is kept for the life of the program.
    pub(crate) fn new(function: impl Fn(u64, u64) -> f64 + Send + Sync + 'static) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { number, function: Box::leak(Box::new(function)) }
    }

    /// A factor of 1.
    pub(crate) const ONE: Self = Self { number: 0, function: &one };

    /// The factor of the base rate at `step` of `steps`.
    pub(crate) fn factor(self, step: u64, steps: u64) -> f64 {
        (self.function)(step, steps)
    }
}

fn one(_step: u64, _steps: u64) -> f64 {
    1.0
}

impl fmt::Debug for CustomSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "number {}", self.number)
    }
}

impl PartialEq for CustomSchedule {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

/// Why neither works.
const NO_TEXT: &str = "a schedule of the caller's cannot be written or read";

impl Serialize for CustomSchedule {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom(NO_TEXT))
    }
}

impl<'de> Deserialize<'de> for CustomSchedule {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom(NO_TEXT))
    }
}
