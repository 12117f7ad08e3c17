//! The accuracy that WGSL promises of operations on f32, which the tolerances of the tests follow from.
//!
//! The numbers are those of the table "Accuracy of Concrete Floating Point Expressions" in
//! <https://www.w3.org/TR/WGSL/#floating-point-accuracy>, which are also Vulkan's. They count units in the
//! last place of the result, of which none is larger than [`EPSILON`] times the result. Drivers may be
//! better: llvmpipe and SwiftShader round most operations correctly, so that only
//! `src/engine/gpu/twins/inaccurate.rs` shows whether a tolerance holds for what is promised.

/// The unit of f32.
pub const EPSILON: f64 = f32::EPSILON as f64;

/// Addition, subtraction and multiplication: either neighbor of the exact result.
pub const ROUNDED: f64 = 1.0;

/// Division, for divisors from 2⁻¹²⁶ to 2¹²⁶.
pub const DIVISION: f64 = 2.5;

/// `inverseSqrt`.
pub const INVERSE_SQRT: f64 = 2.0;

/// `sqrt(x)`, which may be computed as `1 / inverseSqrt(x)`.
pub const SQRT: f64 = INVERSE_SQRT + DIVISION;

/// `log` outside of [0.5, 2].
pub const LOG: f64 = 3.0;

/// `log` in [0.5, 2]: an absolute error.
pub const LOG_NEAR_ONE: f64 = 4.0 * EPSILON;

/// `exp(x)`. The part that grows with x is what its own rounding would cost, so that it is within the
/// tolerance of a test that lets operands be rounded.
pub const fn exp(x: f64) -> f64 {
    3.0 + 2.0 * x.abs()
}

/// The operations of a formula, or those around a sum: an exponential, a root, a division and four others.
pub const FEW: f64 = exp(1.0) + SQRT + DIVISION + 4.0 * ROUNDED;

// A logarithm near 1 counts as less than these.
const _: () = assert!(LOG < FEW && LOG_NEAR_ONE < FEW * EPSILON);
