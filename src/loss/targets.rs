//! The targets that a loss is defined for.

use super::{Formula, Loss, Targets, Visitor};
use crate::dataset::{Dataset, Samples};
use crate::error::{Result, invalid_data};

/// How far a sum of probabilities may be from 1, and a probability below 0: what is left of 1 after
/// thousands of numbers were rounded to f32 and added in f32.
const TOLERANCE: f64 = 1e-4;

impl Targets {
    /// What is wrong with the targets of sample number `sample`, for the loss of that name.
    fn check(self, loss: Loss, sample: usize, targets: &[f32]) -> Result<()> {
        let (low, high, wanted) = match self {
            Self::Any => return Ok(()),
            Self::NotNegative => (0.0, f64::INFINITY, "of 0 or more"),
            Self::UnitInterval => (0.0, 1.0, "in [0, 1]"),
            Self::Distribution => (-TOLERANCE, 1.0 + TOLERANCE, "in [0, 1]"),
        };
        let outside = |t: &f32| !(low..=high).contains(&f64::from(*t));
        if let Some(output) = targets.iter().position(outside) {
            return invalid_data(format!(
                "target {output} of sample {sample} is {}, and {loss} takes targets {wanted}: scale \
                 them, or choose another loss",
                targets[output]
            ));
        }
        let sum: f64 = targets.iter().map(|t| f64::from(*t)).sum();
        if self == Self::Distribution && (sum - 1.0).abs() > TOLERANCE {
            return invalid_data(format!(
                "the targets of sample {sample} sum to {}, and {loss} takes the probability of each \
                 class, which sum to 1: give 1 for the class of a sample and 0 for the others, or \
                 choose another loss",
                sum as f32
            ));
        }
        Ok(())
    }
}

impl Loss {
    /// What its targets may be.
    fn targets(self) -> Targets {
        struct Allowed;
        impl Visitor for Allowed {
            type Output = Targets;
            fn visit<F: Formula>(self, _: F) -> Targets {
                F::TARGETS
            }
        }
        self.visit(Allowed)
    }

    /// An error if this loss is not defined for the targets of some sample. Takes a pass over the
    /// targets where it must; levels of pixels are always in [0, 1].
    pub(crate) fn check_targets(self, dataset: &Dataset) -> Result<()> {
        let allowed = self.targets();
        let levels = matches!(dataset.samples(), Samples::Pixels(_));
        if allowed == Targets::Any || levels && allowed != Targets::Distribution {
            return Ok(());
        }
        let mut targets = vec![0.0; dataset.target_width()];
        for sample in 0..dataset.len() {
            dataset.read_targets(sample, &mut targets);
            allowed.check(self, sample, &targets)?;
        }
        Ok(())
    }
}
