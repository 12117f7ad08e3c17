//! The optimizers in f32, over the parameters of a block.

use super::lanes::Lanes;
use super::layout::Block;
use super::lines::padded;
use crate::number::Number;
use crate::optimizer::{Constants, Formula, MOST_STATES, Optimizer, Visitor};
use pulp::{Arch, Simd, WithSimd};
use std::marker::PhantomData;

/// Adds the threads' gradients in their order and updates the block's parameters; its `other` then
/// has what they were. Whether all of them are finite still.
///
/// The formulas are those of [`optimizer`](crate::optimizer).
pub(super) fn update(
    arch: Arch,
    optimizer: Optimizer,
    constants: Constants<f64>,
    l2: f64,
    block: &mut Block,
    gradients: &[&[f32]],
) -> bool {
    optimizer.visit(Update { arch, constants, l2, block, gradients })
}

struct Update<'a> {
    arch: Arch,
    constants: Constants<f64>,
    l2: f64,
    block: &'a mut Block,
    gradients: &'a [&'a [f32]],
}

impl Visitor for Update<'_> {
    type Output = bool;

    fn visit<F: Formula>(self, _: F) -> bool {
        self.arch.dispatch(Rows::<F> { formula: PhantomData, update: self })
    }
}

struct Rows<'a, F> {
    formula: PhantomData<F>,
    update: Update<'a>,
}

impl<F: Formula> WithSimd for Rows<'_, F> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        let Update { constants, l2, block, gradients, .. } = self.update;
        let constants = constants.map(|c| Lanes::splat(simd, c as f32));
        let l2 = Lanes::splat(simd, l2 as f32);
        let finite = update_rows::<S, F>(simd, &constants, l2, block, gradients);
        std::mem::swap(&mut block.values, &mut block.other);
        block.transpose(simd);
        finite
    }
}

/// The new parameters of all rows into the block's `other`, zeros into its padding; whether all are
/// finite.
#[inline(always)]
fn update_rows<S: Simd, F: Formula>(
    simd: S,
    constants: &Constants<Lanes<S>>,
    l2: Lanes<S>,
    block: &mut Block,
    gradients: &[&[f32]],
) -> bool {
    let (rows, width) = (block.rows(), block.width);
    let pitch = block.stride / S::F32_LANES;
    let vectors = padded(width) / S::F32_LANES;
    let Some((gradient, others)) = gradients.split_first() else { return true };
    let others: Vec<&[S::f32s]> = others.iter().map(|g| S::as_simd_f32s(g).0).collect();
    let (gradient, _) = S::as_simd_f32s(gradient);
    let (old, _) = S::as_simd_f32s(&block.values);
    let (new, _) = S::as_mut_simd_f32s(&mut block.other);
    let mut states: [&mut [S::f32s]; MOST_STATES] = Default::default();
    for (slot, lines) in states.iter_mut().zip(&mut block.states) {
        *slot = S::as_mut_simd_f32s(lines).0;
    }
    let zero = simd.splat_f32s(0.0);
    // 0 while all is finite, NaN for ever after.
    let mut check = zero;
    for row in 0..rows {
        for n in 0..vectors {
            let at = row * pitch + n;
            let mut g = gradient[at];
            for other in &others {
                g = simd.add_f32s(g, other[at]);
            }
            // The padding may contain NaN, which must not spread.
            let counts = (width - (n * S::F32_LANES).min(width)).min(S::F32_LANES);
            let mask = simd.mask_between_m32s(0, counts as u32).mask();
            g = simd.select_f32s(mask, g, zero);
            let w = Lanes::new(simd, old[at]);
            let g = l2.times_plus(w, Lanes::new(simd, g));
            let mut state = [Lanes::new(simd, zero); MOST_STATES];
            for s in 0..F::STATES {
                state[s] = Lanes::new(simd, states[s][at]);
            }
            let value = F::update(constants, g, w, &mut state).value;
            for s in 0..F::STATES {
                states[s][at] = state[s].value;
                // An infinite second moment would freeze the parameter without a word.
                check = simd.mul_add_e_f32s(state[s].value, zero, check);
            }
            // 0/0 where a constant is too small for this kind of number.
            let value = simd.select_f32s(mask, value, zero);
            new[at] = value;
            check = simd.mul_add_e_f32s(value, zero, check);
        }
    }
    simd.reduce_sum_f32s(check) == 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cpu::layout::{Layout, Purpose, flatten};
    use crate::engine::cpu::product::tests::levels;
    use crate::engine::reference;
    use crate::optimizer::tables::{Table, tables};
    use crate::{Activation, Network, Optimizer};

    /// The parameters after each gradient of a table, on the reference, with gradients that are larger
    /// by a part `grown`.
    fn exact(optimizer: Optimizer, table: &Table, grown: f64) -> Vec<Vec<f64>> {
        let mut w = table.parameters.clone();
        let mut states = reference::initial_states(optimizer, w.len());
        let after = (1..).zip(&table.gradients).map(|(t, gradient)| {
            let gradient: Vec<f64> = gradient.iter().map(|g| g * (1.0 + grown)).collect();
            let constants = optimizer.constants(table.learning_rate, t);
            reference::update(optimizer, constants, table.l2, &mut w, &gradient, &mut states);
            w.clone()
        });
        after.collect()
    }

    /// The same in f32, as a block of a network with three weights and a bias.
    fn in_blocks(arch: Arch, optimizer: Optimizer, table: &Table) -> Vec<Vec<f64>> {
        let mut network =
            Network::builder(3).output(1, Activation::Identity).build().expect("3 → 1");
        network.set_parameters(&table.parameters).expect("four parameters");
        let states = optimizer.initial();
        let mut blocks = Layout::of(&network, 1).blocks(&network, Purpose::Training, &states);
        let block = &mut blocks[0];
        let after = (1..).zip(&table.gradients).map(|(t, gradient)| {
            // The padding may contain anything.
            let mut padded = vec![f32::NAN; block.values.len()];
            for (row, g) in gradient.iter().enumerate() {
                padded[row * block.stride] = *g as f32;
            }
            let constants = optimizer.constants(table.learning_rate, t);
            assert!(update(arch, optimizer, constants, table.l2, block, &[&padded]));
            let mut flat = Vec::new();
            flatten(block, &mut flat);
            flat
        });
        after.collect()
    }

    #[test]
    fn every_optimizer_agrees_with_its_tables() {
        const NUDGE: f64 = 1.0 / 4096.0;
        for (optimizer, table) in tables() {
            let (expected, nudged) =
                (exact(optimizer, &table, 0.0), exact(optimizer, &table, NUDGE));
            for arch in levels() {
                let got = in_blocks(arch, optimizer, &table);
                for i in 0..table.parameters.len() {
                    let (mut before, mut way) = (table.parameters[i], 0.0);
                    for t in 0..expected.len() {
                        let (got, expected) = (got[t][i], expected[t][i]);
                        way += (expected - before).abs();
                        before = expected;
                        // What rounding errors are relative to: the parameter, the way to it, and
                        // what larger gradients change of it; each update adds a unit or two.
                        let size = expected.abs() + way + (nudged[t][i] - expected).abs() / NUDGE;
                        let tolerance = 16.0 * f64::from(f32::EPSILON) * size;
                        assert!(
                            (got - expected).abs() <= tolerance,
                            "{arch:?}, {}, parameter {i} after {}: {got}, not {expected} ± {tolerance:e}",
                            table.text(),
                            t + 1
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn no_gradient_and_no_epsilon_make_a_parameter_leap() {
        let network = Network::builder(1).output(1, Activation::Identity).build().expect("1 → 1");
        for arch in levels() {
            for gradient in [0.0, 1e-30, 1e-20, 1e-18, 1e-10, 1.0, 1e15] {
                for epsilon in [1e-300, 1e-30, 1e-20, 1e-8, 1.0, 1e38, 1e300] {
                    let adam = Optimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon };
                    let mut blocks =
                        Layout::of(&network, 1).blocks(&network, Purpose::Training, &[0.0; 2]);
                    let block = &mut blocks[0];
                    let before = block.values[0];
                    let gradients = vec![gradient; block.values.len()];
                    for step in 1..=100 {
                        let constants = adam.constants(0.01, step);
                        let finite = update(arch, adam, constants, 0.0, block, &[&gradients]);
                        assert!(finite, "{arch:?} {gradient} {epsilon}");
                    }
                    // A hundred steps of at most the learning rate each.
                    let moved = (block.values[0] - before).abs();
                    assert!(moved < 1.01, "{arch:?} {gradient} {epsilon}: {moved}");
                }
            }
        }
    }
}
