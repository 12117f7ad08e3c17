//! The time of each kernel of a training step, by the device's clock.

use super::recorder::play_timed;
use super::session::GpuSession;
use crate::engine::{KernelTime, Step};
use crate::error::{Result, unsupported};

/// Steps whose times are taken, after as many to warm up.
const STEPS: usize = 20;

impl GpuSession {
    /// The median time of each kernel over some full steps of the run.
    ///
    /// # Errors
    /// A device without a clock for its kernels, or one that failed.
    pub(super) async fn profile(&self) -> Result<Vec<KernelTime>> {
        let gpu = &self.gpu;
        if !gpu.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return unsupported(format!(
                "{} cannot time its kernels: profile on another adapter",
                gpu.info.description()
            ));
        }
        let (count, dispatches) = self.full_step();
        let queries = 2 * dispatches.len() as u32;
        if queries > wgpu::QUERY_SET_MAX_QUERIES {
            return unsupported(format!(
                "a step of {} dispatches is too long to time: profile at most {}, with fewer layers \
                 or the fused kernels",
                dispatches.len(),
                wgpu::QUERY_SET_MAX_QUERIES / 2
            ));
        }
        let times = gpu.guarded("making the queries of time", |device| {
            device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("times"),
                ty: wgpu::QueryType::Timestamp,
                count: queries,
            })
        });
        let times = times.await?;
        let size = 8 * u64::from(queries);
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let resolved = gpu.buffer("times", 2 * queries as usize, usage).await?;
        let nanoseconds = f64::from(gpu.queue.get_timestamp_period());
        let mut taken = vec![Vec::with_capacity(STEPS); dispatches.len()];
        for number in 1..=2 * STEPS as u64 {
            let first = (number as usize - 1) * count % (self.samples - count + 1);
            let step = Step { number, epoch: 1, first, count, learning_rate: 1e-4 };
            gpu.write(&self.steps, bytemuck::bytes_of(&self.data(0, &step, number, number)));
            let mut encoder = gpu.encoder("timed step");
            play_timed(gpu, &mut encoder, &self.step_group, 0, dispatches, &times);
            encoder.resolve_query_set(&times, 0..queries, &resolved, 0);
            let bytes = gpu.read(encoder, &[(&resolved, 0..size)], "times")?.await?;
            let ticks: Vec<u64> = bytes.chunks_exact(8).map(bytemuck::pod_read_unaligned).collect();
            if number <= STEPS as u64 {
                continue;
            }
            for (taken, pair) in taken.iter_mut().zip(ticks.chunks_exact(2)) {
                taken.push(pair[1].saturating_sub(pair[0]) as f64 * nanoseconds * 1e-9);
            }
        }
        let mut kernels: Vec<KernelTime> = Vec::new();
        for (dispatch, mut taken) in dispatches.iter().zip(taken) {
            taken.sort_by(f64::total_cmp);
            let seconds = taken[taken.len() / 2];
            let cost = dispatch.cost();
            let known = kernels.iter_mut().find(|kernel| kernel.kernel == dispatch.name());
            match known {
                Some(kernel) => {
                    kernel.dispatches += 1;
                    kernel.seconds += seconds;
                    kernel.operations += cost.operations;
                    kernel.bytes += cost.bytes;
                }
                None => kernels.push(KernelTime {
                    kernel: dispatch.name(),
                    dispatches: 1,
                    seconds,
                    operations: cost.operations,
                    bytes: cost.bytes,
                }),
            }
        }
        Ok(kernels)
    }
}
