//! Optimizers, one file each: the update of one parameter.
//!
//! Users name them by [`Optimizer`]. The modules describe their formulas and parameters.

// To add one: a file with its formula and its `About`, a line in the `family!` below, and
// `shaders/optimizers/NAME.wgsl`, the same in WGSL. The tests walk `Optimizer::ALL`.

use crate::error::Result;
use crate::family::{self, About, family};
use crate::number::Number;

family! {
    /// How a gradient becomes an update.
    ///
    /// ```
    /// use impasto::Optimizer;
    ///
    /// let optimizer = Optimizer::from_name("sgd:momentum=0.9")?;
    /// assert_eq!(optimizer, Optimizer::Sgd { momentum: 0.9, nesterov: false });
    /// // A velocity for each parameter, which starts at 0.
    /// assert_eq!((optimizer.states(), optimizer.initial()), (1, vec![0.0]));
    /// for optimizer in Optimizer::ALL {
    ///     println!("{}: {}", optimizer.name(), optimizer.about().formula);
    /// }
    /// # Ok::<(), impasto::Error>(())
    /// ```
    Optimizer, "optimizer" {
        sgd: Sgd as "sgd" { momentum: f64, nesterov: bool } = SGD;
        adam: Adam as "adam" { beta1: f64, beta2: f64, epsilon: f64 } = ADAM;
        adamw: AdamW as "adamw" { beta1: f64, beta2: f64, epsilon: f64, weight_decay: f64 } = ADAMW;
        rmsprop: RmsProp as "rmsprop" { alpha: f64, epsilon: f64, momentum: f64, centered: bool } = RMSPROP;
        adagrad: Adagrad as "adagrad" { epsilon: f64, initial_accumulator: f64 } = ADAGRAD;
        nadam: NAdam as "nadam" { beta1: f64, beta2: f64, epsilon: f64, momentum_decay: f64 } = NADAM;
        lion: Lion as "lion" { beta1: f64, beta2: f64, weight_decay: f64 } = LION;
        amsgrad: AmsGrad as "amsgrad" { beta1: f64, beta2: f64, epsilon: f64 } = AMSGRAD;
        adabound: AdaBound as "adabound" { beta1: f64, beta2: f64, epsilon: f64, final_rate: f64, gamma: f64 } = ADABOUND;
        novograd: Novograd as "novograd" { beta1: f64, beta2: f64, epsilon: f64, weight_decay: f64, averaging: bool } = NOVOGRAD;
    }
}

#[cfg(test)]
pub(crate) mod tables;

/// The most state vectors of an optimizer.
pub(crate) const MOST_STATES: usize = 3;

/// The most constants of an update.
pub(crate) const MOST_CONSTANTS: usize = 12;

/// The constants of one update; those that a formula does not name are 0.
pub type Constants<N> = [N; MOST_CONSTANTS];

/// The state of one parameter. Unused numbers are 0.
pub type State<N> = [N; MOST_STATES];

/// The formula of an optimizer.
pub trait Formula: Copy {
    /// With its default parameters.
    const DEFAULT: Self;
    /// Formula, source and parameters.
    const ABOUT: About;
    /// Numbers of state for each parameter.
    const STATES: usize;
    /// The names of its constants, in order.
    const CONSTANTS: &'static [&'static str];
    /// Which of its constants is the squared norm of the gradient, with the L2 penalty, of all
    /// parameters of a segment: a layer's weights, or its biases. The engine fills it in; its name is
    /// `square`.
    const SQUARE: Option<usize> = None;
    /// Defines `updated(c, g, w, state)`, the twin of [`update`](Self::update).
    const WGSL: &'static str;

    /// The constants of update `t`, counted from 1, at a learning rate.
    fn constants(self, rate: f64, t: u64) -> Constants<f64>;

    /// The state before the first update: 0 unless the formula says otherwise.
    fn initial(self) -> State<f64> {
        [0.0; MOST_STATES]
    }

    /// The new value of a parameter `w` with gradient `g`; its state changes too.
    fn update<N: Number>(c: &Constants<N>, g: N, w: N, state: &mut State<N>) -> N;

    /// Whether parameters in their ranges make sense together.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    fn check(self) -> Result<()> {
        Ok(())
    }
}

/// A function of any formula.
pub(crate) trait Visitor {
    type Output;
    fn visit<F: Formula>(self, formula: F) -> Self::Output;
}

/// The constants in their order, the rest 0.
fn constants<const COUNT: usize>(values: [f64; COUNT]) -> Constants<f64> {
    let mut all = [0.0; MOST_CONSTANTS];
    all[..COUNT].copy_from_slice(&values);
    all
}

impl Optimizer {
    /// Numbers of state for each parameter.
    pub fn states(self) -> usize {
        struct States;
        impl Visitor for States {
            type Output = usize;
            fn visit<F: Formula>(self, _: F) -> usize {
                F::STATES
            }
        }
        self.visit(States)
    }

    /// The state of each parameter before the first update, [`states`](Self::states) numbers.
    pub fn initial(self) -> Vec<f64> {
        struct Initial;
        impl Visitor for Initial {
            type Output = Vec<f64>;
            fn visit<F: Formula>(self, formula: F) -> Vec<f64> {
                formula.initial()[..F::STATES].to_vec()
            }
        }
        self.visit(Initial)
    }

    /// Which of its [`constants`](Self::constants) is the squared norm of the gradient of a segment of
    /// the parameters, if one is.
    pub(crate) fn square(self) -> Option<usize> {
        struct Square;
        impl Visitor for Square {
            type Output = Option<usize>;
            fn visit<F: Formula>(self, _: F) -> Option<usize> {
                F::SQUARE
            }
        }
        self.visit(Square)
    }

    /// The constants of update `t`, counted from 1, at a learning rate. One that is the norm of a
    /// gradient is 0. [`reference::update`](crate::reference::update) takes them.
    ///
    /// ```
    /// use impasto::Optimizer;
    ///
    /// // The learning rate is the first constant of gradient descent.
    /// assert_eq!(Optimizer::SGD.constants(0.1, 1)[0], 0.1);
    /// ```
    pub fn constants(self, rate: f64, t: u64) -> Constants<f64> {
        struct At(f64, u64);
        impl Visitor for At {
            type Output = Constants<f64>;
            fn visit<F: Formula>(self, formula: F) -> Self::Output {
                formula.constants(self.0, self.1)
            }
        }
        self.visit(At(rate, t))
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_out_of_range_are_refused() {
        for bad in [
            Optimizer::Sgd { momentum: 1.0, nesterov: false },
            Optimizer::Sgd { momentum: 0.0, nesterov: true },
            Optimizer::Adam { beta1: f64::NAN, beta2: 0.9, epsilon: 1e-8 },
            Optimizer::Adam { beta1: 0.9, beta2: 0.9, epsilon: 0.0 },
            Optimizer::AdamW { beta1: 0.9, beta2: 0.9, epsilon: 1e-8, weight_decay: -1.0 },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
        assert!(Optimizer::ALL.iter().all(|o| o.check().is_ok()));
    }

    #[test]
    fn the_fixtures_have_a_table_for_every_optimizer() {
        let tables = tables::all();
        for optimizer in Optimizer::ALL {
            assert!(tables.iter().any(|table| table.name() == optimizer.name()), "{optimizer}");
        }
    }

    #[test]
    fn a_positive_gradient_makes_a_parameter_smaller() {
        struct First(f64);
        impl Visitor for First {
            type Output = f64;
            fn visit<F: Formula>(self, formula: F) -> f64 {
                let mut state = [0.0; MOST_STATES];
                let mut constants = formula.constants(0.01, 1);
                if let Some(place) = F::SQUARE {
                    assert_eq!(F::CONSTANTS[place], "square");
                    constants[place] = self.0 * self.0;
                }
                F::update(&constants, self.0, 2.0, &mut state)
            }
        }
        for optimizer in Optimizer::ALL.iter().copied() {
            let w = optimizer.visit(First(0.5));
            assert!(w < 2.0 && w > 1.8, "{optimizer}: {w}");
        }
    }
}
