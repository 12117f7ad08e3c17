//! The update of all parameters by an optimizer.

use crate::optimizer::{Constants, Formula, MOST_STATES, Optimizer, Visitor};
use crate::segment::SegmentKind;
use std::ops::Range;

/// The states of `count` parameters before the first update, `[Optimizer::states, count]`.
pub fn initial_states(optimizer: Optimizer, count: usize) -> Vec<f64> {
    let initial = optimizer.initial().into_iter();
    initial.flat_map(|value| std::iter::repeat_n(value, count)).collect()
}

/// One update: `g ← g + l2·w`, then the formula of [`optimizer`](crate::optimizer) with these
/// [`constants`](Optimizer::constants).
///
/// `parameters` and `gradient` are `[count]`; `states` are `[Optimizer::states, count]`,
/// [`initial_states`] before the first update. `segments` are those of [`Network::segments`]; an
/// optimizer that divides by norms takes one of each. A parameter of a scattered segment whose gradient is 0 keeps
/// its value and its states, and the penalty `l2` is not added for these segments: so what a batch does not
/// touch costs nothing. PyTorch's `SparseAdam` does the same.
///
/// [`Network::segments`]: crate::Network::segments
pub fn update(
    optimizer: Optimizer,
    constants: Constants<f64>,
    l2: f64,
    segments: &[(Range<usize>, SegmentKind)],
    parameters: &mut [f64],
    gradient: &[f64],
    states: &mut [f64],
) {
    optimizer.visit(Update { constants, l2, segments, parameters, gradient, states });
}

/// Squared norm of the gradient of each segment: `Σ gradient[i]²` over its parameters.
pub fn gradient_norms(gradient: &[f64], segments: &[Range<usize>]) -> Vec<f64> {
    let square = |segment: &Range<usize>| gradient[segment.clone()].iter().map(|g| g * g).sum();
    segments.iter().map(square).collect()
}

struct Update<'a> {
    constants: Constants<f64>,
    l2: f64,
    segments: &'a [(Range<usize>, SegmentKind)],
    parameters: &'a mut [f64],
    gradient: &'a [f64],
    states: &'a mut [f64],
}

impl Visitor for Update<'_> {
    type Output = ();

    fn visit<F: Formula>(self, _: F) {
        let Self { mut constants, l2, segments, parameters, gradient, states } = self;
        let count = parameters.len();
        let mut gradient = gradient.to_vec();
        for (segment, _) in segments.iter().filter(|(_, kind)| *kind == SegmentKind::Dense) {
            for i in segment.clone() {
                gradient[i] += l2 * parameters[i];
            }
        }
        let ranges: Vec<_> = segments.iter().map(|(segment, _)| segment.clone()).collect();
        let squares = gradient_norms(&gradient, &ranges);
        for ((segment, kind), square) in segments.iter().zip(squares) {
            if let Some(place) = F::SQUARE {
                constants[place] = square;
            }
            for i in segment.clone() {
                if *kind == SegmentKind::Scattered && gradient[i] == 0.0 {
                    continue;
                }
                let mut state = [0.0; MOST_STATES];
                for (s, state) in state[..F::STATES].iter_mut().enumerate() {
                    *state = states[s * count + i];
                }
                parameters[i] = F::update(&constants, gradient[i], parameters[i], &mut state);
                for (s, state) in state[..F::STATES].iter().enumerate() {
                    states[s * count + i] = *state;
                }
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
                let segment = (0..w.len(), SegmentKind::Dense);
                let segments = std::slice::from_ref(&segment);
                update(optimizer, constants, table.l2, segments, &mut w, gradient, &mut states);
                for (got, expected) in w.iter().zip(after) {
                    // f64 rounding, which a dozen updates add up.
                    let near = (got - expected).abs() <= 1e-13 * expected.abs().max(1.0);
                    assert!(near, "{} after {t}: {got}, not {expected}", table.text());
                }
            }
        }
    }
}
