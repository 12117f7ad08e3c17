//! An activation of the caller's.

use super::{Activation, Formula};
use crate::activation_fn::ActivationFn;
use crate::custom_formula::CustomFormula;
use crate::family::About;
use crate::number::Number;

impl Activation {
    /// An activation of the caller's. A file cannot contain a network with such an activation. See
    /// [`ActivationFn`] for an example.
    ///
    /// Each call keeps its formula until the program ends. Call the function once for each formula and copy
    /// the activation. An activation is equal only to its copies.
    pub fn custom(formula: impl ActivationFn) -> Self {
        Self::Custom { formula: CustomFormula::new(Box::new(formula)) }
    }
}

/// An activation of the caller's.
#[derive(Clone, Copy, Debug)]
pub struct Custom {
    /// Its formula.
    pub formula: CustomFormula<dyn ActivationFn>,
}

impl Formula for Custom {
    const DEFAULT: Self = Self { formula: CustomFormula::IDENTITY };
    const ABOUT: About =
        About { formula: "the caller's", source: "the caller", pytorch: "", parameters: &[] };
    const WGSL: &'static str = "";

    #[inline(always)]
    fn value<N: Number>(self, z: N) -> N {
        z.each(|z| self.formula.formula().value(z))
    }

    #[inline(always)]
    fn slope<N: Number>(self, z: N) -> N {
        z.each(|z| self.formula.formula().slope(z))
    }
}
