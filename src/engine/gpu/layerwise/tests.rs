//! Tests of what only a real GPU takes: tiles in workgroup memory, and gradients in slices.

use crate::engine::choice::Kernels;
use crate::engine::gpu::adapter;
use crate::engine::gpu::choice::Choice;
use crate::engine::gpu::device::Gpu;
use crate::engine::gpu::faults;
use crate::engine::gpu::session::GpuSession;
use crate::engine::{Plan, Session, Step};
use crate::optimizer::Optimizer;
use crate::wrapper::clip_norm::ClipNorm;
use crate::wrappers::Wrappers;
use std::sync::Arc;

/// Samples of a batch, and of the rest of an epoch, which leaves slices empty.
const BATCHES: [usize; 2] = [200, 20];

/// What two epochs leave, on a device that is taken for a GPU or not.
fn trained(gpu: Gpu, software: bool) -> Vec<f64> {
    let mut gpu = gpu;
    gpu.abilities.software = software;
    let (network, plan, dataset) = faults::task(&[70, 130], BATCHES.iter().sum());
    let wrappers = Wrappers { clip_norm: Some(ClipNorm { limit: 0.1 }), ..Wrappers::default() };
    let plan =
        Plan { batch_size: BATCHES[0], optimizer: Optimizer::SGD, l2: 1e-3, wrappers, ..plan };
    let mut first = 0;
    let steps = [1, 2, 3, 4].map(|number| {
        let count = BATCHES[(number as usize + 1) % 2];
        let step = Step { number, epoch: 1 + (number - 1) / 2, first, count, learning_rate: 0.1 };
        first = (first + count) % BATCHES.iter().sum::<usize>();
        step
    });
    let choice = Choice { kernels: Kernels::Layerwise, ..Choice::default() };
    let gpu = Arc::new(gpu);
    let work = async {
        let mut session = GpuSession::start(&gpu, &network, &plan, &dataset, choice).await?;
        session.train(&steps)?.await?;
        session.parameters().await
    };
    pollster::block_on(work).expect("it trains")
}

#[test]
fn a_gpu_trains_layer_by_layer_as_a_software_adapter_does() {
    for candidate in 0..pollster::block_on(adapter::find()).len() {
        let open = || {
            let found = pollster::block_on(adapter::find()).into_iter().nth(candidate);
            pollster::block_on(Gpu::open(found.expect("it is still there"))).expect("opens")
        };
        let [software, gpu] = [true, false].map(|software| trained(open(), software));
        assert_ne!(software, gpu, "the same kernels ran");
        for (i, (a, b)) in software.iter().zip(&gpu).enumerate() {
            assert!((a - b).abs() <= 1e-5 * (1.0 + a.abs()), "parameter {i}: {a} and {b}");
        }
    }
}
