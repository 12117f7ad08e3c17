//! The optimizers in f32, over the parameters of a block.

use super::layout::Block;
use super::lines::{LINE, padded};
use crate::optimizer::UpdateConstants;
use pulp::{Arch, Simd, WithSimd};

/// Columns that are updated together.
const COLUMNS: usize = 8 * LINE;

/// Adds the threads' gradients in their order and updates the block's parameters; what they were
/// stands in its `other` then. Whether all of them are finite still.
///
/// The formulas are those of [`reference::sgd`](crate::reference::sgd) and
/// [`reference::adam`](crate::reference::adam).
pub(super) fn update(
    arch: Arch,
    constants: UpdateConstants,
    block: &mut Block,
    gradients: &[&[f32]],
) -> bool {
    arch.dispatch(Update { constants: Constants::of(constants), block, gradients })
}

/// The constants of an update, in f32.
#[derive(Clone, Copy)]
enum Constants {
    Sgd(Sgd),
    Adam(Adam),
}

impl Constants {
    fn of(constants: UpdateConstants) -> Self {
        match constants {
            UpdateConstants::Sgd { learning_rate, momentum, nesterov, l2 } => Self::Sgd(Sgd {
                rate: learning_rate as f32,
                momentum: momentum as f32,
                nesterov,
                l2: l2 as f32,
            }),
            UpdateConstants::Adam { step_size, beta1, beta2, correction, epsilon, keep, l2 } => {
                Self::Adam(Adam {
                    step_size: step_size as f32,
                    betas: [beta1 as f32, beta2 as f32],
                    rests: [(1.0 - beta1) as f32, (1.0 - beta2) as f32],
                    correction: correction as f32,
                    epsilon: epsilon as f32,
                    keep: keep as f32,
                    l2: l2 as f32,
                })
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Sgd {
    rate: f32,
    momentum: f32,
    nesterov: bool,
    l2: f32,
}

#[derive(Clone, Copy)]
struct Adam {
    step_size: f32,
    betas: [f32; 2],
    rests: [f32; 2],
    correction: f32,
    epsilon: f32,
    keep: f32,
    l2: f32,
}

struct Update<'a> {
    constants: Constants,
    block: &'a mut Block,
    gradients: &'a [&'a [f32]],
}

impl WithSimd for Update<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> bool {
        let Self { constants, block, gradients } = self;
        let (rows, width) = (block.rows(), block.width);
        let [first, second] = &mut block.state;
        let mut sum = [0.0; COLUMNS];
        let mut infinite = 0;
        for row in 0..rows {
            for column in (0..width).step_by(COLUMNS) {
                let columns = COLUMNS.min(padded(width) - column);
                let start = row * block.stride + column;
                let at = start..start + columns;
                let sum = &mut sum[..columns];
                sum.fill(0.0);
                for gradient in gradients {
                    add(sum, &gradient[at.clone()]);
                }
                // Beyond the width may stand NaN, of which nobody shall hear.
                let counts = columns.min(width - column);
                sum[counts..].fill(0.0);
                let old = &block.values[at.clone()];
                let new = &mut block.other[at.clone()];
                let (first, second) = (&mut first[at.clone()], &mut second[at]);
                match constants {
                    Constants::Sgd(constants) => sgd(constants, sum, old, new, first),
                    Constants::Adam(constants) => adam(constants, sum, old, new, first, second),
                }
                // An infinite second moment would freeze the parameter without a word.
                for values in [&new[..counts], &second[..counts]] {
                    infinite |= values.iter().fold(0, |any, v| any | is_infinite(*v));
                }
                // 0/0 where epsilon is too small for this kind of number.
                new[counts..].fill(0.0);
            }
        }
        std::mem::swap(&mut block.values, &mut block.other);
        block.transpose();
        infinite == 0
    }
}

/// 1 for infinity and NaN, else 0; without a branch.
#[inline(always)]
fn is_infinite(value: f32) -> u32 {
    u32::from(value.to_bits() & 0x7f80_0000 == 0x7f80_0000)
}

#[inline(always)]
fn add(sum: &mut [f32], gradient: &[f32]) {
    let n = sum.len();
    let gradient = &gradient[..n];
    for i in 0..n {
        sum[i] += gradient[i];
    }
}

#[inline(always)]
fn sgd(c: Sgd, g: &[f32], old: &[f32], new: &mut [f32], velocity: &mut [f32]) {
    let n = g.len();
    let (old, new, velocity) = (&old[..n], &mut new[..n], &mut velocity[..n]);
    for i in 0..n {
        let g = g[i] + c.l2 * old[i];
        let v = c.momentum * velocity[i] + g;
        velocity[i] = v;
        let direction = if c.nesterov { g + c.momentum * v } else { v };
        new[i] = old[i] - c.rate * direction;
    }
}

#[inline(always)]
fn adam(c: Adam, g: &[f32], old: &[f32], new: &mut [f32], first: &mut [f32], second: &mut [f32]) {
    let n = g.len();
    let (old, new, first, second) = (&old[..n], &mut new[..n], &mut first[..n], &mut second[..n]);
    for i in 0..n {
        let g = g[i] + c.l2 * old[i];
        let m = c.betas[0] * first[i] + c.rests[0] * g;
        let v = c.betas[1] * second[i] + c.rests[1] * g * g;
        first[i] = m;
        second[i] = v;
        new[i] = c.keep * old[i] - c.step_size * m / (c.correction * v.sqrt() + c.epsilon);
    }
}
