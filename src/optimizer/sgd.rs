//! Stochastic gradient descent, with momentum or Nesterov's method.

use super::{Constants, Formula, State, constants};
use crate::error::{Result, invalid_setting};
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// Stochastic gradient descent, as PyTorch's `SGD`: `v ← momentum·v + g`, `w ← w − rate·v`
/// (Nesterov: `w ← w − rate·(g + momentum·v)`).
#[derive(Clone, Copy, Debug)]
pub struct Sgd {
    /// In [0, 1); 0, the default, is plain gradient descent.
    pub momentum: f64,
    /// Nesterov's look-ahead; needs `momentum > 0`; off by default.
    pub nesterov: bool,
}

impl Formula for Sgd {
    const DEFAULT: Self = Self { momentum: 0.0, nesterov: false };
    const ABOUT: About = About {
        formula: "v ← momentum·v + g, w ← w − rate·v; Nesterov: w ← w − rate·(g + momentum·v)",
        source: "Robbins & Monro 1951; Polyak 1964; Sutskever et al. 2013",
        pytorch: "torch.optim.SGD",
        parameters: &[
            Parameter {
                name: "momentum",
                meaning: "the share of the velocity that is kept",
                range: Range::Fraction,
            },
            Parameter { name: "nesterov", meaning: "whether to look ahead", range: Range::Switch },
        ],
    };
    const STATES: usize = 1;
    const CONSTANTS: &'static [&'static str] = &["rate", "momentum", "nesterov"];
    const WGSL: &'static str = include_str!("../../shaders/optimizers/sgd.wgsl");

    fn constants(self, rate: f64, _: u64) -> Constants<f64> {
        constants([rate, self.momentum, f64::from(u8::from(self.nesterov))])
    }

    #[inline(always)]
    fn update<N: Number>(c: &Constants<N>, g: N, w: N, [velocity, ..]: &mut State<N>) -> N {
        let [rate, momentum, nesterov, ..] = *c;
        let v = momentum.times_plus(*velocity, g).flushed();
        *velocity = v;
        let ahead = momentum.times_plus(v, g);
        w - rate * g.of(0.0).below(nesterov, ahead, v)
    }

    fn check(self) -> Result<()> {
        if self.nesterov && self.momentum == 0.0 {
            return invalid_setting("Nesterov's method needs a momentum above 0");
        }
        Ok(())
    }
}
