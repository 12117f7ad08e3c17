//! Optimizers: from a gradient to an update, over the flat vector of parameters.

use crate::optimizer::{Constants, Formula, MOST_STATES, Optimizer, Visitor};

/// The states of `count` parameters before the first update, `[Optimizer::states, count]`.
pub fn initial_states(optimizer: Optimizer, count: usize) -> Vec<f64> {
    let initial = optimizer.initial().into_iter();
    initial.flat_map(|value| std::iter::repeat_n(value, count)).collect()
}

/// One update: `g ← g + l2·w`, then the formula of [`optimizer`](crate::optimizer) with these
/// [`constants`](Optimizer::constants).
///
/// `parameters` and `gradient` are `[count]`; `states` are `[Optimizer::states, count]`,
/// [`initial_states`] before the first update.
pub fn update(
    optimizer: Optimizer,
    constants: Constants<f64>,
    l2: f64,
    parameters: &mut [f64],
    gradient: &[f64],
    states: &mut [f64],
) {
    optimizer.visit(Update { constants, l2, parameters, gradient, states });
}

struct Update<'a> {
    constants: Constants<f64>,
    l2: f64,
    parameters: &'a mut [f64],
    gradient: &'a [f64],
    states: &'a mut [f64],
}

impl Visitor for Update<'_> {
    type Output = ();

    fn visit<F: Formula>(self, _: F) {
        let count = self.parameters.len();
        for (i, (w, g)) in self.parameters.iter_mut().zip(self.gradient).enumerate() {
            let mut state = [0.0; MOST_STATES];
            for (s, state) in state[..F::STATES].iter_mut().enumerate() {
                *state = self.states[s * count + i];
            }
            *w = F::update(&self.constants, g + self.l2 * *w, *w, &mut state);
            for (s, state) in state[..F::STATES].iter().enumerate() {
                self.states[s * count + i] = *state;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::tables::tables;

    #[test]
    fn every_optimizer_agrees_with_its_tables() {
        for (optimizer, table) in tables() {
            let mut w = table.parameters.clone();
            let mut states = initial_states(optimizer, w.len());
            for (t, (gradient, after)) in (1..).zip(table.gradients.iter().zip(&table.after)) {
                let constants = optimizer.constants(table.learning_rate, t);
                update(optimizer, constants, table.l2, &mut w, gradient, &mut states);
                for (got, expected) in w.iter().zip(after) {
                    // f64 rounding, which a dozen updates add up.
                    let near = (got - expected).abs() <= 1e-13 * expected.abs().max(1.0);
                    assert!(near, "{} after {t}: {got}, not {expected}", table.text());
                }
            }
        }
    }
}
