//! ZeroOne.

use super::{Formula, Mean};
use crate::family::About;
use crate::number::Number;

/// `Σ [class(y) ≠ class(t)] / batch`: scikit-learn's `zero_one_loss`.
///
/// The class of several numbers is the position of the first largest. A single output is of class 1 above
/// `threshold`, a single target above 0.5.
#[derive(Clone, Copy, Debug)]
pub struct ZeroOne {
    /// The most that a single output of class 0 may be; 0.5 by default.
    pub threshold: f64,
}

impl Formula for ZeroOne {
    const DEFAULT: Self = Self { threshold: 0.5 };
    const ABOUT: About = About {
        formula: "Σ [class(y) ≠ class(t)] / batch",
        source: "scikit-learn's zero_one_loss",
        pytorch: "",
        parameters: &[],
    };
    const WGSL: &'static str = include_str!("../../shaders/losses/zero-one.wgsl");
    const MEAN: Mean = Mean::Samples;
    const HAS_GRADIENT: bool = false;

    #[inline(always)]
    fn row<N: Number + Into<f64>>(self, y: &[N], t: &[N], scale: N, delta: &mut [N]) -> N {
        let zero = scale.of(0.0);
        delta.fill(zero);
        let off = (class(y, scale.of(self.threshold)) - class(t, scale.of(0.5))).abs();
        off.below(scale.of(0.5), zero, scale)
    }
}

/// The number of the class: the position of the first largest, or whether a single number is above
/// `threshold`.
#[inline(always)]
fn class<N: Number>(numbers: &[N], threshold: N) -> N {
    let (zero, one) = (threshold.of(0.0), threshold.of(1.0));
    if let [number] = numbers {
        return threshold.below(*number, one, zero);
    }
    let (mut class, mut largest) = (zero, numbers[0]);
    for (place, number) in numbers.iter().enumerate() {
        class = largest.below(*number, threshold.of(place as f64), class);
        largest = largest.below(*number, *number, largest);
    }
    class
}
