//! `CustomFormula`: a formula of the caller's as plain data, the parameter of `Custom` components.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// A formula of the caller's: `CustomFormula<dyn ActivationFn>`, `CustomFormula<dyn LossFn>` or
/// `CustomFormula<ScheduleFn>`. A formula is equal only to its copies. The program keeps it until it ends.
pub struct CustomFormula<F: ?Sized + 'static> {
    /// 0 for the default.
    number: u64,
    formula: &'static F,
}

/// A kind of formulas of the caller's.
pub trait CustomKind {
    /// The name of the kind in messages, such as `a loss`.
    const WHAT: &'static str;
}

impl<F: ?Sized> CustomFormula<F> {
    /// A formula that is kept until the program ends, so that components are `Copy`.
    pub(crate) fn new(formula: Box<F>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { number, formula: Box::leak(formula) }
    }

    /// The formula of a component with default parameters.
    pub(crate) const fn default_of(formula: &'static F) -> Self {
        Self { number: 0, formula }
    }

    pub(crate) fn formula(self) -> &'static F {
        self.formula
    }
}

impl<F: ?Sized> Clone for CustomFormula<F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F: ?Sized> Copy for CustomFormula<F> {}

impl<F: ?Sized> fmt::Debug for CustomFormula<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "number {}", self.number)
    }
}

impl<F: ?Sized> PartialEq for CustomFormula<F> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

/// Why a formula can be neither written nor read.
fn no_text<F: CustomKind + ?Sized>() -> String {
    format!("{} of the caller's cannot be written or read", F::WHAT)
}

impl<F: CustomKind + ?Sized> Serialize for CustomFormula<F> {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom(no_text::<F>()))
    }
}

impl<'de, F: CustomKind + ?Sized> Deserialize<'de> for CustomFormula<F> {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom(no_text::<F>()))
    }
}
