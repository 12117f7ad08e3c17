//! Inverse scaling by a power of the step.

use super::Formula;
use crate::family::{About, Parameter, Range};

/// `rate / step^power`: scikit-learn's `invscaling`, counted in steps.
#[derive(Clone, Copy, Debug)]
pub struct InverseScaling {
    /// The exponent, 0 or more; 0.5 by default, as in scikit-learn.
    pub power: f64,
}

impl Formula for InverseScaling {
    const DEFAULT: Self = Self { power: 0.5 };
    const ABOUT: About = About {
        formula: "rate / step^power",
        source: "scikit-learn's invscaling, counted in steps",
        pytorch: "",
        parameters: &[Parameter {
            name: "power",
            meaning: "the exponent",
            range: Range::NotNegative,
        }],
    };

    fn multiplier(self, step: u64, _: u64, _: u64) -> f64 {
        (step as f64).powf(-self.power)
    }
}
