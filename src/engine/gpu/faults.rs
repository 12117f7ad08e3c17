//! What happens on devices that are small, or whose driver refuses something.

use super::device::Gpu;
use super::session::GpuSession;
use super::twins::random;
use super::{Choice, adapter};
use crate::activation::Activation;
use crate::dataset::Dataset;
use crate::engine::{Plan, Session, Step};
use crate::network::Network;
use crate::trainer::Trainer;
use std::sync::Arc;

/// Every adapter as a device with buffers of at most so many bytes.
fn small_devices(largest_buffer: u64) -> Vec<Arc<Gpu>> {
    let open = |candidate: adapter::Candidate| {
        let limits = wgpu::Limits {
            max_buffer_size: largest_buffer,
            max_storage_buffer_binding_size: largest_buffer,
            ..candidate.adapter.limits()
        };
        Arc::new(pollster::block_on(Gpu::open_with(candidate, limits)).expect("opens"))
    };
    pollster::block_on(adapter::find()).into_iter().map(open).collect()
}

/// A network, how it is trained, and its samples.
fn task(hidden: &[usize], samples: usize) -> (Network, Plan, Dataset) {
    let network = Network::builder(2)
        .hidden(hidden, Activation::Relu)
        .output(3, Activation::Identity)
        .build()
        .expect("a network");
    let (inputs, targets) = (random(1, 2 * samples), random(2, 3 * samples));
    let dataset = Dataset::new(inputs, targets, 2, 3).expect("samples");
    let plan = Trainer { batch_size: samples, ..Trainer::default() }.plan(&dataset);
    (network, plan, dataset)
}

/// A step of all samples.
fn step(number: u64, count: usize) -> Step {
    Step { number, epoch: number, first: 0, count, learning_rate: 1e-3 }
}

#[test]
fn parameters_as_large_as_a_buffer_are_read_back() {
    // 360,003 parameters take 1.4 MB, and two copies of them more than a buffer may have.
    let (network, plan, dataset) = task(&[60_000], 4);
    for gpu in small_devices(2 << 20) {
        let work = async {
            let mut session =
                GpuSession::start(&gpu, &network, &plan, &dataset, Choice::default()).await?;
            session.train(&[step(1, 4)])?.await?;
            session.parameters().await
        };
        let learned = pollster::block_on(work).expect("trains and reads back");
        assert_eq!(learned.len(), network.parameters().len());
        assert!(learned.iter().zip(network.parameters()).any(|(now, before)| now != before));
        // Again in parts of a few bytes, which do not divide it.
        let work = async {
            let mut session =
                GpuSession::start(&gpu, &network, &plan, &dataset, Choice::default()).await?;
            session.train(&[step(1, 4)])?.await?;
            gpu.limit_buffers(100_004);
            session.parameters().await
        };
        assert_eq!(pollster::block_on(work).expect("reads in parts"), learned, "{}", gpu.info);
    }
}

#[test]
fn a_read_that_the_driver_refuses_is_an_error_and_leaves_the_device_usable() {
    for gpu in small_devices(2 << 20) {
        let work = async {
            let half = gpu.upload("half", &vec![1.0_f32; 400_000]).await?;
            let both = [(&half, 0..1_600_000), (&half, 0..1_600_000)];
            let refused = gpu.read(gpu.encoder("both"), &both, "both")?.await;
            let error = refused.expect_err("it is larger than a buffer may be").to_string();
            assert!(error.contains("reading back the both"), "{error}");
            gpu.read_in_parts(&half, 8, "half").await
        };
        let bytes = pollster::block_on(work).expect("the device still works");
        assert_eq!(bytes, bytemuck::cast_slice::<f32, u8>(&[1.0, 1.0]), "{}", gpu.info);
    }
}
