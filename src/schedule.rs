//! Learning-rate schedules, one file each.
//!
//! Users name them by [`Schedule`]. Steps and epochs are counted from 1.

// To add one: a file with its formula and its `About`, and a line in the `family!` below.

use crate::custom_formula::CustomFormula;
use crate::error::{Result, invalid_setting};
use crate::family::{self, About, family};
use crate::schedule_fn::ScheduleFn;

family! {
    /// How the learning rate changes during training.
    ///
    /// ```
    /// use impasto::Schedule;
    ///
    /// let halved = Schedule::from_name("step:every=10,factor=0.5")?;
    /// println!("{}", halved.about().formula);
    /// // In a run of 100 steps, 4 in an epoch: the factor at steps 40 and 41, in epochs 10 and 11.
    /// assert_eq!((halved.multiplier(40, 100, 10), halved.multiplier(41, 100, 11)), (1.0, 0.5));
    /// // With a warm-up of 8 steps, step 4 has half of the first rate.
    /// assert_eq!(halved.after_warm_up(8, 4, 100, 1), 0.5);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    Schedule, "schedule" {
        constant: Constant as "constant";
        cosine: Cosine as "cosine";
        step: Step as "step" { every: usize, factor: f64 } = STEP;
        inverse: InverseScaling as "inverse" { power: f64 } = INVERSE;
        plateau: ReduceOnPlateau as "plateau" { factor: f64, patience: usize, threshold: f64 } = PLATEAU;
        exponential: Exponential as "exponential" { factor: f64 } = EXPONENTIAL;
        exponential_steps: ExponentialSteps as "exponential-steps" { factor: f64, start: u64, end: u64, interval: u64 } = EXPONENTIAL_STEPS;
        one_cycle: OneCycle as "one-cycle" { pct_start: f64, div_factor: f64, final_div_factor: f64 } = ONE_CYCLE;
    }
    unlisted {
        custom: Custom as "custom" { function: CustomFormula<ScheduleFn> };
    }
}

/// The formula of a schedule.
pub trait Formula: Copy {
    /// With its default parameters.
    const DEFAULT: Self;
    /// Formula, source and parameters.
    const ABOUT: About;

    /// The factor of the base rate at `step` of `steps`, in `epoch`.
    fn multiplier(self, step: u64, steps: u64, epoch: u64) -> f64;
}

/// A function of any formula.
pub(crate) trait Visitor {
    type Output;
    fn visit<F: Formula>(self, formula: F) -> Self::Output;
}

impl Schedule {
    /// The factor of the base rate at `step` of `steps`, in `epoch`. For
    /// [`ReduceOnPlateau`](Self::ReduceOnPlateau), which depends on the losses, see
    /// [`Plateau`](plateau::Plateau).
    pub fn multiplier(self, step: u64, steps: u64, epoch: u64) -> f64 {
        struct At(u64, u64, u64);
        impl Visitor for At {
            type Output = f64;
            fn visit<F: Formula>(self, formula: F) -> f64 {
                let Self(step, steps, epoch) = self;
                formula.multiplier(step.max(1), steps.max(1), epoch.max(1))
            }
        }
        self.visit(At(step, steps, epoch))
    }

    /// The same with a linear warm-up of `warm_up` steps, in which the rate rises from almost 0 to the
    /// schedule's first. The steps after them are counted from 1 again; epochs are not. 0 steps are no
    /// warm-up.
    pub fn after_warm_up(self, warm_up: u64, step: u64, steps: u64, epoch: u64) -> f64 {
        let rest = steps.saturating_sub(warm_up);
        if step <= warm_up {
            step as f64 / warm_up as f64 * self.multiplier(1, rest, epoch)
        } else {
            self.multiplier(step - warm_up, rest, epoch)
        }
    }

    /// Whether the next rate depends on the losses so far.
    pub(crate) fn watches_loss(self) -> bool {
        matches!(self, Self::ReduceOnPlateau { .. })
    }

    /// Whether the parameters make sense.
    pub(crate) fn check(self) -> Result<()> {
        family::check(self.name(), &self.about(), &self)
    }
}

/// An error unless `value` is a number of at least 0.
pub(crate) fn not_negative(name: &str, value: f64) -> Result<()> {
    if value.is_finite() && value >= 0.0 {
        Ok(())
    } else {
        invalid_setting(format!("{name} is {value}: it must be a number of at least 0"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_out_of_range_are_refused() {
        assert!(Schedule::ALL.iter().all(|s| s.check().is_ok()));
        assert!(Schedule::Step { every: 0, factor: 0.5 }.check().is_err());
        assert!(Schedule::Step { every: 1, factor: 0.0 }.check().is_err());
        assert!(Schedule::InverseScaling { power: f64::NAN }.check().is_err());
        let plateau = Schedule::ReduceOnPlateau { factor: 1.5, patience: 1, threshold: 0.1 };
        assert!(plateau.check().is_err());
    }
}
