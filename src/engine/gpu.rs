//! The GPU engine: f32, WGSL kernels through wgpu, on Vulkan, Metal, DirectX 12, OpenGL or WebGPU.
//!
//! `adapter` finds a device, `device` opens it and catches what goes wrong, `kernels` is the
//! table of the shaders, `recorder` turns calls of kernels into a list of dispatches,
//! `layerwise` lays out the buffers and the dispatches of a network, layer by layer, and
//! `session` plays them, many steps to a submission, and reads back through `readback`.

mod adapter;
#[cfg(target_arch = "wasm32")]
mod browser;
mod cache;
mod device;
#[cfg(test)]
mod faults;
mod fused;
mod kernels;
mod layerwise;
mod listing;
mod pipelines;
mod profile;
mod readback;
mod recorder;
mod samples;
mod session;
mod shape;
mod specialise;
mod template;
mod tuning;
#[cfg(test)]
mod twins;

pub use adapter::NO_ADAPTER;
pub use device::Counts;
#[doc(hidden)]
pub use listing::{Dispatch, Listing, listings, other_listings};

use self::device::Gpu;
use self::fused::{Fused, Source};
use self::layerwise::Forward;
use self::recorder::Recorder;
use self::session::StepData;
use self::shape::Shapes;
use self::specialise::{Layout, Purpose};
use super::{Device, Engine, KernelTime, Output, Pending, Plan, Session};
use crate::dataset::Dataset;
use crate::error::{Error, Result, invalid};
use crate::network::Network;
use std::sync::Arc;

/// A GPU (or what stands in for one) as an [`Engine`].
pub struct GpuEngine {
    gpu: Arc<Gpu>,
    choice: Choice,
}

/// Which kernels an engine uses, and whether it looks for their fastest shapes.
#[derive(Clone, Copy, Default)]
struct Choice {
    kernels: Kernels,
    tune: bool,
}

/// Which kernels the GPU engine uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kernels {
    /// The fused ones where they can take the network, else the layerwise.
    #[default]
    Auto,
    /// One dispatch after the other for each layer: any network.
    Layerwise,
    /// Three dispatches a training step: layers of at most 128 neurons.
    Fused,
}

impl std::str::FromStr for Kernels {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        match name {
            "auto" => Ok(Self::Auto),
            "layerwise" => Ok(Self::Layerwise),
            "fused" => Ok(Self::Fused),
            _ => invalid(format!(
                "there are no kernels '{name}': choose one of auto, layerwise, fused"
            )),
        }
    }
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
        Ok(Self { gpu: Arc::new(Gpu::open(candidate).await?), choice: Choice::default() })
    }

    /// Opens the best real GPU that works.
    ///
    /// # Errors
    /// There is no adapter but software ones, or none of the real ones can be opened; the message
    /// says why.
    pub async fn open_real_gpu() -> Result<Self> {
        let found = adapter::find().await;
        let (gpu, refused) = adapter::open_first(found, Gpu::open).await?;
        for reason in refused {
            gpu.note(reason);
        }
        Ok(Self { gpu: Arc::new(gpu), choice: Choice::default() })
    }

    /// The same engine with no buffer larger than `bytes`, as a small device would have it. Large
    /// batches and datasets are then cut into more parts.
    #[must_use]
    pub fn with_largest_buffer(self, bytes: u64) -> Self {
        self.gpu.limit_buffers(bytes);
        self
    }

    /// What has been asked of the device so far, by this engine and the sessions on it.
    pub fn counts(&self) -> Counts {
        self.gpu.counts()
    }

    /// The same engine with these kernels.
    #[must_use]
    pub fn with_kernels(self, kernels: Kernels) -> Self {
        Self { choice: Choice { kernels, ..self.choice }, ..self }
    }

    /// The same engine, which looks for the fastest shapes of its fused kernels when it first trains a
    /// network of some widths and batch size, or not (as it is opened). The search takes some seconds
    /// at most, and what it finds is remembered in the user's cache folder, or in the folder that the
    /// environment variable `IMPASTO_CACHE` names. It changes the speed of a run, and the last bits of
    /// its results as any other choice of kernels does.
    #[must_use]
    pub fn with_tuning(self, tune: bool) -> Self {
        Self { choice: Choice { tune, ..self.choice }, ..self }
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
        let rows = samples.min(fused::PREDICTED);
        let fits = fused::fits_rows(&self.gpu, network, rows);
        let work = self.forward_fused(network, inputs, output, rows);
        if let Some(outputs) = fused::attempt(&self.gpu, self.choice.kernels, fits, work).await? {
            return Ok(outputs);
        }
        let rows = layerwise::part_rows(&self.gpu, network, samples)?;
        let parameters = layerwise::upload_parameters(&self.gpu, network).await?;
        let forward = Forward::new(&self.gpu, network, rows, false).await?;
        for part in inputs.chunks(rows * network.inputs()) {
            let rows = part.len() / network.inputs();
            let values: Vec<f32> = part.iter().map(|v| *v as f32).collect();
            self.gpu.write(&forward.inputs, bytemuck::cast_slice(&values));
            let mut recorder = Recorder::new(&self.gpu);
            forward.record(&mut recorder, network, &parameters, rows, output).await?;
            let dispatches = recorder.finish("forward pass").await?;
            let mut encoder = self.gpu.encoder("forward pass");
            recorder::play(&self.gpu, &mut encoder, &dispatches);
            let size = rows * network.outputs() * 4;
            let read = self.gpu.read(encoder, &[(forward.outputs(), 0..size as u64)], "outputs")?;
            let bytes = read.await?;
            outputs.extend(readback::floats(&bytes).map(f64::from));
        }
        Ok(outputs)
    }
}

impl GpuEngine {
    /// A prediction by the fused kernels, `rows` samples at a time.
    async fn forward_fused(
        &self,
        network: &Network,
        inputs: &[f64],
        output: Output,
        rows: usize,
    ) -> Result<Vec<f64>> {
        let gpu = &self.gpu;
        let layout = Layout::new(network, rows);
        let parameters = fused::upload_parameters(gpu, network, &layout).await?;
        let source = Source::inputs(gpu, network, rows).await?;
        let candidates = gpu.candidates(&layout);
        let steps = candidates.iter().map(|shapes| shapes.step);
        let purpose = Purpose::Prediction(output);
        let step = fused::first_compiled(gpu, steps, |shape| {
            fused::pass_kernel(network, rows, shape, source.samples, purpose)
        });
        let shapes = Shapes { step: step.await?, ..fused::usual(&candidates)? };
        let to = source.buffers[0].clone();
        let fused = Fused::new(gpu, network, rows, shapes, source, false).await?;
        let steps = gpu.storage("steps", device::STEP_STRIDE as usize / 4).await?;
        let group = gpu.step_group(&steps).await?;
        let mut outputs = Vec::new();
        for part in inputs.chunks(rows * network.inputs()) {
            let count = part.len() / network.inputs();
            let values: Vec<f32> = part.iter().map(|v| *v as f32).collect();
            gpu.write(&to, bytemuck::cast_slice(&values));
            let step = StepData::in_order(count);
            gpu.write(&steps, bytemuck::bytes_of(&step));
            let mut recorder = Recorder::new(gpu);
            fused.record(&mut recorder, network, &parameters, count, purpose).await?;
            let dispatches = recorder.finish("forward pass").await?;
            let mut encoder = gpu.encoder("forward pass");
            recorder::play_steps(gpu, &mut encoder, &group, std::iter::once(dispatches.as_slice()));
            let size = (count * network.outputs() * 4) as u64;
            let read = gpu.read(encoder, &[(&fused.results, 0..size)], "outputs")?;
            outputs.extend(readback::floats(&read.await?).map(f64::from));
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
    ) -> Pending<'a, Box<dyn Session>> {
        Box::pin(async move {
            plan.check(network, dataset)?;
            let session =
                session::GpuSession::start(&self.gpu, network, plan, dataset, self.choice).await?;
            Ok(Box::new(session) as Box<dyn Session>)
        })
    }

    fn profile<'a>(
        &'a self,
        network: &'a Network,
        plan: &'a Plan,
        dataset: &'a Dataset,
    ) -> Pending<'a, Vec<KernelTime>> {
        Box::pin(async move {
            plan.check(network, dataset)?;
            let session =
                session::GpuSession::start(&self.gpu, network, plan, dataset, self.choice).await?;
            session.profile().await
        })
    }

    fn notes(&self) -> Vec<String> {
        self.gpu.notes()
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
