//! Tests of the activations and losses against their twins.

use super::inaccurate::on_inaccurate_drivers;
use super::*;
use crate::activation::tests::variants as activations;
use crate::activation::{Backward, rounding};
use crate::dropout::{self, Masks};
use crate::loss::Loss;
use crate::loss::tests::{suited, variants as losses};

pub(super) fn activations_and_their_gradients() {
    let extremes = [0.0, -0.0, 1e-30, -1e-30, 20.0, -20.0, 90.0, -90.0, 1e4, -1e4, 1e30, -1e30];
    for gpu in adapters() {
        // Softmax has kernels of its own.
        for activation in activations().into_iter().filter(|activation| !activation.is_row()) {
            // Where the angle of a wave is no number in f32, or a value is none, there is nothing to
            // compare.
            let largest = if activation.name() == "finer" { 1e4 } else { f32::MAX };
            let is_single = |z: &f32| {
                let results = [activation.value((*z).into()), activation.slope((*z).into())];
                z.abs() <= largest && results.iter().all(|r| (*r as f32).is_finite())
            };
            let extremes: Vec<f32> = extremes.iter().copied().filter(is_single).collect();
            for count in [1, 257, 1000] {
                let z: Vec<f32> =
                    extremes.iter().copied().chain(random(count as u64, count)).collect();
                let mut expected = double(&z);
                reference::activation(activation, &mut expected);
                let slopes = reference::activation_slopes(activation, &double(&z));
                let zeros = vec![0.0; z.len()];
                let case = |key, buffers| Case {
                    key,
                    arguments: arguments::Activation { count: z.len() as u32 },
                    buffers,
                    grid: Grid::Elements(z.len()),
                    step: None,
                };
                // An absolute error of a few ε, relative where the value is large; more where it is steep.
                let near = |what: &str, got: &[f32], expected: &[f64], f: &dyn Fn(f64) -> f64| {
                    let what = format!("{activation}, {what}");
                    let unit = FEW * EPSILON;
                    let sizes: Vec<f64> =
                        z.iter().map(|z| rounding(f, (*z).into(), unit) / unit).collect();
                    assert_near(&what, got, expected, &sizes, FEW);
                };
                let (value, slope) = (|z| activation.value(z), |z| activation.slope(z));
                let got = run(
                    &gpu,
                    case(
                        KernelKey::activation("activation", activation).expect("a template"),
                        vec![&z],
                    ),
                );
                near("value", &got[0], &expected, &value);
                let y: Vec<f32> = expected.iter().map(|y| *y as f32).collect();
                let stored: Vec<f32> = slopes.iter().map(|slope| *slope as f32).collect();
                if activation.backward() == Backward::None {
                    continue;
                }
                // With dropout, a layer stores the slopes of any activation.
                let key = KernelKey::with_slopes(activation).expect("a template");
                let got = run(&gpu, case(key, vec![&z, &zeros]));
                near("value beside its slope", &got[0], &expected, &value);
                near("slope", &got[1], &slopes, &slope);
                let needed = if activation.stores_slope() { &stored } else { &y };
                let delta = random(7, y.len());
                let mut expected = double(&delta);
                reference::activation_gradient(&slopes, &mut expected);
                let key = KernelKey::gradient(activation).expect("a template");
                let got = run(&gpu, case(key, vec![needed, &delta]));
                let sizes: Vec<f64> = expected.iter().map(|e| e.abs().max(4.0)).collect();
                assert_near(activation.name(), &got[1], &expected, &sizes, FEW);
            }
        }
    }
}

pub(super) fn dropout_of_outputs_and_slopes() {
    on_random_shapes(|gpu, rows, _, width, seed| {
        let masks = Masks::new(seed, 7);
        let (layer, offset, rate) = (seed as usize % 5, seed as usize % 1_000, 0.375);
        let (y, slopes) = (random(seed, rows * width), random(seed + 1, rows * width));
        // Of the rows before the offset, the twin has all.
        let mut expected =
            [&y, &slopes].map(|values| [vec![0.0; offset * width], double(values)].concat());
        let [expected_y, expected_slopes] = &mut expected;
        reference::dropout((masks, 0), layer, rate, width, expected_y, expected_slopes);
        let got = run(
            gpu,
            Case {
                key: KernelKey::new("dropout"),
                arguments: arguments::Dropout {
                    count: y.len() as u32,
                    width: width as u32,
                    layer: layer as u32,
                    offset: offset as u32,
                    threshold: dropout::threshold(rate),
                    factor: dropout::factor(rate) as f32,
                },
                buffers: vec![&y, &slopes],
                grid: Grid::Elements(y.len()),
                step: Some(StepData { masks: masks.words(), ..StepData::in_order(1) }),
            },
        );
        for (got, expected) in got.iter().zip(&expected) {
            let expected = &expected[offset * width..];
            assert_near("dropout", got, expected, &vec![1.0; got.len()], FEW);
        }
    });
}

pub(super) fn softmax_and_its_gradient() {
    on_random_shapes(|gpu, batch, _, outputs, seed| {
        for scale in [1.0, 5e3] {
            let z: Vec<f32> =
                random(seed, batch * outputs).into_iter().map(|z| z * scale).collect();
            let mut expected = double(&z);
            reference::softmax(&mut expected, outputs);
            let case = |key, buffers| Case {
                key: KernelKey::new(key),
                arguments: arguments::Softmax { batch: batch as u32, outputs: outputs as u32 },
                buffers,
                grid: Grid::Elements(batch),
                step: None,
            };
            let got = run(gpu, case("softmax", vec![&z]));
            // The exponent z − m is off by ε·|z − m|, and so, relatively, its exponential, which
            // is largest, ε/e, at z − m = −1.
            let ones = vec![1.0; z.len()];
            assert_near("softmax", &got[0], &expected, &ones, FEW + outputs as f64);

            let y: Vec<f32> = expected.iter().map(|y| *y as f32).collect();
            let delta = random(seed + 1, batch * outputs);
            let mut expected = double(&delta);
            reference::softmax_gradient(&double(&y), &mut expected, outputs);
            let got = run(gpu, case("softmax_gradient", vec![&y, &delta]));
            assert_near(
                "softmax_gradient",
                &got[1],
                &expected,
                &vec![4.0; y.len()],
                FEW + outputs as f64,
            );
        }
    });
}

pub(super) fn losses_and_their_gradients() {
    on_random_shapes(|gpu, batch, _, outputs, seed| {
        for loss in losses() {
            let outputs = outputs.max(loss.least_outputs());
            for magnitude in [1.0, 5e3] {
                let z = random(seed, batch * outputs);
                let z: Vec<f32> = z.into_iter().map(|z| suited(loss, z * magnitude)).collect();
                let t: Vec<f32> =
                    random(seed + 1, batch * outputs).into_iter().map(|t| t / 4.0 + 0.5).collect();
                let scale = 1.0_f32 / batch as f32;
                let weights: Vec<f32> = (0..batch).map(|i| (i % 4) as f32 / 2.0).collect();
                let weighted = magnitude > 1.0;
                // With every sixth output of a row larger, from one on.
                let twin = |from: usize| {
                    let (mut losses, mut delta) = (vec![0.0; batch], vec![0.0; batch * outputs]);
                    let mut z = double(&z);
                    for row in z.chunks_exact_mut(outputs) {
                        row.iter_mut().skip(from).step_by(6).for_each(|z| *z *= 1.0 + NUDGE);
                    }
                    let weight = |i: usize| if weighted { weights[i] } else { 1.0 };
                    let scales = (0..batch).map(|i| f64::from(scale * weight(i)));
                    let (t, scales) = (double(&t), scales.collect::<Vec<f64>>());
                    reference::loss(loss, &z, &t, outputs, &scales, &mut losses, &mut delta);
                    (losses, delta)
                };
                let (losses, delta) = twin(outputs);
                // Each by itself, since together they may leave a difference of outputs as it is.
                let mut nudged = (losses.clone(), delta.clone());
                let add = |sum: &mut [f64], moved: &[f64], exact: &[f64]| {
                    let moved = moved.iter().zip(exact);
                    sum.iter_mut().zip(moved).for_each(|(sum, (m, e))| *sum += (m - e).abs());
                };
                for from in 0..outputs.min(6) {
                    let moved = twin(from);
                    add(&mut nudged.0, &moved.0, &losses);
                    add(&mut nudged.1, &moved.1, &delta);
                }
                assert!(losses.iter().chain(&delta).all(|v| v.is_finite()), "{loss}");
                let (got_losses, got_delta) = (vec![0.0; batch], vec![0.0; batch * outputs]);
                let mut buffers: Vec<&[f32]> = vec![&z, &t, &got_losses, &got_delta];
                buffers.extend(weighted.then_some(weights.as_slice()));
                let got = run(
                    gpu,
                    Case {
                        key: KernelKey::loss(loss, weighted).expect("a template"),
                        arguments: arguments::Loss {
                            batch: batch as u32,
                            outputs: outputs as u32,
                            scale,
                        },
                        buffers,
                        grid: Grid::Elements(batch),
                        step: None,
                    },
                );
                // Terms of both signs may cancel in a row.
                let least = f64::from(scale) * outputs as f64;
                let terms = least * f64::from(magnitude);
                let units = FEW + outputs as f64;
                let sizes = conditioned(&losses, &nudged.0, terms);
                assert_near(&format!("{loss}"), &got[2], &losses, &sizes, units);
                let sizes = conditioned(&delta, &nudged.1, least);
                assert_near(&format!("gradient of {loss}"), &got[3], &delta, &sizes, units);
            }
        }
    });
}

pub(super) fn cross_entropies_stay_finite_at_extreme_logits() {
    for gpu in adapters() {
        let z: Vec<f32> = vec![1e4, -1e4, -1e4, 1e4, 1e30, -1e30, 0.0, 0.0];
        let t: Vec<f32> = vec![0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.5, 0.5];
        for name in [Loss::BinaryCrossEntropy, Loss::SoftmaxCrossEntropy] {
            let (losses, delta) = (vec![f32::NAN; 4], vec![f32::NAN; 8]);
            let got = run(
                &gpu,
                Case {
                    key: KernelKey::loss(name, false).expect("a template"),
                    arguments: arguments::Loss { batch: 4, outputs: 2, scale: 1.0 },
                    buffers: vec![&z, &t, &losses, &delta],
                    grid: Grid::Elements(4),
                    step: None,
                },
            );
            assert!(got[2].iter().chain(&got[3]).all(|v| v.is_finite()), "{name}: {got:?}");
            assert!((got[2][0] - 2e4).abs() < 1.0, "{name}: {got:?}");
            assert_eq!(got[2][1], 0.0, "{name}");
        }
    }
}

pub(super) fn losses_show_what_is_not_finite() {
    for gpu in adapters() {
        for loss in losses() {
            let z = [0.25, f32::NAN, 0.5, 0.25, f32::INFINITY, 0.5];
            let t = [0.5, 0.25, 0.25, 0.5, 0.25, 0.25];
            let (losses, delta) = ([0.0; 2], [0.0; 6]);
            let got = run(
                &gpu,
                Case {
                    key: KernelKey::loss(loss, false).expect("a template"),
                    arguments: arguments::Loss { batch: 2, outputs: 3, scale: 1.0 },
                    buffers: vec![&z, &t, &losses, &delta],
                    grid: Grid::Elements(2),
                    step: None,
                },
            );
            assert!(got[2].iter().all(|loss| !loss.is_finite()), "{loss}: {:?}", got[2]);
        }
    }
}

pub(super) fn activations_on_inaccurate_drivers() {
    on_inaccurate_drivers(activations_and_their_gradients);
}

pub(super) fn softmax_on_inaccurate_drivers() {
    on_inaccurate_drivers(softmax_and_its_gradient);
}

pub(super) fn losses_on_inaccurate_drivers() {
    on_inaccurate_drivers(losses_and_their_gradients);
}
