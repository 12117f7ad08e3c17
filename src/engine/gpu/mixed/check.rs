//! The choice of mixed precision for a run, and the check of its kernels on a device.
//!
//! Drivers compile products of matrices wrongly now and then, and wgpu's support is experimental. So before the
//! first run with tiles of some size, a small network takes two steps with them and with the f32 kernels. The
//! outcome is remembered beside the shapes that were found.

use super::layout::{MixedLayout, Tile};
use super::step;
use super::texts;
use crate::activation::Activation;
use crate::checksum::fnv;
use crate::dataset::Dataset;
use crate::engine::choice::{Kernels, Precision};
use crate::engine::gpu::choice::Choice;
use crate::engine::gpu::device::Gpu;
use crate::engine::gpu::fused;
use crate::engine::gpu::kernels::KernelKey;
use crate::engine::gpu::lock::lock;
use crate::engine::gpu::session::GpuSession;
use crate::engine::gpu::specialize::Samples;
use crate::engine::{Plan, Session, Step};
use crate::error::{Result, internal, unsupported};
use crate::loss::Loss;
use crate::network::Network;
use crate::optimizer::Optimizer;
use crate::wrappers::Wrappers;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The file of the outcomes.
const FILE: &str = "mixed.json";

/// The most outcomes that are remembered.
const MOST: usize = 100;

/// How far the changes of the parameters may differ from those in f32, relative to their norm. Rounding to
/// f16 makes about 0.001 of it; what a driver does wrong makes more than 0.1.
const TOLERANCE: f64 = 0.02;

/// The outcomes, by [`key`].
#[derive(Default, Serialize, Deserialize)]
struct Outcomes(BTreeMap<String, bool>);

/// The choice for a run: in full precision if mixed precision is not to be had, with a note that says why.
///
/// # Errors
/// A device that failed.
pub(in crate::engine::gpu) async fn settled(
    gpu: &Arc<Gpu>,
    choice: Choice,
    network: &Network,
    plan: &Plan,
    dataset: &Dataset,
) -> Result<Choice> {
    if choice.precision != Precision::Mixed {
        return Ok(choice);
    }
    let rows = plan.batch_size.min(dataset.len());
    let reason = match fits(gpu, choice, network, plan, dataset) {
        Err(reason) => reason,
        Ok(()) => match verified(gpu, step::tile(gpu, network, rows)?).await {
            Ok(()) => return Ok(choice),
            Err(error @ crate::Error::Unsupported(_)) => error,
            Err(error) => gpu.refusal(error)?,
        },
    };
    gpu.note(format!("{reason}: the run is computed in f32"));
    Ok(Choice { precision: Precision::Full, ..choice })
}

/// Whether a run can be computed in mixed precision.
fn fits(
    gpu: &Gpu,
    choice: Choice,
    network: &Network,
    plan: &Plan,
    dataset: &Dataset,
) -> Result<()> {
    if choice.kernels == Kernels::Layerwise {
        return unsupported("the layerwise kernels have no mixed precision");
    }
    let rows = plan.batch_size.min(dataset.len());
    step::check(gpu, network, plan, rows)?;
    // The fused kernels evaluate and predict.
    fused::check(gpu, network, rows)?;
    fused::check_dataset(gpu, dataset)
}

/// A network with layers of different widths, for the check. Its activation is smooth: with ReLU, sums near 0
/// that fall on the other side change the gradient by some percent.
fn network() -> Result<Network> {
    let builder = Network::builder(2).hidden(&[100, 100, 100, 40], Activation::Tanh).seed(1);
    builder.output(3, Activation::Identity).build()
}

/// Samples for the check: more than a tile, and no whole tiles. The targets are above 0, since rounding errors are
/// large beside the gradient of biases if its terms cancel.
fn dataset() -> Result<Dataset> {
    const SAMPLES: usize = 203;
    let wave = |i: usize, factor: f32| (i as f32 * factor).sin();
    let inputs = (0..2 * SAMPLES).map(|i| wave(i, 1.7)).collect();
    let targets = (0..3 * SAMPLES).map(|i| 1.0 + wave(i, 0.3)).collect();
    Dataset::new(inputs, targets, 2, 3)
}

/// What an outcome is valid for: this device with this driver, and these kernels.
fn key(gpu: &Gpu, tile: Tile) -> Result<String> {
    let network = network()?;
    let layout = MixedLayout::new(&network, dataset()?.len(), tile);
    let texts = [
        texts::step(&network, &layout, Samples::TABLE, Loss::MeanSquaredError)?.into_text(),
        texts::gradients(&layout)?.into_text(),
        texts::of_update(&layout),
        KernelKey::file("mixed_parameters").into(),
        KernelKey::file("update").into(),
        include_str!("../../../../shaders/shared/slices.wgsl").into(),
        include_str!("../spirv.rs").into(),
        include_str!("../compile.rs").into(),
        env!("CARGO_PKG_VERSION").into(),
    ];
    let number = fnv(texts.iter().flat_map(|text| text.bytes()));
    Ok(format!("{} | kernels {number:016x}", gpu.info.description()))
}

/// Checks the kernels with such tiles, once on a device.
///
/// # Errors
/// They are wrong, or the driver refuses them, or the device failed.
async fn verified(gpu: &Arc<Gpu>, tile: Tile) -> Result<()> {
    let key = key(gpu, tile)?;
    let known = lock(&gpu.checked).get(&key);
    let read = || -> Outcomes {
        let file = gpu.cache.read(FILE);
        file.and_then(|file| serde_json::from_slice(&file).ok()).unwrap_or_default()
    };
    let known = known.or_else(|| read().0.get(&key).copied());
    let is_right = if let Some(known) = known {
        known
    } else {
        let is_right = agrees(gpu, tile).await?;
        // Read again: another process may have written meanwhile.
        let mut outcomes = read();
        if outcomes.0.len() >= MOST {
            outcomes = Outcomes::default();
        }
        outcomes.0.insert(key.clone(), is_right);
        gpu.cache.write_json(FILE, &outcomes);
        is_right
    };
    lock(&gpu.checked).insert(key, is_right);
    if is_right {
        return Ok(());
    }
    unsupported(format!("the products of f16 matrices are wrong on {}", gpu.info.description()))
}

/// Whether two steps in mixed precision change the parameters as two in f32 do.
async fn agrees(gpu: &Arc<Gpu>, tile: Tile) -> Result<bool> {
    Ok(differences(gpu, tile).await?.iter().all(|difference| *difference <= TOLERANCE))
}

/// How far two steps in mixed precision are from two in f32, relative to the norm: their losses, and the change
/// of the weights and the biases of each layer.
async fn differences(gpu: &Arc<Gpu>, tile: Tile) -> Result<Vec<f64>> {
    let (network, dataset) = (network()?, dataset()?);
    let count = dataset.len();
    let plan = Plan {
        loss: Loss::MeanSquaredError,
        optimizer: Optimizer::SGD,
        l2: 0.0,
        batch_size: count,
        shuffle: None,
        seed: 0,
        wrappers: Wrappers::default(),
    };
    let steps = [1, 2].map(|number| Step { number, epoch: 1, first: 0, count, learning_rate: 0.1 });
    let mut outcomes = Vec::new();
    for precision in [Precision::Full, Precision::Mixed] {
        let kernels = Kernels::Fused;
        let choice = Choice { kernels, precision, tile: Some(tile), tune: false };
        let mut session = GpuSession::start(gpu, &network, &plan, &dataset, choice).await?;
        if session.precision() != precision {
            return unsupported("the driver refuses the kernels of mixed precision");
        }
        let losses = session.train(&steps)?.await?.losses;
        let parameters = session.parameters().await?;
        let change = parameters.iter().zip(network.parameters()).map(|(now, before)| now - before);
        outcomes.push((losses, change.collect::<Vec<f64>>()));
    }
    let [(losses, full), (mixed_losses, mixed)] = &outcomes[..] else {
        return internal("a check of mixed precision has two runs");
    };
    let difference = |a: &[f64], b: &[f64]| {
        let difference: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
        let size: f64 = a.iter().map(|a| a * a).sum();
        (difference / size).sqrt()
    };
    let parts = network.segments().iter().map(|segment| segment.range.clone());
    let of_parts = parts.map(|part| difference(&full[part.clone()], &mixed[part]));
    Ok(std::iter::once(difference(losses, mixed_losses)).chain(of_parts).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::gpu::cache::Cache;
    use crate::engine::gpu::twins::{matrix_adapters, random};
    use crate::wrapper::Wrapper;

    const STEPS: u64 = 12;

    /// Every device with matrices, whose outcomes are not remembered.
    fn devices() -> Vec<Arc<Gpu>> {
        let forgetful = |mut gpu: Arc<Gpu>| {
            Arc::get_mut(&mut gpu).expect("shared with nothing").cache = Cache::none();
            gpu
        };
        matrix_adapters().into_iter().map(forgetful).collect()
    }

    const MIXED: Choice =
        Choice { kernels: Kernels::Auto, precision: Precision::Mixed, tile: None, tune: false };

    fn plan(dataset: &Dataset, optimizer: Optimizer) -> Plan {
        Plan {
            loss: Loss::MeanSquaredError,
            optimizer,
            l2: 1e-4,
            batch_size: dataset.len(),
            shuffle: Some(3),
            seed: 0,
            wrappers: Wrappers::default(),
        }
    }

    fn step(number: u64, dataset: &Dataset) -> Step {
        Step { number, epoch: number, first: 0, count: dataset.len(), learning_rate: 2e-3 }
    }

    fn steps(numbers: std::ops::RangeInclusive<u64>, dataset: &Dataset) -> Vec<Step> {
        numbers.map(|number| step(number, dataset)).collect()
    }

    async fn start(gpu: &Arc<Gpu>, plan: &Plan, dataset: &Dataset) -> Result<GpuSession> {
        let network = network()?;
        let choice = settled(gpu, MIXED, &network, plan, dataset).await?;
        GpuSession::start(gpu, &network, plan, dataset, choice).await
    }

    #[test]
    fn a_device_that_is_right_trains_in_mixed_precision_and_learns_as_much() {
        for gpu in devices() {
            let dataset = dataset().expect("samples");
            let wrappers = ["ema", "lookahead", "clip-value:limit=0.1"];
            let wrappers = wrappers.map(|name| name.parse::<Wrapper>().expect("a wrapper"));
            let wrappers = Wrappers::new(wrappers).expect("all different");
            for plan in [
                plan(&dataset, Optimizer::ADAM),
                Plan { wrappers, ..plan(&dataset, Optimizer::SGD) },
            ] {
                let losses = pollster::block_on(async {
                    let mut mixed = start(&gpu, &plan, &dataset).await?;
                    assert!(mixed.precision() == Precision::Mixed, "{:?}", gpu.notes());
                    let network = network()?;
                    let full = Choice { precision: Precision::Full, ..MIXED };
                    let mut full = GpuSession::start(&gpu, &network, &plan, &dataset, full).await?;
                    let steps = steps(1..=STEPS, &dataset);
                    let (mixed_losses, full_losses) =
                        (mixed.train(&steps)?.await?.losses, full.train(&steps)?.await?.losses);
                    let after = [mixed.parameters().await?, full.parameters().await?];
                    let change = |after: &[f64]| -> Vec<f64> {
                        after.iter().zip(network.parameters()).map(|(a, b)| a - b).collect()
                    };
                    let [mixed, full] = after.map(|after| change(&after));
                    let size: f64 = full.iter().map(|c| c * c).sum();
                    let error: f64 = mixed.iter().zip(&full).map(|(m, f)| (m - f).powi(2)).sum();
                    // The signs of tiny gradients decide what Adam does in its first steps.
                    assert!(error < 0.05 * size, "{} of {}", error.sqrt(), size.sqrt());
                    Result::Ok([mixed_losses, full_losses])
                });
                let [mixed, full] = losses.expect("trains");
                for (mixed, full) in mixed.iter().zip(&full) {
                    assert!((mixed / full - 1.0).abs() < 0.02, "{mixed} and {full}");
                }
                assert!(mixed[mixed.len() - 1] < mixed[0]);
            }
            assert!(gpu.notes().is_empty(), "{:?}", gpu.notes());
        }
    }

    #[test]
    fn the_check_passes_with_room_in_every_tile() {
        for gpu in devices() {
            let matrix = gpu.matrices.as_ref().expect("has matrices").size;
            for samples in [16, 32, 64] {
                let tile = Tile { matrix, samples, unrolled: !gpu.abilities.software };
                let differences = pollster::block_on(differences(&gpu, tile)).expect("steps");
                let largest = differences.iter().copied().fold(0.0, f64::max);
                assert_eq!(differences.len(), 11);
                assert!(largest < TOLERANCE / 2.0, "{samples} samples: {differences:?}");
            }
        }
    }

    #[test]
    fn a_device_that_is_wrong_trains_in_f32_with_a_note() {
        for gpu in devices() {
            let rewrite = |text: &str| text.replace("coopMultiplyAdd(a, b, sum_0)", "sum_0");
            *lock(&gpu.rewrites) = Some(Box::new(rewrite));
            let dataset = dataset().expect("samples");
            let plan = plan(&dataset, Optimizer::ADAM);
            let session = pollster::block_on(start(&gpu, &plan, &dataset)).expect("starts");
            assert!(session.precision() == Precision::Full);
            let notes = gpu.notes();
            assert!(notes[0].contains("products of f16 matrices are wrong"), "{notes:?}");
            assert!(notes[0].ends_with(": the run is computed in f32"), "{notes:?}");
            // The outcome is known, and nothing is compiled again.
            let kernels = gpu.kernels_held();
            pollster::block_on(start(&gpu, &plan, &dataset)).expect("starts");
            assert_eq!(gpu.kernels_held(), kernels);
        }
    }

    #[test]
    fn a_run_repeats_goes_on_and_goes_back_with_the_same_bits() {
        for gpu in devices() {
            let dataset = dataset().expect("samples");
            let plan = plan(&dataset, Optimizer::ADAM);
            pollster::block_on(async {
                let mut whole = start(&gpu, &plan, &dataset).await?;
                assert!(whole.precision() == Precision::Mixed, "{:?}", gpu.notes());
                whole.train(&steps(1..=4, &dataset))?.await?;
                let state = whole.state().await?;
                whole.keep(0).await?;
                whole.train(&steps(5..=8, &dataset))?.await?;
                let expected = whole.parameters().await?;
                whole.go_back(0).await?;
                whole.train(&steps(5..=8, &dataset))?.await?;
                assert_eq!(whole.parameters().await?, expected);
                let mut other = start(&gpu, &plan, &dataset).await?;
                other.restore(&state).await?;
                other.train(&steps(5..=8, &dataset))?.await?;
                assert_eq!(other.parameters().await?, expected);
                // An update by the caller's gradient, after which the f16 copies follow.
                let gradient = vec![0.01; expected.len()];
                for session in [&mut whole, &mut other] {
                    session.apply(&gradient, 1e-2).await?;
                    session.train(&steps(10..=10, &dataset))?.await?;
                }
                let after = whole.parameters().await?;
                assert_eq!(other.parameters().await?, after);
                assert_ne!(after, expected);
                Result::Ok(())
            })
            .expect("trains");
        }
    }

    /// Targets so large that the deltas leave f16 until the loss scale has been halved three times.
    #[test]
    fn a_step_that_leaves_f16_is_skipped_and_ten_are_a_divergence() {
        for gpu in devices() {
            let inputs = random(1, 2 * 40);
            for (target, skipped) in [(2e4, 3), (1e9, 10)] {
                let targets = vec![target; 3 * 40];
                let dataset = Dataset::new(inputs.clone(), targets, 2, 3).expect("samples");
                let plan = Plan { l2: 0.0, ..plan(&dataset, Optimizer::SGD) };
                pollster::block_on(async {
                    let network = network()?;
                    let mut session = start(&gpu, &plan, &dataset).await?;
                    assert!(session.precision() == Precision::Mixed, "{:?}", gpu.notes());
                    for number in 1..=skipped {
                        let outcome = session.train(&[step(number, &dataset)])?.await?;
                        let diverged = outcome.diverged.map(|diverged| diverged.step);
                        assert_eq!(diverged, (number == 10).then_some(10), "step {number}");
                        let before = network.parameters().iter().map(|p| f64::from(*p as f32));
                        assert_eq!(session.parameters().await?, before.collect::<Vec<f64>>());
                    }
                    if skipped < 10 {
                        let outcome = session.train(&[step(skipped + 1, &dataset)])?.await?;
                        assert_eq!(outcome.diverged, None);
                        assert_ne!(session.parameters().await?, network.parameters());
                    }
                    Result::Ok(())
                })
                .expect("trains");
            }
        }
    }

    #[test]
    fn what_mixed_precision_does_not_take_is_computed_in_f32_with_a_note() {
        for gpu in devices() {
            let dataset = dataset().expect("samples");
            let adam = plan(&dataset, Optimizer::ADAM);
            let clipped = Wrappers::new(["clip-norm".parse().expect("a wrapper")]).expect("one");
            let built = |builder: crate::Builder| {
                builder.output(3, Activation::Identity).build().expect("a network")
            };
            let two = || Network::builder(2);
            let relu = Activation::Relu;
            let small = built(two().hidden(&[8], relu));
            let cases = [
                (built(two()), adam, "hidden layer"),
                (built(two().hidden(&[129], relu)), adam, "at most 128"),
                (built(two().hidden(&[8], relu).dropout(0.5)), adam, "dropout"),
                (built(two().hidden(&[8], Activation::Gelu)), adam, "gelu"),
                (small.clone(), Plan { wrappers: clipped, ..adam }, "norm"),
                (small, plan(&dataset, "novograd".parse().expect("an optimizer")), "norm"),
            ];
            for (network, plan, reason) in cases {
                let settled = settled(&gpu, MIXED, &network, &plan, &dataset);
                let choice = pollster::block_on(settled).expect("a choice");
                assert!(choice.precision == Precision::Full);
                let notes = gpu.notes();
                assert!(notes.iter().any(|note| note.contains(reason)), "{reason}: {notes:?}");
            }
        }
    }
}
