//! The negative log-likelihood of Poisson counts.

use super::{Formula, Targets, elementwise};
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// `eʸ − t·y` or `y − t·ln(y + 1e-8)`, averaged over samples and outputs: PyTorch's `PoissonNLLLoss`.
///
/// The first is for outputs that are logarithms of rates, the second for outputs above 0. Targets are counts,
/// 0 or more.
#[derive(Clone, Copy, Debug)]
pub struct Poisson {
    /// Whether the outputs are logarithms; true by default. If not, they must be above 0, as those of
    /// softplus are.
    pub log_input: bool,
}

impl Formula for Poisson {
    const DEFAULT: Self = Self { log_input: true };
    const ABOUT: About = About {
        formula: "eʸ − t·y (log_input), y − t·ln(y + 1e-8) else, mean over samples and outputs",
        source: "Nelder & Wedderburn 1972",
        pytorch: "torch.nn.PoissonNLLLoss",
        parameters: &[Parameter {
            name: "log_input",
            meaning: "whether the outputs are logarithms of rates",
            range: Range::Switch,
        }],
    };
    const WGSL: &'static str = include_str!("../../shaders/losses/poisson.wgsl");
    const TARGETS: Targets = Targets::NotNegative;

    #[inline(always)]
    fn row<N: Number + Into<f64>>(self, y: &[N], t: &[N], scale: N, delta: &mut [N]) -> N {
        elementwise(y, t, scale, delta, |y, t| {
            if self.log_input {
                let rate = y.exp();
                (rate - t * y, rate - t)
            } else {
                // A rate below 0 counts as 0, whose logarithm is −∞ on every engine. NaN passes through.
                let rate = (y + y.of(1e-8)).at_least(y.of(0.0));
                (y - t * rate.ln(), y.of(1.0) - t / rate)
            }
        })
    }
}
