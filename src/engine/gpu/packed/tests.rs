//! Tests of runs with values and deltas in f16.

use super::settled;
use crate::activation::Activation;
use crate::dataset::Dataset;
use crate::engine::choice::{Kernels, Precision};
use crate::engine::gpu::adapter;
use crate::engine::gpu::cache::Cache;
use crate::engine::gpu::choice::Choice;
use crate::engine::gpu::custom::tests as custom;
use crate::engine::gpu::device::Gpu;
use crate::engine::gpu::session::GpuSession;
use crate::engine::gpu::twins::{random, storing_adapters};
use crate::engine::{Plan, Session, Step};
use crate::error::Result;
use crate::loss::Loss;
use crate::network::Network;
use crate::optimizer::Optimizer;
use crate::state::{LossScale, State};
use crate::wrapper::Wrapper;
use crate::wrappers::Wrappers;
use std::sync::Arc;

const STORED: Choice =
    Choice { kernels: Kernels::Auto, precision: Precision::F16Storage, tile: None, tune: false };

/// Every adapter that can, of which nothing is remembered.
fn devices() -> Vec<Arc<Gpu>> {
    let forgetful = |mut gpu: Arc<Gpu>| {
        Arc::get_mut(&mut gpu).expect("shared with nothing").cache = Cache::none();
        gpu
    };
    storing_adapters().into_iter().map(forgetful).collect()
}

fn network(hidden: &[usize], activation: Activation) -> Network {
    let builder = Network::builder(2).hidden(hidden, activation).seed(1);
    builder.output(3, Activation::Identity).build().expect("a network")
}

/// Samples of no whole tiles.
fn dataset(samples: usize) -> Dataset {
    let targets = random(2, 3 * samples).iter().map(|t| t.abs()).collect();
    Dataset::new(random(1, 2 * samples), targets, 2, 3).expect("samples")
}

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

fn steps(numbers: std::ops::RangeInclusive<u64>, dataset: &Dataset) -> Vec<Step> {
    let count = dataset.len();
    let step = |number| Step { number, epoch: number, first: 0, count, learning_rate: 2e-3 };
    numbers.map(step).collect()
}

async fn start(
    gpu: &Arc<Gpu>,
    network: &Network,
    plan: &Plan,
    dataset: &Dataset,
) -> Result<GpuSession> {
    let choice = settled(gpu, STORED, network, plan, dataset);
    GpuSession::start(gpu, network, plan, dataset, choice).await
}

/// As [`start`], in full precision.
async fn start_full(
    gpu: &Arc<Gpu>,
    network: &Network,
    plan: &Plan,
    dataset: &Dataset,
) -> Result<GpuSession> {
    let choice = Choice { precision: Precision::Full, ..STORED };
    GpuSession::start(gpu, network, plan, dataset, choice).await
}

#[test]
fn a_run_with_f16_in_storage_learns_as_much_in_half_the_memory() {
    const SAMPLES: usize = 203;
    let wrappers = |names: &[&str]| {
        let named = names.iter().map(|name| name.parse::<Wrapper>().expect("a wrapper"));
        Wrappers::new(named).expect("all different")
    };
    let dataset = dataset(SAMPLES);
    let (adam, sgd) = (plan(&dataset, Optimizer::ADAM), plan(&dataset, Optimizer::SGD));
    let around = ["ema", "lookahead", "clip-value:limit=0.1", "clip-norm:limit=0.5"];
    let dropping = Network::builder(2).hidden(&[40, 30], Activation::Gelu).dropout(0.25).seed(2);
    let dropping = dropping.output(3, Activation::Sigmoid).build().expect("a network");
    let own = Network::builder(2).hidden(&[20, 9], custom::activation(1.5)).seed(2);
    let own = own.output(3, Activation::Identity).build().expect("a network");
    let cases = [
        (network(&[100, 100, 40], Activation::Tanh), adam),
        (network(&[33], Activation::Relu), Plan { wrappers: wrappers(&around), ..sgd }),
        (dropping, Plan { optimizer: "novograd".parse().expect("an optimizer"), ..adam }),
        (own, sgd),
    ];
    for gpu in devices() {
        for (network, plan) in &cases {
            let what = format!("{} layers on {}", network.layers().len(), gpu.info);
            pollster::block_on(async {
                let mut stored = start(&gpu, network, plan, &dataset).await?;
                let mut full = start_full(&gpu, network, plan, &dataset).await?;
                assert_eq!(stored.precision(), Precision::F16Storage, "{:?}", gpu.notes());
                assert_eq!(full.precision(), Precision::Full);
                let steps = steps(1..=12, &dataset);
                let [losses, exact] =
                    [stored.train(&steps)?.await?.losses, full.train(&steps)?.await?.losses];
                for (stored, full) in losses.iter().zip(&exact) {
                    assert!((stored / full - 1.0).abs() < 2e-3, "{what}: {stored} and {full}");
                }
                let after = [stored.parameters().await?, full.parameters().await?];
                let [stored_change, full_change] = after.map(|after| -> Vec<f64> {
                    after.iter().zip(network.parameters()).map(|(a, b)| a - b).collect()
                });
                let size: f64 = full_change.iter().map(|c| c * c).sum();
                let differences = stored_change.iter().zip(&full_change).map(|(s, f)| s - f);
                let error: f64 = differences.map(|difference| difference * difference).sum();
                // The signs of tiny gradients decide what Adam does in its first steps.
                assert!(error < 0.01 * size, "{what}: {} of {}", error.sqrt(), size.sqrt());
                // What evaluates and predicts is f32.
                let loss = stored.evaluate(&dataset, plan.loss).await?;
                let expected = full.evaluate(&dataset, plan.loss).await?;
                assert!((loss / expected - 1.0).abs() < 2e-3, "{what}: {loss} and {expected}");
                Result::Ok(())
            })
            .expect("trains");
        }
        assert!(gpu.notes().is_empty(), "{:?}", gpu.notes());
        // Values and deltas of a large batch take most of the memory.
        let large = self::dataset(20_000);
        let (network, plan) = (network(&[100; 4], Activation::Relu), plan(&large, Optimizer::SGD));
        let [stored, full] = pollster::block_on(async {
            let stored = start(&gpu, &network, &plan, &large).await?;
            let full = start_full(&gpu, &network, &plan, &large).await?;
            Result::Ok([stored, full].map(|session| session.resources().workspace))
        })
        .expect("starts");
        assert!((stored as f64) < 0.6 * full as f64, "{stored} of {full} bytes");
    }
}

#[test]
fn a_run_with_f16_in_storage_repeats_goes_on_and_goes_back_with_the_same_bits() {
    let (network, dataset) = (network(&[40, 33], Activation::Relu), dataset(203));
    let plan = plan(&dataset, Optimizer::ADAM);
    for gpu in devices() {
        pollster::block_on(async {
            let mut whole = start(&gpu, &network, &plan, &dataset).await?;
            assert_eq!(whole.precision(), Precision::F16Storage, "{:?}", gpu.notes());
            whole.train(&steps(1..=4, &dataset))?.await?;
            let state = whole.state().await?;
            whole.keep(0).await?;
            whole.train(&steps(5..=8, &dataset))?.await?;
            let expected = whole.parameters().await?;
            whole.go_back(0).await?;
            whole.train(&steps(5..=8, &dataset))?.await?;
            assert_eq!(whole.parameters().await?, expected);
            let mut again = start(&gpu, &network, &plan, &dataset).await?;
            let before = gpu.counts();
            again.train(&steps(1..=8, &dataset))?.await?;
            let after = gpu.counts();
            let [dispatches, submissions] =
                [after.dispatches - before.dispatches, after.submissions - before.submissions];
            assert_eq!([dispatches, submissions], [3 * 8, 1], "as in full precision");
            assert_eq!(again.parameters().await?, expected);
            let mut other = start(&gpu, &network, &plan, &dataset).await?;
            other.restore(&state).await?;
            other.train(&steps(5..=8, &dataset))?.await?;
            assert_eq!(other.parameters().await?, expected);
            // An update by the caller's gradient.
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

/// Targets so large that hidden deltas leave f16 until the loss scale has been halved, and inputs so large that hidden
/// values do. The loss is that of f32, and in full precision such a run goes on.
#[test]
fn a_step_that_leaves_f16_in_storage_is_skipped_and_ten_are_a_divergence() {
    let network = network(&[40, 33], Activation::Relu);
    let initial: Vec<f64> = network.parameters().iter().map(|p| f64::from(*p as f32)).collect();
    for gpu in devices() {
        for (input, target, diverges) in [(1.0, 3e5, false), (1.0, 1e15, true), (1e7, 1.0, true)] {
            let inputs = random(1, 2 * 40).iter().map(|x| x * input).collect();
            let dataset = Dataset::new(inputs, vec![target; 3 * 40], 2, 3).expect("samples");
            let plan = Plan { l2: 0.0, ..plan(&dataset, Optimizer::ADAM) };
            let what = format!("inputs of {input} and targets of {target} on {}", gpu.info);
            pollster::block_on(async {
                let mut session = start(&gpu, &network, &plan, &dataset).await?;
                assert_eq!(session.precision(), Precision::F16Storage, "{:?}", gpu.notes());
                let mut full = start_full(&gpu, &network, &plan, &dataset).await?;
                let exact = full.train(&steps(1..=1, &dataset))?.await?;
                assert_eq!(exact.diverged, None, "{what}");
                assert_ne!(full.parameters().await?, initial);
                let mut skipped = 0;
                let diverged = loop {
                    let number = skipped + 1;
                    let outcome = session.train(&steps(number..=number, &dataset))?.await?;
                    if session.parameters().await? != initial {
                        assert_eq!(outcome.diverged, None, "{what}");
                        break None;
                    }
                    let loss = outcome.losses[0];
                    assert!((loss / exact.losses[0] - 1.0).abs() < 1e-5, "{what}: {loss}");
                    skipped = number;
                    if let Some(diverged) = outcome.diverged {
                        break Some(diverged.step);
                    }
                    assert!(skipped < 10, "{what}");
                };
                assert_eq!(diverged, diverges.then_some(10), "{what}");
                assert!((1..=10).contains(&skipped), "{what}: {skipped} steps were skipped");
                Result::Ok(())
            })
            .expect("trains");
        }
    }
}

/// The loss scale is part of the state: the deltas of these targets leave f16 until it has been halved.
#[test]
fn a_run_with_f16_in_storage_goes_on_with_its_loss_scale() {
    let network = network(&[40, 33], Activation::Relu);
    for gpu in devices() {
        let dataset = Dataset::new(random(1, 2 * 40), vec![3e5; 3 * 40], 2, 3).expect("samples");
        let plan = Plan { l2: 0.0, ..plan(&dataset, Optimizer::ADAM) };
        pollster::block_on(async {
            let mut whole = start(&gpu, &network, &plan, &dataset).await?;
            whole.train(&steps(1..=1, &dataset))?.await?;
            let after_one = whole.state().await?;
            let scale = after_one.loss_scale.expect("a loss scale");
            assert_eq!((scale.exponent, scale.skipped), (2, 1), "one step was skipped");
            whole.train(&steps(2..=12, &dataset))?.await?;
            let later = whole.state().await?;
            let scale = later.loss_scale.expect("a loss scale");
            assert!(scale.exponent < 2, "{scale:?}");
            whole.train(&steps(13..=16, &dataset))?.await?;
            let expected = whole.state().await?;
            for (state, from) in [(&after_one, 2), (&later, 13)] {
                let mut other = start(&gpu, &network, &plan, &dataset).await?;
                other.restore(state).await?;
                assert_eq!(other.state().await?, *state);
                other.train(&steps(from..=16, &dataset))?.await?;
                assert_eq!(other.state().await?, expected, "from step {from}");
            }
            // Without the scale, the next step is skipped.
            let mut other = start(&gpu, &network, &plan, &dataset).await?;
            other.restore(&State { loss_scale: None, ..later.clone() }).await?;
            other.train(&steps(13..=16, &dataset))?.await?;
            assert_ne!(other.state().await?, expected);
            let mut impossible = later.clone();
            impossible.loss_scale = Some(LossScale { exponent: 4, skipped: 0 });
            let refused = other.restore(&impossible).await.expect_err("refused").to_string();
            assert!(refused.contains("a loss scale of 2^4"), "{refused}");
            Result::Ok(())
        })
        .expect("trains");
    }
}

#[test]
fn what_f16_in_storage_does_not_take_is_computed_in_full_precision_with_a_note() {
    let dataset = dataset(50);
    let adam = plan(&dataset, Optimizer::ADAM);
    let gathering = Wrappers::new(["accumulate".parse().expect("a wrapper")]).expect("one");
    let (flat, small) = (network(&[], Activation::Relu), network(&[8], Activation::Relu));
    let wide = network(&[129], Activation::Relu);
    let layerwise = Choice { kernels: Kernels::Layerwise, ..STORED };
    let cases = [
        (&flat, adam, STORED, "hidden layer"),
        (&wide, adam, STORED, "at most 128"),
        (&small, Plan { wrappers: gathering, ..adam }, STORED, "several batches"),
        (&small, adam, layerwise, "layerwise kernels"),
    ];
    for mut gpu in devices() {
        for (network, plan, choice, reason) in &cases {
            let choice = settled(&gpu, *choice, network, plan, &dataset);
            assert_eq!(choice.precision, Precision::Full);
            let note = gpu.notes().pop().expect("a note");
            assert!(note.contains(reason), "{reason}: {note}");
            assert!(note.ends_with(": the run is computed in full precision"), "{note}");
        }
        Arc::get_mut(&mut gpu).expect("shared with nothing").packs = false;
        let session = pollster::block_on(start(&gpu, &small, &adam, &dataset)).expect("starts");
        assert_eq!(session.precision(), Precision::Full);
        assert!(gpu.notes().pop().expect("a note").contains("cannot pack"));
    }
    // With as many buffers as WebGPU has at least.
    for candidate in pollster::block_on(adapter::find()) {
        let limits =
            wgpu::Limits { max_storage_buffers_per_shader_stage: 8, ..candidate.adapter.limits() };
        let gpu = pollster::block_on(Gpu::open_with(candidate, limits)).expect("opens");
        let choice = settled(&gpu, STORED, &small, &adam, &dataset);
        assert_eq!(choice.precision, Precision::Full);
        assert!(gpu.notes().pop().expect("a note").contains("more storage buffers"));
    }
}

#[test]
fn kernels_with_f16_in_storage_that_a_driver_refuses_are_replaced_with_a_note() {
    let (network, dataset) = (network(&[8], Activation::Relu), dataset(50));
    let plan = plan(&dataset, Optimizer::ADAM);
    for gpu in devices() {
        let refuses = |key: &crate::engine::gpu::kernels::KernelKey| {
            key.clone().into_text().contains("stored_pitch_of")
        };
        *gpu.refuses.lock().expect("unlocked") = Some(Box::new(refuses));
        let session = pollster::block_on(start(&gpu, &network, &plan, &dataset)).expect("starts");
        assert_eq!(session.precision(), Precision::Full);
        let note = gpu.notes().pop().expect("a note");
        assert!(note.ends_with(": the run is computed in full precision"), "{note}");
    }
}
