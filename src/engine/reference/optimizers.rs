//! Optimizers: from a gradient to an update, over the flat vector of parameters.

use crate::optimizer::UpdateConstants;

/// One update by whichever rule the constants are for. `state` holds the velocity, or the first
/// and second moments, all zero before the first step.
pub fn update(
    constants: UpdateConstants,
    parameters: &mut [f64],
    gradient: &[f64],
    state: &mut [Vec<f64>; 2],
) {
    let [first, second] = state;
    match constants {
        UpdateConstants::Sgd { learning_rate, momentum, nesterov, l2 } => {
            sgd(parameters, gradient, first, learning_rate, momentum, nesterov, l2);
        }
        UpdateConstants::Adam { step_size, beta1, beta2, correction, epsilon, keep, l2 } => adam(
            parameters, gradient, first, second, step_size, beta1, beta2, correction, epsilon,
            keep, l2,
        ),
    }
}

/// Stochastic gradient descent with momentum, as PyTorch's `SGD`: `g ← g + l2·w`,
/// `v ← momentum·v + g`, `w ← w − rate·v`, or with Nesterov `w ← w − rate·(g + momentum·v)`.
pub fn sgd(
    parameters: &mut [f64],
    gradient: &[f64],
    velocity: &mut [f64],
    learning_rate: f64,
    momentum: f64,
    nesterov: bool,
    l2: f64,
) {
    for i in 0..parameters.len() {
        let g = gradient[i] + l2 * parameters[i];
        let v = momentum * velocity[i] + g;
        let direction = if nesterov { g + momentum * v } else { v };
        let w = parameters[i] - learning_rate * direction;
        velocity[i] = v;
        parameters[i] = w;
    }
}

/// Adam and AdamW: `g ← g + l2·w`, `m ← β₁m + (1 − β₁)g`, `v ← β₂v + (1 − β₂)g²`,
/// `w ← keep·w − step_size·m / (correction·√v + ε)` with
/// `step_size = rate/(1 − β₁ᵗ)`, `correction = 1/√(1 − β₂ᵗ)`, `keep = 1 − rate·decay`.
///
/// Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019, algorithm 2.
pub fn adam(
    parameters: &mut [f64],
    gradient: &[f64],
    first: &mut [f64],
    second: &mut [f64],
    step_size: f64,
    beta1: f64,
    beta2: f64,
    correction: f64,
    epsilon: f64,
    keep: f64,
    l2: f64,
) {
    for i in 0..parameters.len() {
        let g = gradient[i] + l2 * parameters[i];
        let m = beta1 * first[i] + (1.0 - beta1) * g;
        let v = beta2 * second[i] + (1.0 - beta2) * g * g;
        let w = keep * parameters[i] - step_size * m / (correction * v.sqrt() + epsilon);
        first[i] = m;
        second[i] = v;
        parameters[i] = w;
    }
}
