//! `Number`, the arithmetic that formulas are written with: f64, f32 or vectors of f32.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// Arithmetic that a formula may use.
///
/// A formula is written once over this trait. It has no branches: [`below`](Self::below) chooses
/// between two values, so that the same text computes one number or a whole vector of them.
pub trait Number:
    Copy
    + Neg<Output = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
{
    /// The constant `value`.
    #[must_use]
    fn of(self, value: f64) -> Self;

    /// `then` where `self < bound`, else `otherwise`, also where `self` is NaN.
    #[must_use]
    fn below(self, bound: Self, then: Self, otherwise: Self) -> Self;

    /// `self·factor + term`, in one rounding where that is faster.
    #[must_use]
    fn times_plus(self, factor: Self, term: Self) -> Self;

    /// `|self|`.
    #[must_use]
    fn abs(self) -> Self;

    /// `√self`.
    #[must_use]
    fn sqrt(self) -> Self;

    /// `e` to the power of `self`.
    #[must_use]
    fn exp(self) -> Self;

    /// `eˢᵉˡᶠ − 1`, accurate also near 0.
    #[must_use]
    fn exp_m1(self) -> Self;

    /// The natural logarithm of a number above 0.
    #[must_use]
    fn ln(self) -> Self;

    /// `ln(1 + self)` of a number of at least 0, accurate also near 0.
    #[must_use]
    fn ln_1p(self) -> Self;

    /// The hyperbolic tangent.
    #[must_use]
    fn tanh(self) -> Self;

    /// Sine and cosine of an angle in radians.
    #[must_use]
    fn sin_cos(self) -> (Self, Self);

    /// The error function.
    #[must_use]
    fn erf(self) -> Self;

    /// The square root of a mean of squares that [`flushed`](Self::flushed) may have made 0.
    ///
    /// In f32 such a mean counts as at least 2⁻¹¹⁶, the order of the largest square that may have
    /// been flushed: divided by a tiny ε alone, the gradient's mean would leap.
    #[must_use]
    fn root(self) -> Self;

    /// `self / divisor` for a divisor that is positive and neither tiny nor huge. In f32 within a few
    /// units in the last place.
    #[must_use]
    fn over(self, divisor: Self) -> Self;

    /// 0 for an f32 too small to be a normal number. The moments of a neuron that is dead shrink
    /// through a thousand steps in which some processors would take a hundred times as long.
    #[must_use]
    fn flushed(self) -> Self;

    /// Applies a function of f64 to each number of `self`, one after the other. It is for formulas that are
    /// not written over this trait.
    #[must_use]
    fn each(self, f: impl Fn(f64) -> f64) -> Self;

    /// −1, 0 or 1 by the sign of `self`.
    #[must_use]
    #[inline(always)]
    fn sign(self) -> Self {
        let (zero, one) = (self.of(0.0), self.of(1.0));
        self.below(zero, -one, zero.below(self, one, zero))
    }

    /// The larger of two numbers; NaN if `self` is.
    #[must_use]
    #[inline(always)]
    fn at_least(self, bound: Self) -> Self {
        self.below(bound, bound, self)
    }

    /// The smaller of two numbers; NaN if `self` is.
    #[must_use]
    #[inline(always)]
    fn at_most(self, bound: Self) -> Self {
        bound.below(self, bound, self)
    }

    /// `1 / (1 + e⁻ˢᵉˡᶠ)`.
    #[must_use]
    #[inline(always)]
    fn sigmoid(self) -> Self {
        let one = self.of(1.0);
        one / (one + (-self).exp())
    }
}

impl Number for f64 {
    #[inline(always)]
    fn of(self, value: f64) -> Self {
        value
    }
    #[inline(always)]
    fn below(self, bound: Self, then: Self, otherwise: Self) -> Self {
        if self < bound { then } else { otherwise }
    }
    #[inline(always)]
    fn times_plus(self, factor: Self, term: Self) -> Self {
        self * factor + term
    }
    #[inline(always)]
    fn abs(self) -> Self {
        f64::abs(self)
    }
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
    fn exp(self) -> Self {
        f64::exp(self)
    }
    fn exp_m1(self) -> Self {
        f64::exp_m1(self)
    }
    fn ln(self) -> Self {
        f64::ln(self)
    }
    fn ln_1p(self) -> Self {
        f64::ln_1p(self)
    }
    fn tanh(self) -> Self {
        f64::tanh(self)
    }
    fn sin_cos(self) -> (Self, Self) {
        f64::sin_cos(self)
    }
    fn erf(self) -> Self {
        libm::erf(self)
    }
    fn root(self) -> Self {
        f64::sqrt(self)
    }
    fn over(self, divisor: Self) -> Self {
        self / divisor
    }
    fn flushed(self) -> Self {
        self
    }
    #[inline(always)]
    fn each(self, f: impl Fn(f64) -> f64) -> Self {
        f(self)
    }
}
