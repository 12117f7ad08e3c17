//! The GPU engine: f32, WGSL kernels through wgpu, on Vulkan, Metal, DirectX 12, OpenGL or WebGPU.
//!
//! `adapter` finds a device, `device` opens it and catches what goes wrong, `kernels` is the
//! table of the shaders, `recorder` turns calls of kernels into a list of dispatches,
//! `layerwise` lays out the buffers and the dispatches of a network, layer by layer, and
//! `session` plays them, many steps to a submission, and reads back through `readback`.

mod adapter;
mod device;
mod kernels;
mod layerwise;
mod readback;
mod recorder;
mod session;
#[cfg(test)]
mod twins;

pub use adapter::NO_ADAPTER;

use self::device::Gpu;
use self::layerwise::Forward;
use self::recorder::Recorder;
use super::{Device, Engine, Output, Pending, Plan, Session};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::network::Network;
use std::sync::Arc;

/// A GPU (or what stands in for one) as an [`Engine`].
pub struct GpuEngine {
    gpu: Arc<Gpu>,
}

/// The adapters that this engine can run on, best first. Blocks.
#[cfg(not(target_arch = "wasm32"))]
pub fn adapters() -> Vec<Device> {
    pollster::block_on(adapters_async())
}

/// The adapters that this engine can run on, best first.
pub async fn adapters_async() -> Vec<Device> {
    let found = adapter::find().await;
    found.into_iter().map(|candidate| candidate.device).collect()
}

impl GpuEngine {
    /// Opens the best adapter whose description contains `name`, in any case; without a name the
    /// best there is, a software adapter if there is no other.
    ///
    /// # Errors
    /// There is no such adapter (the message lists those there are), or it cannot be opened.
    pub async fn open(name: Option<&str>) -> Result<Self> {
        let candidate = adapter::choose(name).await?;
        Ok(Self { gpu: Arc::new(Gpu::open(candidate).await?) })
    }

    /// Opens the best real GPU, if there is one that works.
    pub async fn open_real_gpu() -> Option<Self> {
        for candidate in adapter::find().await {
            if candidate.device.device_type != adapter::SOFTWARE
                && let Ok(gpu) = Gpu::open(candidate).await
            {
                return Some(Self { gpu: Arc::new(gpu) });
            }
        }
        None
    }

    /// The same engine with no buffer larger than `bytes`, as a small device would have it. Large
    /// batches and datasets are then cut into more parts.
    #[must_use]
    pub fn with_largest_buffer(self, bytes: u64) -> Self {
        self.gpu.limit_buffers(bytes);
        self
    }

    /// Gives the device up, as a driver reset would: whatever is asked of it afterwards is an
    /// [`Error::DeviceLost`](crate::Error::DeviceLost).
    pub fn destroy(&self) {
        self.gpu.destroy();
    }

    async fn forward_in_parts(
        &self,
        network: &Network,
        inputs: &[f64],
        output: Output,
    ) -> Result<Vec<f64>> {
        self.gpu.check()?;
        let samples = network.samples_in(inputs)?;
        let mut outputs = Vec::with_capacity(samples * network.outputs());
        if samples == 0 {
            return Ok(outputs);
        }
        let rows = layerwise::part_rows(&self.gpu, network, samples)?;
        let parameters = layerwise::upload_parameters(&self.gpu, network).await?;
        let forward = Forward::new(&self.gpu, network, rows).await?;
        for part in inputs.chunks(rows * network.inputs()) {
            let rows = part.len() / network.inputs();
            let values: Vec<f32> = part.iter().map(|v| *v as f32).collect();
            self.gpu.queue.write_buffer(&forward.inputs, 0, bytemuck::cast_slice(&values));
            let mut recorder = Recorder::new(&self.gpu);
            forward.record(&mut recorder, network, &parameters, rows, output).await?;
            let dispatches = recorder.finish("forward pass").await?;
            let mut encoder = self.gpu.encoder("forward pass");
            recorder::play(&mut encoder, "forward pass", &dispatches);
            let size = rows * network.outputs() * 4;
            let read = self.gpu.read(encoder, &[(forward.outputs(), size as u64)], "outputs")?;
            let bytes = read.await?;
            outputs.extend(readback::floats(&bytes).map(f64::from));
        }
        Ok(outputs)
    }
}

impl Engine for GpuEngine {
    fn device(&self) -> &Device {
        &self.gpu.info
    }

    fn start<'a>(
        &'a self,
        network: &'a Network,
        plan: &'a Plan,
        dataset: &'a Dataset,
    ) -> Pending<'a, Box<dyn Session + 'a>> {
        Box::pin(async move {
            plan.check(network, dataset)?;
            let session = session::GpuSession::start(&self.gpu, network, plan, dataset).await?;
            Ok(Box::new(session) as Box<dyn Session>)
        })
    }

    fn forward<'a>(
        &'a self,
        network: &'a Network,
        inputs: &'a [f64],
        output: Output,
    ) -> Pending<'a, Vec<f64>> {
        Box::pin(self.forward_in_parts(network, inputs, output))
    }
}
