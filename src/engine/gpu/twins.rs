//! Tests of every kernel against its twin in the reference, on every adapter.
//!
//! Tolerances are derived, not tuned, from the accuracy that WGSL promises (`src/accuracy.rs`): a sum or a
//! product is off by at most ε = 2⁻²³ of its result, so a sum of n terms is off by at most about n·ε
//! times the sum of their sizes. The twin computes that sum of sizes with the value. Formulas are granted
//! [`FEW`] ε of their result, and what their operands change when they are rounded.

pub(super) mod encodings;
mod formulas;
mod fused;
mod inaccurate;
mod mixed;
mod optimizers;
mod samples;
mod stored;
mod sums;

use super::adapter;
use super::arguments::{self, Arguments, BiasAdd, BiasGradient, LossSum, Matmul, MatmulTn};
use super::device::{Gpu, STEP_STRIDE};
use super::kernels::{KernelKey, SOURCES};
use super::packed;
use super::product_tile::ProductTile;
use super::readback::floats;
use super::recorder::{Dispatch, Grid, Recorder, play_steps};
use super::step::StepData;
use crate::accuracy::{EPSILON, FEW};
use crate::dataset::{Dataset, Levels, Packing, Places, Samples};
use crate::device::Api;
use crate::encoding::Encoding;
use crate::engine::choice::Precision;
use crate::engine::reference;
use crate::permutation::Permutation;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Sizes that meet every edge of a tile or a workgroup: 1, primes, one more than a power of two.
const SIZES: [usize; 12] = [1, 2, 3, 7, 8, 9, 31, 33, 100, 127, 129, 257];

/// Opens every adapter; without one, says so loudly. Where `IMPASTO_REQUIRE_GPU` is set, one beyond
/// OpenGL must be there, or a Vulkan driver that broke would go unnoticed.
pub(super) fn adapters() -> Vec<Arc<Gpu>> {
    let found = pollster::block_on(adapter::find());
    let required = std::env::var("IMPASTO_REQUIRE_GPU").is_ok_and(|v| !v.is_empty() && v != "0");
    let modern = found.iter().any(|candidate| candidate.device.api != Some(Api::OpenGl));
    assert!(
        modern || !required,
        "IMPASTO_REQUIRE_GPU is set, but there is no adapter but OpenGL's"
    );
    if found.is_empty() {
        eprintln!("SKIPPED, no kernel was checked: {}", adapter::NO_ADAPTER);
    }
    found
        .into_iter()
        .map(|candidate| {
            let gpu = pollster::block_on(Gpu::open(candidate)).expect("opens");
            if let Some(errors) = inaccurate::errors() {
                let rewrite = move |text: &str| errors.made_in(text);
                *gpu.rewrites.lock().expect("unlocked") = Some(Box::new(rewrite));
            }
            Arc::new(gpu)
        })
        .collect()
}

/// Those of the adapters that can store values and deltas in f16; says so loudly of the others.
pub(super) fn storing_adapters() -> Vec<Arc<Gpu>> {
    let can = |gpu: &Arc<Gpu>| {
        let fits = packed::check_device(gpu);
        fits.inspect_err(|reason| eprintln!("SKIPPED, f16 in storage: {reason}")).is_ok()
    };
    adapters().into_iter().filter(can).collect()
}

/// Opens every adapter that multiplies f16 matrices; without one, says so loudly. Where
/// `IMPASTO_REQUIRE_MATRICES` is set, one must be there.
pub(super) fn matrix_adapters() -> Vec<Arc<Gpu>> {
    let found = pollster::block_on(adapter::find()).into_iter();
    let opened: Vec<Arc<Gpu>> = found
        .map(|candidate| Gpu::open_for(candidate, Precision::Mixed))
        .map(|opening| Arc::new(pollster::block_on(opening).expect("opens")))
        .filter(|gpu| gpu.matrices.is_ok())
        .collect();
    let required = std::env::var("IMPASTO_REQUIRE_MATRICES").is_ok_and(|v| !v.is_empty());
    assert!(
        !opened.is_empty() || !required,
        "IMPASTO_REQUIRE_MATRICES is set, but no adapter multiplies f16 matrices"
    );
    if opened.is_empty() {
        eprintln!("SKIPPED, mixed precision was not checked: no adapter multiplies f16 matrices");
    }
    opened
}

/// What a kernel is given in one test.
struct Case<'a, A> {
    key: KernelKey,
    arguments: A,
    /// The storage buffers, in the order of their bindings.
    buffers: Vec<&'a [f32]>,
    grid: Grid,
    step: Option<StepData>,
}

/// Runs a kernel; the contents of its buffers afterwards.
fn run<A: Arguments>(gpu: &Arc<Gpu>, case: Case<A>) -> Vec<Vec<f32>> {
    let work = async {
        let mut buffers = Vec::new();
        for values in &case.buffers {
            buffers.push(gpu.upload("operand", values).await?);
        }
        let mut recorder = Recorder::new(gpu);
        let bound: Vec<&wgpu::Buffer> = buffers.iter().collect();
        recorder.call(case.key, &case.arguments, &bound, case.grid).await?;
        let dispatches = recorder.finish("test").await?;
        note_played(&dispatches);
        let words = STEP_STRIDE as usize / 4;
        let step = gpu.storage("step", words).await?;
        gpu.write(&step, bytemuck::bytes_of(&case.step.unwrap_or(StepData::in_order(1))));
        let group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &gpu.step_layout,
            entries: &[wgpu::BindGroupEntry { binding: 0, resource: step.as_entire_binding() }],
        });
        let mut encoder = gpu.encoder("test");
        play_steps(gpu, &mut encoder, &group, std::iter::once(dispatches.as_slice()));
        let sources: Vec<_> = buffers
            .iter()
            .zip(&case.buffers)
            .map(|(b, values)| (b, 0..4 * values.len() as u64))
            .collect();
        gpu.read(encoder, &sources, "operands")?.await
    };
    let bytes = pollster::block_on(work).expect("the kernel runs");
    let mut all = floats(&bytes);
    case.buffers.iter().map(|values| all.by_ref().take(values.len()).collect()).collect()
}

/// Asserts that every value lies within `units`·ε of its twin, times the size that goes with it.
fn assert_near(what: &str, got: &[f32], expected: &[f64], sizes: &[f64], units: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, ((got, expected), size)) in got.iter().zip(expected).zip(sizes).enumerate() {
        let tolerance = units * EPSILON * size.abs() + f64::from(f32::MIN_POSITIVE);
        let error = (f64::from(*got) - expected).abs();
        assert!(error <= tolerance, "{what}: element {i} is {got}, not {expected} ± {tolerance:e}");
    }
}

pub(super) fn random(seed: u64, count: usize) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| random.random::<f32>() * 4.0 - 2.0).collect()
}

fn double(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

fn sizes_of(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(v.abs())).collect()
}

/// Runs `check` on every adapter with random sizes, and once with 1,000 rows.
fn on_random_shapes(check: impl Fn(&Arc<Gpu>, usize, usize, usize, u64)) {
    for gpu in adapters() {
        let size = proptest::sample::select(&SIZES[..]);
        // An inaccurate driver needs no size of its own.
        let cases = if inaccurate::errors().is_some() { 4 } else { 24 };
        let mut runner =
            TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        let shapes = (size.clone(), size.clone(), size, any::<u64>());
        runner
            .run(&shapes, |(m, k, n, seed)| {
                check(&gpu, m, k, n, seed);
                Ok(())
            })
            .expect("every shape agrees");
        check(&gpu, 1000, 3, 65, 1);
        check(&gpu, 2, 1000, 5, 2);
    }
}

type Product = fn(&[f64], &[f64], usize, usize, usize, &mut [f64]);

/// A product on the device against its twin, with the parameters starting at an offset.
fn check_product(
    gpu: &Arc<Gpu>,
    name: &'static str,
    twin: Product,
    [m, k, n]: [usize; 3],
    seed: u64,
) {
    let offset = (seed % 5) as usize;
    let a = random(seed, m * k);
    let b = random(seed + 1, offset + k * n);
    let (mut expected, mut sizes) = (vec![0.0; m * n], vec![0.0; m * n]);
    twin(&double(&a), &double(&b[offset..]), m, k, n, &mut expected);
    twin(&sizes_of(&a), &sizes_of(&b[offset..]), m, k, n, &mut sizes);
    let c = vec![0.0; m * n];
    for tile in ProductTile::ALL {
        let [x, y] = tile.workgroups(m, n);
        let got = run(
            gpu,
            Case {
                key: KernelKey::product(name, tile),
                arguments: Matmul {
                    m: m as u32,
                    k: k as u32,
                    n: n as u32,
                    a_offset: 0,
                    b_offset: offset as u32,
                },
                buffers: vec![&a, &b, &c],
                grid: Grid::Workgroups([x, y, 1]),
                step: None,
            },
        );
        let what = format!("{name} {} {m}×{k}×{n}", tile.name());
        assert_near(&what, &got[2], &expected, &sizes, k as f64);
    }
}

fn matmul() {
    on_random_shapes(|gpu, m, k, n, seed| {
        check_product(gpu, "matmul", reference::matmul, [m, k, n], seed);
    });
}

fn matmul_nt() {
    on_random_shapes(|gpu, m, k, n, seed| {
        check_product(gpu, "matmul_nt", reference::matmul_nt, [m, k, n], seed);
    });
}

/// The sum of slices of `stride` numbers each, from an offset on, and what is before it in each.
fn sum_of_slices(slices: &[f32], stride: usize, offset: usize) -> Vec<f32> {
    let mut sum = vec![0.0; stride - offset];
    for slice in slices.chunks_exact(stride) {
        sum.iter_mut().zip(&slice[offset..]).for_each(|(sum, part)| *sum += part);
    }
    sum
}

/// The slices of a gradient that a test asks for: one, and more than there are samples for.
const SLICES: [usize; 3] = [1, 3, 7];

fn matmul_tn_adds_or_overwrites() {
    on_random_shapes(|gpu, batch, m, n, seed| {
        let offset = (seed % 5) as usize;
        let slices = SLICES[seed as usize % SLICES.len()];
        let stride = offset + m * n;
        let (a, b) = (random(seed, batch * m), random(seed + 1, batch * n));
        let before = random(seed + 2, slices * stride);
        for (accumulate, tile) in [0, 1].into_iter().flat_map(|a| ProductTile::ALL.map(|t| (a, t)))
        {
            let start = sum_of_slices(&before, stride, offset);
            let sizes: Vec<f32> = before.iter().map(|x| x.abs()).collect();
            let mut sizes = double(&sum_of_slices(&sizes, stride, offset));
            let mut expected = double(&start);
            if accumulate == 0 {
                expected.fill(0.0);
            }
            reference::matmul_tn(&double(&a), &double(&b), batch, m, n, &mut expected);
            reference::matmul_tn(&sizes_of(&a), &sizes_of(&b), batch, m, n, &mut sizes);
            let [x, y] = tile.workgroups(m, n);
            let got = run(
                gpu,
                Case {
                    key: KernelKey::product("matmul_tn", tile),
                    arguments: MatmulTn {
                        batch: batch as u32,
                        m: m as u32,
                        n: n as u32,
                        c_offset: offset as u32,
                        accumulate,
                        slice: batch.div_ceil(slices) as u32,
                        stride: stride as u32,
                    },
                    buffers: vec![&a, &b, &before],
                    grid: Grid::Workgroups([x, y, slices]),
                    step: None,
                },
            );
            let untouched = before.chunks_exact(stride).zip(got[2].chunks_exact(stride));
            for (before, after) in untouched {
                assert_eq!(
                    after[..offset],
                    before[..offset],
                    "what is before the layer is untouched"
                );
            }
            let got = sum_of_slices(&got[2], stride, offset);
            let units = (batch + 2 * slices) as f64 + 1.0;
            assert_near(&format!("matmul_tn {}", tile.name()), &got, &expected, &sizes, units);
        }
    });
}

fn bias_add_and_bias_gradient() {
    on_random_shapes(|gpu, batch, _, outputs, seed| {
        let offset = (seed % 5) as usize;
        let bias = random(seed, offset + outputs);
        let z = random(seed + 1, batch * outputs);
        let mut expected = double(&z);
        reference::bias_add(&mut expected, &double(&bias[offset..]));
        let count = batch * outputs;
        let got = run(
            gpu,
            Case {
                key: KernelKey::new("bias_add"),
                arguments: BiasAdd {
                    count: count as u32,
                    outputs: outputs as u32,
                    offset: offset as u32,
                },
                buffers: vec![&bias, &z],
                grid: Grid::Elements(count),
                step: None,
            },
        );
        assert_near("bias_add", &got[1], &expected, &vec![4.0; count], 1.0);

        let slices = SLICES[seed as usize % SLICES.len()];
        let stride = offset + outputs;
        let before = random(seed + 2, slices * stride);
        for accumulate in [0, 1] {
            let sizes: Vec<f32> = before.iter().map(|x| x.abs()).collect();
            let mut sizes = double(&sum_of_slices(&sizes, stride, offset));
            let mut expected = double(&sum_of_slices(&before, stride, offset));
            if accumulate == 0 {
                expected.fill(0.0);
            }
            reference::bias_gradient(&double(&z), outputs, &mut expected);
            reference::bias_gradient(&sizes_of(&z), outputs, &mut sizes);
            let got = run(
                gpu,
                Case {
                    key: KernelKey::new("bias_gradient"),
                    arguments: BiasGradient {
                        batch: batch as u32,
                        outputs: outputs as u32,
                        offset: offset as u32,
                        accumulate,
                        slice: batch.div_ceil(slices) as u32,
                        stride: stride as u32,
                    },
                    buffers: vec![&z, &before],
                    grid: Grid::Slices(outputs, slices),
                    step: None,
                },
            );
            let got = sum_of_slices(&got[1], stride, offset);
            let units = (batch + 2 * slices) as f64 + 1.0;
            assert_near("bias_gradient", &got, &expected, &sizes, units);
        }
    });
}

/// How much larger the operands are made to see how a result depends on them.
const NUDGE: f64 = 1.0 / 4096.0;

/// The size that the rounding errors of a result are relative to: the result's own, and what operands
/// that are larger by a part ε change, over ε; at least `least`.
fn conditioned(exact: &[f64], nudged: &[f64], least: f64) -> Vec<f64> {
    let size = |(e, n): (&f64, &f64)| (e.abs() + (n - e).abs() / NUDGE).max(least);
    exact.iter().zip(nudged).map(size).collect()
}

fn loss_sum_into_its_slot() {
    on_random_shapes(|gpu, batch, _, slot, seed| {
        let losses: Vec<f32> = random(seed, batch).into_iter().map(f32::abs).collect();
        let before = random(seed + 1, slot + 1);
        let status = [f32::from_bits(u32::MAX); 2];
        for accumulate in [0, 1] {
            let got = run(
                gpu,
                Case {
                    key: KernelKey::new("loss_sum"),
                    arguments: LossSum { batch: batch as u32, accumulate, last: 1 },
                    buffers: vec![&losses, &before, &status],
                    grid: Grid::One,
                    step: Some(StepData { slot: slot as u32, number: 9, ..StepData::in_order(1) }),
                },
            );
            let start = if accumulate == 1 { f64::from(before[slot]) } else { 0.0 };
            let sum = reference::loss_sum(&double(&losses));
            let size = [sum + start.abs()];
            assert_near("loss_sum", &got[1][slot..], &[start + sum], &size, batch as f64 + 1.0);
            assert_eq!(got[1][..slot], before[..slot], "other slots are untouched");
            assert!(got[2].iter().all(|word| word.to_bits() == u32::MAX), "no step diverged");
        }
    });
}

fn loss_sum_notes_the_first_step_that_is_not_finite() {
    for gpu in adapters() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let losses = [1.0, bad, 2.0];
            let status = [f32::from_bits(u32::MAX); 2];
            let got = run(
                &gpu,
                Case {
                    key: KernelKey::new("loss_sum"),
                    arguments: LossSum { batch: 3, accumulate: 0, last: 1 },
                    buffers: vec![&losses, &[0.0], &status],
                    grid: Grid::One,
                    step: Some(StepData { number: 9, ..StepData::in_order(1) }),
                },
            );
            assert_eq!((got[2][0].to_bits(), got[2][1].to_bits()), (9, u32::MAX), "{bad}");
        }
    }
}

/// Makes a test of each function, which fails if one of its kernels is not played, and the list of all
/// these kernels.
macro_rules! twins {
    ($($name:ident: $($path:ident)::+ plays [$($kernel:literal),+];)*) => {
        mod tests {
            $(#[test]
            fn $name() {
                super::check_playing(&[$($kernel),+], super::$($path)::+);
            })*
        }

        const PLAYED: &[&str] = &[$($($kernel),+),*];
    };
}

twins! {
    encode: encodings::encode plays ["encode"];
    combine: encodings::combine_and_its_gradient plays ["combine", "combine_gradient"];
    grid_gradient: encodings::gradients_of_grids plays
        ["largest_delta", "grid_gradient", "scattered_gradient"];
    grid_sums: encodings::sums_of_grids_depend_on_no_order plays
        ["largest_delta", "grid_gradient", "scattered_gradient"];
    infinite_grids: encodings::gradients_of_grids_that_are_not_finite plays
        ["grid_gradient", "scattered_gradient"];
    encoding_gradient: encodings::gradients_of_inputs plays ["encoding_gradient"];
    scattered_updates: optimizers::scattered_parameters_that_nothing_touched_stay plays
        ["gradient_norms", "update"];
    matmul: matmul plays ["matmul"];
    matmul_nt: matmul_nt plays ["matmul_nt"];
    matmul_tn: matmul_tn_adds_or_overwrites plays ["matmul_tn"];
    biases: bias_add_and_bias_gradient plays ["bias_add", "bias_gradient"];
    activations: formulas::activations_and_their_gradients plays
        ["activation", "activation_with_slopes", "activation_gradient"];
    inaccurate_activations: formulas::activations_on_inaccurate_drivers plays
        ["activation", "activation_with_slopes", "activation_gradient"];
    dropout: formulas::dropout_of_outputs_and_slopes plays ["dropout"];
    softmax: formulas::softmax_and_its_gradient plays ["softmax", "softmax_gradient"];
    inaccurate_softmax: formulas::softmax_on_inaccurate_drivers plays
        ["softmax", "softmax_gradient"];
    inaccurate_losses: formulas::losses_on_inaccurate_drivers plays ["loss"];
    losses: formulas::losses_and_their_gradients plays ["loss"];
    extreme_logits: formulas::cross_entropies_stay_finite_at_extreme_logits plays ["loss"];
    infinite_losses: formulas::losses_show_what_is_not_finite plays ["loss"];
    loss_sum: loss_sum_into_its_slot plays ["loss_sum"];
    infinite_loss_sum: loss_sum_notes_the_first_step_that_is_not_finite plays ["loss_sum"];
    long_sums: sums::long_sums_go_in_blocks plays ["bias_gradient", "matmul_tn", "loss_sum"];
    optimizers: optimizers::every_optimizer_updates_as_its_twin plays ["update"];
    wrappers: optimizers::what_surrounds_an_optimizer_does_as_its_twin plays
        ["gradient_norms", "update"];
    inaccurate_optimizers: optimizers::optimizers_on_inaccurate_drivers plays ["update"];
    inaccurate_wrappers: optimizers::wrappers_on_inaccurate_drivers plays
        ["gradient_norms", "update"];
    slices: optimizers::slices_are_added_in_their_order plays ["update"];
    infinite_updates: optimizers::optimizers_note_what_is_not_finite_and_stop_after_it plays
        ["update"];
    no_leap: optimizers::no_gradient_and_no_epsilon_make_a_parameter_leap plays ["update"];
    gather: samples::gather_follows_the_permutation_across_segments plays ["gather"];
    orders: samples::orders_of_few_samples_are_those_of_the_host plays ["gather"];
    gather_pixels: samples::gather_pixels_across_segments plays ["gather_pixels"];
    fourier_encoding: samples::fourier_encoding plays ["fourier_encoding"];
    fourier_encoding_gradient: samples::fourier_encoding_gradient plays
        ["fourier_encoding_gradient"];
    fused: fused::fused_passes_agree_with_the_reference_in_every_shape plays
        ["fused_step", "weight_gradients"];
    split: fused::split_sums_agree_with_the_reference plays
        ["fused_step_split", "weight_gradients"];
    fused_slices: fused::fused_gradients_agree_in_any_number_of_slices plays
        ["fused_step", "weight_gradients"];
    stored: stored::every_stored_level_is_that_of_its_twin plays
        ["fused_step", "weight_gradients"];
    mixed: mixed::every_level_is_that_of_its_twin plays
        ["mixed_parameters", "mixed_step", "mixed_gradients"];
    fused_losses: fused::losses_of_a_million_samples_are_added_in_trees plays
        ["fused_step", "weight_gradients"];
}

thread_local! {
    /// The kernels that the test on this thread has played.
    static PLAYED_HERE: RefCell<BTreeSet<&'static str>> = const { RefCell::new(BTreeSet::new()) };
}

/// Notes the kernels of some dispatches that are about to be played.
fn note_played(dispatches: &[Dispatch]) {
    let names = dispatches.iter().map(Dispatch::name);
    PLAYED_HERE.with_borrow_mut(|played| played.extend(names));
}

/// Runs a test, which must play these kernels if there is any adapter.
fn check_playing(kernels: &[&str], test: fn()) {
    PLAYED_HERE.take();
    test();
    let played = PLAYED_HERE.take();
    let missing: Vec<&&str> = kernels.iter().filter(|kernel| !played.contains(*kernel)).collect();
    let is_mixed = kernels.iter().any(|kernel| kernel.starts_with("mixed"));
    let none = || if is_mixed { matrix_adapters().is_empty() } else { adapters().is_empty() };
    assert!(missing.is_empty() || none(), "{missing:?} were never played");
}

#[test]
fn every_kernel_has_a_test_here() {
    let missing: Vec<&str> =
        SOURCES.iter().map(|source| source.name).filter(|name| !PLAYED.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let files =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders")).expect("the shaders");
    for file in files {
        let path = file.expect("listed").path();
        if path.extension().is_some_and(|ending| ending == "wgsl") {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            assert!(SOURCES.iter().any(|s| s.name == name), "{name} is in no table");
        }
    }
}
