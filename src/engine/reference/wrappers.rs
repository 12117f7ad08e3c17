//! The wrappers of an optimizer: clipping, lookahead, moving average.

use super::optimizers::{self, gradient_norms, update};
use crate::engine::Plan;
use crate::optimizer::{Constants, Optimizer};
use crate::segment::SegmentKind;
use crate::wrapper::clip_norm::factor;
use crate::wrapper::clip_value::clipped;
use crate::wrapper::lookahead::towards;
use crate::wrappers::{Gather, Numbers, Vectors};
use std::ops::Range;

/// Gathers the gradients of several batches: `gathered[i] ← kept·gathered[i] + part·gradient[i]`.
pub(crate) fn gather_gradients(
    Gather { kept, part, .. }: Gather,
    gradient: &[f64],
    gathered: &mut [f64],
) {
    for (gathered, g) in gathered.iter_mut().zip(gradient) {
        *gathered = kept * *gathered + part * g;
    }
}

/// Clips by value: `gradient[i] ← clamp(gradient[i], −limit, limit)`.
pub fn clip_value(limit: f64, gradient: &mut [f64]) {
    for g in gradient {
        *g = clipped(*g, limit);
    }
}

/// Clips by norm: `gradient[i] ← gradient[i]·min(1, limit/(‖gradient‖ + 1e-6))`.
pub fn clip_norm(limit: f64, gradient: &mut [f64]) {
    let factor =
        factor(limit, gradient_norms(gradient, std::slice::from_ref(&(0..gradient.len())))[0]);
    for g in gradient {
        *g *= factor;
    }
}

/// Slow parameters follow: `slow[i] ← slow[i] + alpha·(parameters[i] − slow[i])`, and
/// `parameters[i] ← slow[i]`.
pub fn lookahead(alpha: f64, parameters: &mut [f64], slow: &mut [f64]) {
    for (w, slow) in parameters.iter_mut().zip(slow) {
        *slow = towards(*slow, *w, alpha);
        *w = *slow;
    }
}

/// Takes parameters into their average: `average[i] ← average[i] + share·(parameters[i] − average[i])`.
pub fn average(share: f64, parameters: &[f64], average: &mut [f64]) {
    for (average, w) in average.iter_mut().zip(parameters) {
        *average = towards(*average, *w, share);
    }
}

/// The states of a run's parameters before the first update: those of the optimizer, and behind them
/// the vectors of the wrappers.
pub(super) fn initial_states(plan: &Plan, parameters: &[f64]) -> Vec<f64> {
    let count = parameters.len();
    let mut states = optimizers::initial_states(plan.optimizer, count);
    let (first, vectors) = (states.len(), plan.wrappers.vectors());
    states.resize(first + vectors.count * count, 0.0);
    if let Some(slow) = vectors.slow {
        states[first + slow * count..][..count].copy_from_slice(parameters);
    }
    states
}

/// An update with what surrounds the optimizer.
#[derive(Clone, Copy)]
pub(crate) struct Surrounded {
    pub(crate) optimizer: Optimizer,
    pub(crate) constants: Constants<f64>,
    pub(crate) l2: f64,
    pub(crate) numbers: Numbers,
    pub(crate) vectors: Vectors,
}

impl Surrounded {
    /// For a batch of the run, counted from 1, at a learning rate.
    pub(crate) fn new(plan: &Plan, rate: f64, batch: u64) -> Self {
        let Plan { optimizer, l2, wrappers, .. } = plan;
        let numbers = wrappers.at(batch);
        Self {
            optimizer: *optimizer,
            constants: optimizer.constants(rate, numbers.t),
            l2: *l2,
            numbers,
            vectors: wrappers.vectors(),
        }
    }

    /// Accumulates the gradient with those of other batches. After the last batch of an update, clips it,
    /// adds the parameters to their average, updates them, and moves the slow parameters.
    pub(crate) fn apply(
        &self,
        segments: &[(Range<usize>, SegmentKind)],
        parameters: &mut [f64],
        mut gradient: Vec<f64>,
        states: &mut [f64],
    ) {
        let Self { optimizer, constants, l2, numbers, vectors } = *self;
        let count = parameters.len();
        let (states, own) = states.split_at_mut(optimizer.states() * count);
        if let Some(place) = vectors.gathered {
            let gathered = &mut own[place * count..][..count];
            gather_gradients(numbers.gather, &gradient, gathered);
            if !numbers.gather.updates {
                return;
            }
            gradient.copy_from_slice(gathered);
        }
        clip_value(numbers.clip_value, &mut gradient);
        if numbers.clip_norm.is_finite() {
            clip_norm(numbers.clip_norm, &mut gradient);
        }
        if let Some(place) = vectors.average {
            average(numbers.share, parameters, &mut own[place * count..][..count]);
        }
        update(optimizer, constants, l2, segments, parameters, &gradient, states);
        if let Some(slow) = vectors.slow.filter(|_| numbers.alpha > 0.0) {
            lookahead(numbers.alpha, parameters, &mut own[slow * count..][..count]);
        }
    }
}
