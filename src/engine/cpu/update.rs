//! The optimizers and their wrappers in f32, over a block of parameters.

use super::gradient::Gradient;
use super::lanes::Lanes;
use super::layout::Block;
use super::lines::LINE;
use crate::number::Number;
use crate::optimizer::{Constants, Formula, MOST_STATES, Optimizer, Visitor};
use crate::wrapper::clip_value::clipped;
use crate::wrapper::lookahead::towards;
use crate::wrappers::{MOST_VECTORS, Numbers, Vectors};
use pulp::{Arch, Simd, WithSimd};
use std::marker::PhantomData;

/// An update, as far as all blocks have it in common.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) optimizer: Optimizer,
    pub(super) constants: Constants<f64>,
    pub(super) l2: f64,
    /// What surrounds the optimizer, if anything does.
    pub(super) around: Option<Around>,
}

/// What surrounds an optimizer in an update.
#[derive(Clone, Copy)]
pub(super) struct Around {
    pub(super) numbers: Numbers,
    /// Where its vectors are behind those of the optimizer.
    pub(super) vectors: Vectors,
    /// What the gradient is multiplied by, so that its norm is at most the limit.
    pub(super) factor: f64,
}

/// Adds the groups' gradients in their order and updates the block's parameters; its `other` then
/// has what they were. Whether all of them are finite still. The transposed weights are still those before.
///
/// The formulas are those of [`optimizer`](crate::optimizer) and [`wrapper`](crate::wrapper).
/// `squares` are the squared norms of the gradients of the layer's weights and of its biases, for an
/// optimizer that asks for them.
pub(super) fn update(
    arch: Arch,
    terms: &Terms,
    squares: [f64; 2],
    block: &mut Block,
    gradients: &[&[f32]],
) -> bool {
    terms.optimizer.visit(Update { arch, terms, squares, block, gradients })
}

struct Update<'a> {
    arch: Arch,
    terms: &'a Terms,
    squares: [f64; 2],
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
        let Update { terms, squares, block, gradients, .. } = self.update;
        // Two loops, so that the one without wrappers does nothing for them.
        let finite = match terms.around {
            None => update_rows::<S, F, false>(simd, terms, squares, block, gradients),
            Some(_) => update_rows::<S, F, true>(simd, terms, squares, block, gradients),
        };
        std::mem::swap(&mut block.values, &mut block.other);
        finite
    }
}

/// The new parameters of all rows into the block's `other`, zeros into its padding; whether all are
/// finite.
#[inline(always)]
fn update_rows<S: Simd, F: Formula, const SURROUNDED: bool>(
    simd: S,
    terms: &Terms,
    squares: [f64; 2],
    block: &mut Block,
    gradients: &[&[f32]],
) -> bool {
    let splat = |number: f64| Lanes::splat(simd, number as f32);
    let mut constants = terms.constants.map(splat);
    let l2 = splat(terms.l2);
    let around = terms.around.filter(|_| SURROUNDED).map(|around| {
        let Numbers { clip_value, alpha, share, .. } = around.numbers;
        let follows = around.vectors.slow.filter(|_| alpha > 0.0);
        let lanes = [clip_value, around.factor, alpha, share].map(splat);
        (lanes, follows, around.vectors.average)
    });
    let (rows, weights) = (block.rows(), block.inputs.len());
    let Some(gradient) = Gradient::<S>::new(simd, block, gradients) else { return true };
    let (old, _) = S::as_simd_f32s(&block.values);
    let (new, _) = S::as_mut_simd_f32s(&mut block.other);
    let mut states: [&mut [S::f32s]; MOST_STATES + MOST_VECTORS] = Default::default();
    for (slot, lines) in states.iter_mut().zip(&mut block.states) {
        *slot = S::as_mut_simd_f32s(lines).0;
    }
    let zero = simd.splat_f32s(0.0);
    // 0 while all is finite, NaN for ever after.
    let mut check = zero;
    for row in 0..rows {
        if let Some(place) = F::SQUARE {
            constants[place] = splat(squares[usize::from(row == weights)]);
        }
        for n in 0..gradient.vectors {
            let at = row * gradient.pitch + n;
            let (mut g, mask) = gradient.at(simd, row, n);
            let w = Lanes::new(simd, old[at]);
            if let Some(([clip_value, factor, _, share], _, average)) = around {
                g = clipped(g, clip_value) * factor;
                if let Some(average) = average {
                    let average = &mut states[F::STATES + average][at];
                    *average = towards(Lanes::new(simd, *average), w, share).value;
                }
            }
            let g = l2.times_plus(w, g);
            let mut state = [Lanes::new(simd, zero); MOST_STATES];
            for s in 0..F::STATES {
                state[s] = Lanes::new(simd, states[s][at]);
            }
            let mut value = F::update(&constants, g, w, &mut state);
            // 0 or NaN. By itself, so that a vector does not wait for the one before.
            let mut own = zero;
            for s in 0..F::STATES {
                states[s][at] = state[s].value;
                // An infinite second moment would freeze the parameter without a word.
                own = simd.mul_add_e_f32s(state[s].value, zero, own);
            }
            if let Some(([_, _, alpha, _], Some(slow), _)) = around {
                let slow = &mut states[F::STATES + slow][at];
                value = towards(Lanes::new(simd, *slow), value, alpha);
                *slow = simd.select_f32s(mask, value.value, zero);
            }
            // 0/0 where a constant is too small for this kind of number.
            let value = simd.select_f32s(mask, value.value, zero);
            new[at] = value;
            check = simd.add_f32s(check, simd.mul_add_e_f32s(value, zero, own));
        }
    }
    simd.reduce_sum_f32s(check) == 0.0
}

/// The least positive f32, below which a number is 0.
const LEAST: f64 = 1.401_298_464_324_817e-45;

/// Updates the lines of a table that are marked in `touched`; the block's `other` then has what they were. Whether
/// all of them are finite still. A parameter whose gradient is 0 keeps its value and its states.
///
/// `square` is the squared norm of the gradient of the whole table, for an optimizer that asks for it.
pub(super) fn update_table(
    arch: Arch,
    terms: &Terms,
    square: f64,
    block: &mut Block,
    gradient: &[f32],
    touched: &[u8],
) -> bool {
    terms.optimizer.visit(UpdateTable { arch, terms, square, block, gradient, touched })
}

struct UpdateTable<'a> {
    arch: Arch,
    terms: &'a Terms,
    square: f64,
    block: &'a mut Block,
    gradient: &'a [f32],
    touched: &'a [u8],
}

impl Visitor for UpdateTable<'_> {
    type Output = bool;

    fn visit<F: Formula>(self, _: F) -> bool {
        self.arch.dispatch(TableLines::<F> { formula: PhantomData, update: self })
    }
}

struct TableLines<'a, F> {
    formula: PhantomData<F>,
    update: UpdateTable<'a>,
}

impl<F: Formula> WithSimd for TableLines<'_, F> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        let UpdateTable { terms, square, block, gradient, touched, .. } = self.update;
        let splat = |number: f64| Lanes::splat(simd, number as f32);
        let mut constants = terms.constants.map(splat);
        if let Some(place) = F::SQUARE {
            constants[place] = splat(square);
        }
        let around = terms.around.map(|around| {
            let Numbers { clip_value, alpha, share, .. } = around.numbers;
            let follows = around.vectors.slow.filter(|_| alpha > 0.0);
            let lanes = [clip_value, around.factor, alpha, share].map(splat);
            (lanes, follows, around.vectors.average)
        });
        let (gradient, _) = S::as_simd_f32s(gradient);
        let (values, _) = S::as_mut_simd_f32s(&mut block.values);
        let (other, _) = S::as_mut_simd_f32s(&mut block.other);
        let mut states: [&mut [S::f32s]; MOST_STATES + MOST_VECTORS] = Default::default();
        for (slot, lines) in states.iter_mut().zip(&mut block.states) {
            *slot = S::as_mut_simd_f32s(lines).0;
        }
        let (zero, least) = (simd.splat_f32s(0.0), splat(LEAST));
        let mut check = zero;
        for (line, _) in touched.iter().enumerate().filter(|(_, touched)| **touched != 0) {
            let vectors = LINE / S::F32_LANES;
            for at in line * vectors..(line + 1) * vectors {
                let w = Lanes::new(simd, values[at]);
                other[at] = w.value;
                let mut g = Lanes::new(simd, gradient[at]);
                if let Some(([clip_value, factor, _, share], _, average)) = around {
                    g = clipped(g, clip_value) * factor;
                    if let Some(average) = average {
                        let average = &mut states[F::STATES + average][at];
                        *average = towards(Lanes::new(simd, *average), w, share).value;
                    }
                }
                let mut state = [Lanes::new(simd, zero); MOST_STATES];
                for s in 0..F::STATES {
                    state[s] = Lanes::new(simd, states[s][at]);
                }
                let before = state;
                let new = F::update(&constants, g, w, &mut state);
                // NaN counts as a gradient, so that it is noticed.
                let size = g.abs();
                let mut value = size.below(least, w, new);
                let mut own = zero;
                for s in 0..F::STATES {
                    let state = size.below(least, before[s], state[s]).value;
                    states[s][at] = state;
                    own = simd.mul_add_e_f32s(state, zero, own);
                }
                if let Some(([_, _, alpha, _], Some(slow), _)) = around {
                    let slow = &mut states[F::STATES + slow][at];
                    value = towards(Lanes::new(simd, *slow), value, alpha);
                    *slow = value.value;
                }
                values[at] = value.value;
                check = simd.add_f32s(check, simd.mul_add_e_f32s(value.value, zero, own));
            }
        }
        simd.reduce_sum_f32s(check) == 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cpu::gradient::{Of, squares};
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
            let segment = (0..w.len(), crate::SegmentKind::Dense);
            let segments = std::slice::from_ref(&segment);
            reference::update(
                optimizer,
                constants,
                table.l2,
                segments,
                &mut w,
                &gradient,
                &mut states,
            );
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
            let terms = Terms { optimizer, constants, l2: table.l2, around: None };
            // Weights and bias are one segment there.
            let of = Of { clip_value: f64::INFINITY, factor: 1.0, l2: table.l2 };
            let mut rows = Vec::new();
            squares(arch, of, block, &[&padded], &mut rows);
            let square = rows.iter().sum();
            assert!(update(arch, &terms, [square; 2], block, &[&padded]));
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
                        let terms = Terms { optimizer: adam, constants, l2: 0.0, around: None };
                        let finite = update(arch, &terms, [0.0; 2], block, &[&gradients]);
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
