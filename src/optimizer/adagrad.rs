//! Adagrad.

use super::adam::single;
use super::{Constants, Formula, MOST_STATES, State, constants};
use crate::family::{About, Parameter, Range};
use crate::number::Number;

/// Adagrad: `s ← s + g²`, `w ← w − rate·g / (√s + ε)`. Duchi, Hazan & Singer 2011, figure 1.
#[derive(Clone, Copy, Debug)]
pub struct Adagrad {
    /// Added to the root of the sum of squares, above 0; 1e-10 by default.
    pub epsilon: f64,
    /// The sum of squares before the first update, 0 or more; 0 by default.
    pub initial_accumulator: f64,
}

impl Formula for Adagrad {
    const DEFAULT: Self = Self { epsilon: 1e-10, initial_accumulator: 0.0 };
    const ABOUT: About = About {
        formula: "s ← s + g², w ← w − rate·g / (√s + ε)",
        source: "Duchi, Hazan & Singer 2011, figure 1",
        pytorch: "torch.optim.Adagrad",
        parameters: &[
            Parameter {
                name: "epsilon",
                meaning: "added to the root of the sum of squares",
                range: Range::Positive,
            },
            Parameter {
                name: "initial_accumulator",
                meaning: "the sum of squares before the first update",
                range: Range::NotNegative,
            },
        ],
    };
    const STATES: usize = 1;
    const CONSTANTS: &'static [&'static str] = &["rate", "epsilon"];
    const WGSL: &'static str = include_str!("../../shaders/optimizers/adagrad.wgsl");

    fn constants(self, rate: f64, _: u64) -> Constants<f64> {
        constants([rate, single(self.epsilon)])
    }

    fn initial(self) -> State<f64> {
        let mut state = [0.0; MOST_STATES];
        state[0] = self.initial_accumulator;
        state
    }

    #[inline(always)]
    fn update<N: Number>(c: &Constants<N>, g: N, w: N, [squares, ..]: &mut State<N>) -> N {
        let [rate, epsilon, ..] = *c;
        let s = g.times_plus(g, *squares);
        *squares = s;
        w - rate * g.over(s.root() + epsilon)
    }
}
