//! Wrappers of an optimizer, one file each: changes of gradients and parameters around an update.
//!
//! Each wrapper can be used once, around any optimizer. They are applied in this order:
//! [`Accumulate`](accumulate::Accumulate), [`ClipValue`](clip_value::ClipValue),
//! [`ClipNorm`](clip_norm::ClipNorm), the L2 penalty, the optimizer,
//! [`Lookahead`](lookahead::Lookahead), [`Ema`](ema::Ema).

use crate::error::Result;
use crate::family::{self, About, family};

family! {
    /// A wrapper of an optimizer.
    ///
    /// ```
    /// use impasto::Wrapper;
    ///
    /// assert_eq!(Wrapper::from_name("clip-norm:limit=1")?, Wrapper::ClipNorm { limit: 1.0 });
    /// for wrapper in Wrapper::ALL {
    ///     println!("{}: {}", wrapper.name(), wrapper.about().formula);
    /// }
    /// # Ok::<(), impasto::Error>(())
    /// ```
    Wrapper, "wrapper" {
        accumulate: Accumulate as "accumulate" { batches: u64 } = ACCUMULATE;
        clip_value: ClipValue as "clip-value" { limit: f64 } = CLIP_VALUE;
        clip_norm: ClipNorm as "clip-norm" { limit: f64 } = CLIP_NORM;
        lookahead: Lookahead as "lookahead" { alpha: f64, every: u64 } = LOOKAHEAD;
        ema: Ema as "ema" { decay: f64, bias_correction: bool } = EMA;
    }
}

/// The description of a wrapper.
pub trait Formula: Copy {
    /// With its default parameters.
    const DEFAULT: Self;
    /// Formula, source and parameters.
    const ABOUT: About;

    /// Whether parameters in their ranges make sense together.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    fn check(self) -> Result<()> {
        Ok(())
    }
}

/// A function of any wrapper.
pub(crate) trait Visitor {
    type Output;
    fn visit<F: Formula>(self, formula: F) -> Self::Output;
}

impl Wrapper {
    /// Whether the parameters make sense.
    pub(crate) fn check(self) -> Result<()> {
        struct Check;
        impl Visitor for Check {
            type Output = Result<()>;
            fn visit<F: Formula>(self, formula: F) -> Result<()> {
                formula.check()
            }
        }
        family::check(self.name(), &self.about(), &self)?;
        self.visit(Check)
    }
}
