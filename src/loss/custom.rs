//! A loss of the caller's.

use super::{Formula, Loss, Mean};
use crate::custom_formula::CustomFormula;
use crate::family::About;
use crate::loss_fn::LossFn;
use crate::number::Number;

impl Loss {
    /// A loss of the caller's. A file can contain a network that was trained with such a loss, but not the
    /// training run. See [`LossFn`] for an example.
    ///
    /// Each call keeps its formula until the program ends. Call the function once for each formula and copy
    /// the loss. A loss is equal only to its copies.
    pub fn custom(formula: impl LossFn) -> Self {
        Self::Custom { formula: CustomFormula::new(Box::new(formula)) }
    }
}

/// A loss of the caller's, averaged over the samples of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Custom {
    /// Its formula.
    pub formula: CustomFormula<dyn LossFn>,
}

impl Formula for Custom {
    const DEFAULT: Self = Self { formula: CustomFormula::ZERO };
    const ABOUT: About =
        About { formula: "the caller's", source: "the caller", pytorch: "", parameters: &[] };
    const WGSL: &'static str = "";
    const MEAN: Mean = Mean::Samples;

    fn row<N: Number + Into<f64>>(self, y: &[N], t: &[N], scale: N, delta: &mut [N]) -> N {
        let double = |numbers: &[N]| numbers.iter().map(|n| (*n).into()).collect::<Vec<f64>>();
        let mut gradient = vec![0.0; y.len()];
        let loss = self.formula.formula().row(&double(y), &double(t), &mut gradient);
        for (delta, gradient) in delta.iter_mut().zip(gradient) {
            *delta = scale * scale.of(gradient);
        }
        scale * scale.of(loss)
    }
}
