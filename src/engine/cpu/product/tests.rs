//! Products of all shapes beside the reference, with every level of vector instructions.

use super::*;
use crate::engine::cpu::lines::{Lines, stride};
use proptest::prelude::*;

/// Every level of vector instructions that this machine has, and none.
pub(in crate::engine::cpu) fn levels() -> Vec<Arch> {
    let mut levels = vec![Arch::Scalar, Arch::new()];
    #[cfg(target_arch = "x86_64")]
    levels.extend(pulp::x86::V3::try_new().map(Arch::V3));
    levels
}

/// A padded matrix of small numbers with NaN in the padding, and the same in f64 without.
fn matrix(rows: usize, columns: usize, seed: usize) -> (Lines, Vec<f64>) {
    let stride = stride(columns);
    let mut lines = Lines::zeros(rows * stride);
    lines.fill(f32::NAN);
    let mut plain = Vec::new();
    for i in 0..rows {
        for j in 0..columns {
            let mix = (i * 7919 + j * 104_729 + seed * 31).wrapping_mul(2_654_435_761) >> 7;
            let value = (mix % 33) as f32 - 16.0;
            lines[i * stride + j] = value;
            plain.push(f64::from(value));
        }
    }
    (lines, plain)
}

/// Small whole numbers, so that every sum is exact whatever its order.
fn check(m: usize, k: usize, n: usize, seed: usize) {
    let columns = |v: &[f32]| -> Vec<f64> {
        let row = |row: &[f32]| row[..n].iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
        v.chunks(stride(n)).flat_map(row).collect()
    };
    let (a, a_plain) = matrix(m, k, seed);
    let (a_turned, a_turned_plain) = matrix(k, m, seed + 1);
    let (b, b_plain) = matrix(k, n, seed + 2);
    let (y, y_plain) = matrix(m, n, seed + 3);
    let (bias, bias_plain) = matrix(1, n, seed + 4);
    let mut b_turned = Lines::zeros(n * stride(k));
    for (i, number) in b_plain.iter().enumerate() {
        b_turned[i % n * stride(k) + i / n] = *number as f32;
    }
    let mut product_plain = vec![0.0; m * n];
    crate::reference::matmul(&a_plain, &b_plain, m, k, n, &mut product_plain);
    let mut turned_plain = vec![0.0; m * n];
    crate::reference::matmul_tn(&a_turned_plain, &b_plain, k, m, n, &mut turned_plain);
    let mut sums_plain = vec![0.0; n];
    crate::reference::bias_gradient(&b_plain, n, &mut sums_plain);
    let leaky = Activation::LeakyRelu { slope: 0.25 };
    let turned = Some((&*b_turned, stride(k)));
    for (arch, turned) in levels().into_iter().flat_map(|arch| [(arch, None), (arch, turned)]) {
        let run = |a: Left, before: Before, after: After| {
            let mut c = y.clone_for_test();
            let b = Right { values: &b, stride: stride(n), turned };
            product(arch, a, b, Rule { before, after }, n, (&mut c, stride(n)));
            columns(&c)
        };
        let left = Left::new(&a, m, k, stride(k));
        let got = run(left, Before::Nothing, After::Keep);
        assert_eq!(got, product_plain, "{m}×{k}×{n} {arch:?}");
        let left_turned = Left::transposed(&a_turned, m, k, stride(m));
        let got = run(left_turned, Before::There, After::Keep);
        let expected: Vec<f64> = turned_plain.iter().zip(&y_plain).map(|(a, b)| a + b).collect();
        assert_eq!(got, expected, "turned {m}×{k}×{n} {arch:?}");
        let mut sums = bias.clone_for_test();
        sum_rows(arch, &[(&b, k)], stride(n), n, false, &mut sums);
        assert_eq!(columns(&sums), sums_plain, "rows of {k}×{n} {arch:?}");
        sum_rows(arch, &[(&b, k)], stride(n), n, true, &mut sums);
        let twice: Vec<f64> = sums_plain.iter().map(|sum| 2.0 * sum).collect();
        assert_eq!(columns(&sums), twice, "rows of {k}×{n} {arch:?}");
        for activation in [Activation::Identity, Activation::Relu, leaky] {
            let mut expected = product_plain.clone();
            crate::reference::bias_add(&mut expected, &bias_plain);
            crate::reference::activation(activation, &mut expected);
            let got = run(left, Before::Row(&bias), After::Activation(activation));
            assert_eq!(got, expected, "{activation} {m}×{k}×{n} {arch:?}");
        }
        // Of the outputs or slopes `y`.
        let derivatives = [
            Backward::Rectifier { below: 0.0 },
            Backward::Rectifier { below: 0.25 },
            Backward::Polynomial([0.0, 1.0, -1.0]),
            Backward::Polynomial([1.0, 0.0, -1.0]),
            Backward::Slope,
        ];
        for backward in derivatives {
            let slope = |y: f64| match backward {
                Backward::Rectifier { below } => {
                    if y > 0.0 {
                        1.0
                    } else {
                        below
                    }
                }
                Backward::Polynomial([a, b, c]) => a + b * y + c * y * y,
                _ => y,
            };
            let expected: Vec<f64> =
                product_plain.iter().zip(&y_plain).map(|(d, y)| d * slope(*y)).collect();
            let after = After::Derivative(backward, &y, stride(n));
            // Wholes times wholes: exact here too, but for the very large.
            for (got, e) in run(left, Before::Nothing, after).iter().zip(&expected) {
                assert!((got - e).abs() <= e.abs() * 2e-7, "{backward:?} {m}×{k}×{n} {arch:?}");
            }
        }
    }
}

/// Products and sums of rows in parts, whose sums round, give the bits of the whole.
#[test]
fn parts_change_no_bit() {
    let number = |i: usize| (i.wrapping_mul(2_654_435_761) >> 9) as f32 % 1.7 - 0.8;
    let lines = |rows: usize, columns: usize| {
        let mut lines = Lines::zeros(rows * stride(columns));
        lines.iter_mut().enumerate().for_each(|(i, to)| *to = number(i));
        lines
    };
    let sizes: &[_] = if cfg!(miri) {
        &[(5, 33, 20)]
    } else {
        &[(13, 100, 100), (9, 128, 3), (3, 389, 70), (17, 500, 35), (40, 800, 52)]
    };
    for &(m, k, n) in sizes {
        let (a, turned, b, before) = (lines(m, k), lines(k, m), lines(k, n), lines(m, n));
        let mut transposed = Lines::zeros(n * stride(k));
        for i in 0..k * n {
            transposed[i % n * stride(k) + i / n] = b[i / n * stride(n) + i % n];
        }
        for arch in levels() {
            let run = |parts: &[(Left, Right)]| {
                let mut c = before.clone_for_test();
                let rule = Rule { before: Before::There, after: After::Keep };
                product_of_parts(arch, parts, rule, n, (&mut c, stride(n)));
                c.to_vec()
            };
            // Of the weights, in whole lines, each with its own transpose.
            let cuts = [0, 16, k / 32 * 16, k];
            let transposes: Vec<Lines> = cuts
                .windows(2)
                .map(|cut| {
                    let mut part = Lines::zeros(n * stride(cut[1] - cut[0]));
                    for (to, from) in part
                        .chunks_exact_mut(stride(cut[1] - cut[0]))
                        .zip(transposed.chunks_exact(stride(k)))
                    {
                        to[..cut[1] - cut[0]].copy_from_slice(&from[cut[0]..cut[1]]);
                    }
                    part
                })
                .collect();
            let parts: Vec<_> = cuts
                .windows(2)
                .zip(&transposes)
                .filter(|(cut, _)| cut[0] < cut[1])
                .map(|(cut, part)| {
                    let depth = cut[1] - cut[0];
                    let turned = Some((&**part, stride(depth)));
                    let b = Right { values: &b[cut[0] * stride(n)..], stride: stride(n), turned };
                    (Left::new(&a[cut[0]..], m, depth, stride(k)), b)
                })
                .collect();
            let whole =
                Right { values: &b, stride: stride(n), turned: Some((&transposed, stride(k))) };
            let expected = run(&[(Left::new(&a, m, k, stride(k)), whole)]);
            assert!(run(&parts) == expected, "{m}×{k}×{n} {arch:?}");
            // Of samples, anywhere.
            let cuts = [0, 1, k / 3, k / 3 + 5, k];
            let of = |first: usize, depth: usize| {
                let left = Left::transposed(&turned[first * stride(m)..], m, depth, stride(m));
                let values = &b[first * stride(n)..];
                (left, Right { values, stride: stride(n), turned: None })
            };
            let parts: Vec<_> = cuts.windows(2).map(|cut| of(cut[0], cut[1] - cut[0])).collect();
            assert!(run(&parts) == run(&[of(0, k)]), "turned {m}×{k}×{n} {arch:?}");
            let sums = |parts: &[(&[f32], usize)]| {
                let mut sums = lines(1, n);
                sum_rows(arch, parts, stride(n), n, true, &mut sums);
                sums.to_vec()
            };
            let rows = |cut: &[usize]| (&b[cut[0] * stride(n)..], cut[1] - cut[0]);
            let parts: Vec<_> = cuts.windows(2).map(rows).collect();
            assert!(sums(&parts) == sums(&[(&b, k)]), "rows of {k}×{n} {arch:?}");
        }
    }
}

impl Lines {
    fn clone_for_test(&self) -> Self {
        let mut copy = Self::zeros(self.len());
        copy.copy_from_slice(self);
        copy
    }
}

#[test]
fn products_of_odd_shapes_agree_with_the_reference() {
    let widths = [1, 2, 7, 8, 9, 15, 16, 17, 24, 25, 31, 33, 47, 48, 49, 63, 64, 65, 100, 113];
    let sizes = [(1, 1), (8, 1), (7, 5), (13, 100), (15, 128), (25, 129), (17, 389)];
    // Miri takes some thousand times as long.
    let (widths, sizes) =
        if cfg!(miri) { (&widths[..8], &sizes[..3]) } else { (&widths[..], &sizes[..]) };
    for n in widths.iter().copied() {
        for (m, k) in sizes.iter().copied() {
            check(m, k, n, m + n);
        }
    }
}

proptest! {
    #[test]
    #[cfg_attr(miri, ignore = "takes too long")]
    fn products_agree_with_the_reference(
        m in 1_usize..70, k in 1_usize..600, n in 1_usize..140, seed in 0_usize..1000,
    ) {
        check(m, k, n, seed);
    }
}

#[test]
fn infinity_and_nan_come_through() {
    for arch in levels() {
        for (bad, good) in [(f32::NAN, 1.0), (f32::INFINITY, 1.0), (f32::INFINITY, 0.0)] {
            let mut b = Lines::zeros(2 * 16);
            (b[0], b[16], b[1], b[17]) = (bad, 1.0, 1.0, 1.0);
            let mut c = Lines::zeros(16);
            let rule = Rule { before: Before::Nothing, after: After::Activation(Activation::Relu) };
            let values = [good, 1.0];
            let a = Left::new(&values, 1, 2, 2);
            product(arch, a, Right { values: &b, stride: 16, turned: None }, rule, 2, (&mut c, 16));
            assert!(!c[0].is_finite() && c[1] == good + 1.0, "{arch:?} {bad} {good}");
        }
    }
}

#[test]
#[should_panic(expected = "assertion")]
fn a_short_operand_is_refused() {
    let (b, mut c) = (Lines::zeros(16), Lines::zeros(16));
    let rule = Rule { before: Before::Nothing, after: After::Keep };
    let a = Left::new(&[1.0; 2], 1, 2, 2);
    let b = Right { values: &b, stride: 16, turned: None };
    product(Arch::new(), a, b, rule, 2, (&mut c, 16));
}
