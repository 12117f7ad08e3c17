//! The optimizers in f32, over the parameters of a block.

use super::layout::Block;
use super::lines::padded;
use crate::optimizer::UpdateConstants;
use pulp::{Arch, Simd, WithSimd};

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
    arch.dispatch(Update { constants, block, gradients })
}

/// 2¹²⁵: whatever is divided by it or by more is nothing beside a parameter.
const LARGEST_EPSILON: f32 = 4.253_529_6e37;

struct Update<'a> {
    constants: UpdateConstants,
    block: &'a mut Block,
    gradients: &'a [&'a [f32]],
}

impl WithSimd for Update<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        let Self { constants, block, gradients } = self;
        let finite = match constants {
            UpdateConstants::Sgd { learning_rate, momentum, nesterov, l2 } => {
                let rule = Sgd {
                    rate: simd.splat_f32s(learning_rate as f32),
                    momentum: simd.splat_f32s(momentum as f32),
                    nesterov,
                    l2: simd.splat_f32s(l2 as f32),
                };
                update_rows(simd, rule, block, gradients)
            }
            UpdateConstants::Adam { step_size, beta1, beta2, correction, epsilon, keep, l2 } => {
                let rule = Adam {
                    step_size: simd.splat_f32s(step_size as f32),
                    betas: [beta1, beta2].map(|beta| simd.splat_f32s(beta as f32)),
                    rests: [beta1, beta2].map(|beta| simd.splat_f32s((1.0 - beta) as f32)),
                    correction: simd.splat_f32s(correction as f32),
                    // More would have no reciprocal among the normal numbers.
                    epsilon: simd.splat_f32s((epsilon as f32).min(LARGEST_EPSILON)),
                    keep: simd.splat_f32s(keep as f32),
                    l2: simd.splat_f32s(l2 as f32),
                };
                update_rows(simd, rule, block, gradients)
            }
        };
        std::mem::swap(&mut block.values, &mut block.other);
        block.transpose(simd);
        finite
    }
}

/// An optimizer's formula.
trait Rule<S: Simd>: Copy {
    /// The new parameters, from their gradients `g`, what they were, and the optimizer's two numbers
    /// of each, which change.
    fn step(self, simd: S, g: S::f32s, old: S::f32s, state: [&mut S::f32s; 2]) -> S::f32s;
}

/// The new parameters of all rows into the block's `other`, zeros into its padding; whether all are
/// finite.
#[inline(always)]
fn update_rows<S: Simd>(
    simd: S,
    rule: impl Rule<S>,
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
    let [first, second] = &mut block.state;
    let (first, _) = S::as_mut_simd_f32s(first);
    let (second, _) = S::as_mut_simd_f32s(second);
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
            // Beyond the width may stand NaN, of which nobody shall hear.
            let counts = (width - (n * S::F32_LANES).min(width)).min(S::F32_LANES);
            let mask = simd.mask_between_m32s(0, counts as u32).mask();
            g = simd.select_f32s(mask, g, zero);
            let state = [&mut first[at], &mut second[at]];
            let value = rule.step(simd, g, old[at], state);
            // 0/0 where epsilon is too small for this kind of number.
            let value = simd.select_f32s(mask, value, zero);
            new[at] = value;
            // An infinite second moment would freeze the parameter without a word.
            check = simd.mul_add_e_f32s(value, zero, check);
            check = simd.mul_add_e_f32s(second[at], zero, check);
        }
    }
    simd.reduce_sum_f32s(check) == 0.0
}

#[derive(Clone, Copy)]
struct Sgd<V> {
    rate: V,
    momentum: V,
    nesterov: bool,
    l2: V,
}

impl<S: Simd> Rule<S> for Sgd<S::f32s> {
    #[inline(always)]
    fn step(self, simd: S, g: S::f32s, old: S::f32s, state: [&mut S::f32s; 2]) -> S::f32s {
        let [velocity, _] = state;
        let g = simd.mul_add_e_f32s(self.l2, old, g);
        let v = flushed(simd, simd.mul_add_e_f32s(self.momentum, *velocity, g));
        *velocity = v;
        let direction = if self.nesterov { simd.mul_add_e_f32s(self.momentum, v, g) } else { v };
        simd.sub_f32s(old, simd.mul_f32s(self.rate, direction))
    }
}

#[derive(Clone, Copy)]
struct Adam<V> {
    step_size: V,
    betas: [V; 2],
    rests: [V; 2],
    correction: V,
    epsilon: V,
    keep: V,
    l2: V,
}

impl<S: Simd> Rule<S> for Adam<S::f32s> {
    #[inline(always)]
    fn step(self, simd: S, g: S::f32s, old: S::f32s, state: [&mut S::f32s; 2]) -> S::f32s {
        let [first, second] = state;
        let g = simd.mul_add_e_f32s(self.l2, old, g);
        let rest = simd.mul_f32s(self.rests[0], g);
        let m = flushed(simd, simd.mul_add_e_f32s(self.betas[0], *first, rest));
        let rest = simd.mul_f32s(simd.mul_f32s(self.rests[1], g), g);
        let v = flushed(simd, simd.mul_add_e_f32s(self.betas[1], *second, rest));
        (*first, *second) = (m, v);
        // A second moment is not less than what it may have been when it was flushed, a gradient's
        // square times 1 − β₂: divided by a tiny epsilon alone, the first one would leap.
        let v = simd.max_f32s(v, simd.splat_f32s(1024.0 * f32::MIN_POSITIVE));
        let root = simd.mul_f32s(v, reciprocal_root(simd, v));
        let divisor = simd.mul_add_e_f32s(self.correction, root, self.epsilon);
        let direction = simd.mul_f32s(m, reciprocal(simd, divisor));
        let kept = simd.mul_f32s(self.keep, old);
        simd.sub_f32s(kept, simd.mul_f32s(self.step_size, direction))
    }
}

/// 0 for a number too small to be a normal one. The moments of a neuron that is dead shrink from
/// step to step, through a thousand steps in which some processors would take a hundred times as
/// long for each of them.
#[inline(always)]
fn flushed<S: Simd>(simd: S, value: S::f32s) -> S::f32s {
    let zero = simd.splat_f32s(0.0);
    // Not `abs_f32s`, which the compiler may leave a function of its own, called for each vector.
    let magnitude = simd.max_f32s(value, simd.sub_f32s(zero, value));
    let tiny = simd.less_than_f32s(magnitude, simd.splat_f32s(f32::MIN_POSITIVE));
    simd.select_f32s(tiny, zero, value)
}

/// `1/√x` of normal numbers, to within a few units in the last place; something finite for 0, NaN
/// for NaN.
///
/// A guess by its bits, then twice Halley's method. Processors take three times as long for a root
/// and a division, during which nothing else is divided.
#[inline(always)]
fn reciprocal_root<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let halved = simd.wrapping_dyn_shr_u32s(simd.transmute_u32s_f32s(x), simd.splat_u32s(1));
    let guess = simd.sub_u32s(simd.splat_u32s(0x5f37_59df), halved);
    let mut y = simd.transmute_f32s_u32s(guess);
    for _ in 0..2 {
        // In this order, since y² may be too small for a number.
        let h = simd.mul_f32s(simd.mul_f32s(x, y), y);
        let factor = simd.mul_add_e_f32s(h, simd.splat_f32s(0.375), simd.splat_f32s(-1.25));
        let factor = simd.mul_add_e_f32s(h, factor, simd.splat_f32s(1.875));
        y = simd.mul_f32s(y, factor);
    }
    y
}

/// `1/x` of normal positive numbers up to 2¹²⁶, to within a few units in the last place; NaN for 0
/// and NaN. As [`reciprocal_root`].
#[inline(always)]
fn reciprocal<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let guess = simd.sub_u32s(simd.splat_u32s(0x7ef3_11c7), simd.transmute_u32s_f32s(x));
    let mut y = simd.transmute_f32s_u32s(guess);
    for _ in 0..2 {
        // 1 − x·y, and y times 1 + e + e².
        let e = simd.sub_f32s(simd.splat_f32s(1.0), simd.mul_f32s(x, y));
        let factor = simd.mul_add_e_f32s(e, e, e);
        y = simd.mul_add_e_f32s(y, factor, y);
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cpu::layout::{Layout, Purpose};
    use crate::engine::cpu::product::tests::levels;
    use crate::{Activation, Network, Optimizer};

    #[test]
    fn no_gradient_and_no_epsilon_make_a_parameter_leap() {
        let network = Network::builder(1).output(1, Activation::Identity).build().expect("1 → 1");
        for arch in levels() {
            for gradient in [0.0, 1e-30, 1e-20, 1e-18, 1e-10, 1.0, 1e15] {
                for epsilon in [1e-300, 1e-30, 1e-20, 1e-8, 1.0, 1e38, 1e300] {
                    let adam = Optimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon };
                    let mut blocks = Layout::of(&network, 1).blocks(&network, Purpose::Training);
                    let block = &mut blocks[0];
                    let before = block.values[0];
                    let gradients = vec![gradient; block.values.len()];
                    for step in 1..=100 {
                        let constants = adam.constants(0.0, 0.01, step);
                        let finite = update(arch, constants, block, &[&gradients]);
                        assert!(finite, "{arch:?} {gradient} {epsilon}");
                    }
                    // A hundred steps of at most the learning rate each.
                    let moved = (block.values[0] - before).abs();
                    assert!(moved < 1.01, "{arch:?} {gradient} {epsilon}: {moved}");
                }
            }
        }
    }

    struct Both<'a>(f32, &'a mut [f32; 2]);

    impl WithSimd for Both<'_> {
        type Output = ();

        fn with_simd<S: Simd>(self, simd: S) {
            let x = simd.splat_f32s(self.0);
            let [root, inverse] = [reciprocal_root(simd, x), reciprocal(simd, x)];
            // All numbers of a vector are the same.
            *self.1 = [simd.reduce_min_f32s(root), simd.reduce_min_f32s(inverse)];
        }
    }

    fn both(arch: Arch, x: f32) -> [f32; 2] {
        let mut both = [0.0; 2];
        arch.dispatch(Both(x, &mut both));
        both
    }

    #[test]
    fn roots_and_reciprocals_are_within_a_few_units() {
        for arch in levels() {
            let mut worst = [0.0_f64; 2];
            let mut x = f32::MIN_POSITIVE;
            while x < 1e37 {
                let [root, inverse] = both(arch, x).map(f64::from);
                let exact = f64::from(x);
                worst[0] = worst[0].max((root * exact.sqrt() - 1.0).abs());
                worst[1] = worst[1].max((inverse * exact - 1.0).abs());
                x *= 1.000_9;
            }
            let unit = f64::from(f32::EPSILON) / 2.0;
            assert!(worst[0] < 5.0 * unit && worst[1] < 4.0 * unit, "{arch:?}: {worst:?}");
        }
    }

    #[test]
    fn what_is_no_number_stays_none() {
        for arch in levels() {
            assert!(both(arch, f32::NAN).iter().all(|y| y.is_nan()), "{arch:?}");
            let [root, inverse] = both(arch, 0.0);
            assert!(root.is_finite() && inverse.is_nan(), "{arch:?}: {root} {inverse}");
        }
    }
}
