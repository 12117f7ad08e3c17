//! The logarithm of the hyperbolic cosine of the error.

use super::{Formula, elementwise};
use crate::family::About;
use crate::number::Number;
use std::f64::consts::LN_2;

/// `ln cosh(y − t)`, averaged over samples and outputs: a parabola near 0, a line far from it.
/// Green 1990.
#[derive(Clone, Copy, Debug)]
pub struct LogCosh;

impl Formula for LogCosh {
    const DEFAULT: Self = Self;
    const ABOUT: About = About {
        formula: "ln cosh(y − t), mean over samples and outputs",
        source: "Green 1990",
        pytorch: "",
        parameters: &[],
    };
    const WGSL: &'static str = include_str!("../../shaders/losses/log-cosh.wgsl");

    /// From `m = e^−|d| − 1` with `d = y − t`, so that nothing overflows: `ln(1 + m²/(2e^−|d|))`, which is
    /// accurate near 0, and `|d| − ln 2 + ln(1 + e^−2|d|)` from 1 on; the slope is `tanh d`.
    #[inline(always)]
    fn row<N: Number + Into<f64>>(self, y: &[N], t: &[N], scale: N, delta: &mut [N]) -> N {
        elementwise(y, t, scale, delta, |y, t| {
            let (one, two) = (y.of(1.0), y.of(2.0));
            let error = y - t;
            let size = error.abs();
            let m = (-size).exp_m1();
            let e = one + m;
            let near = (m * m / (two * e)).ln_1p();
            let far = size - y.of(LN_2) + (e * e).ln_1p();
            // 1 − e².
            let rest = -m * (two + m);
            (size.below(one, near, far), error.sign() * rest / (two - rest))
        })
    }
}
