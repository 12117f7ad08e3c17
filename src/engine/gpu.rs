//! The GPU engine: f32, WGSL kernels through wgpu, on Vulkan, Metal, DirectX 12, OpenGL or WebGPU.
//!
//! `adapter` finds a device, `device` opens it and catches what goes wrong, `kernels` is the
//! table of the shaders, `recorder` turns calls of kernels into a list of dispatches,
//! `lowering` chooses how a network becomes dispatches, `fused` and `layerwise` record them, and
//! `session` plays them, many steps to a submission, and reads back through `readback`.

mod adapter;
mod arguments;
mod backpropagation;
mod backward;
#[cfg(target_arch = "wasm32")]
mod browser;
mod cache;
mod candidates;
mod choice;
mod compile;
mod custom;
mod device;
mod encodings;
mod evaluation;
#[cfg(test)]
mod faults;
mod first_level;
mod fused;
mod kernels;
mod layerwise;
mod layout;
mod learned;
mod listing;
mod lock;
mod lowering;
mod matrices;
mod measuring;
mod mixed;
mod packed;
mod pass_buffers;
mod pipelines;
mod prediction;
mod predictor;
mod product_tile;
mod products;
mod profile;
mod readback;
mod recent;
mod recorder;
mod run_buffers;
mod samples;
mod scopes;
mod session;
mod shape;
mod specialize;
#[cfg(not(target_arch = "wasm32"))]
mod spirv;
mod split;
mod step;
mod tables;
mod task;
#[cfg(test)]
mod texts;
#[cfg(test)]
mod translation;
mod tuning;
mod turns;
#[cfg(test)]
mod twins;
mod update;
mod waiter;

pub use adapter::NO_ADAPTER;
pub use device::Counts;
#[doc(hidden)]
pub use listing::{Dispatch, Listing, listings, mixed_listings, other_listings, packed_listings};
#[doc(hidden)]
#[cfg(not(target_arch = "wasm32"))]
pub use spirv::with_memory_model;
#[doc(hidden)]
pub use tuning::remembered_shapes;

use self::backward::{Call, Kept};
use self::choice::Choice;
use self::device::Gpu;
use self::lock::lock;
use self::mixed::check;
use self::predictor::Predictor;
use self::session::GpuSession;
use self::task::PredictionTask;
pub use super::choice::{Kernels, Precision};
use super::{
    CandidateTime, Compute, Device, Engine, KernelTime, Output, Pending, Plan, Prepared, Session,
    handles,
};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::gradients::{Gradients, Wanted};
use crate::network::Network;
use crate::real::Real;
use std::fmt;
use std::sync::Arc;

/// The environment variables that name an adapter where nothing else does, the first before the second. The second is
/// wgpu's.
const ADAPTER_VARIABLES: [&str; 2] = ["IMPASTO_ADAPTER", "WGPU_ADAPTER_NAME"];

/// The adapter that the environment names: (the variable, the name).
pub(crate) fn named_adapter() -> Option<(&'static str, String)> {
    let named = |variable| {
        let name = std::env::var(variable).ok().filter(|name| !name.is_empty())?;
        Some((variable, name))
    };
    ADAPTER_VARIABLES.into_iter().find_map(named)
}

/// Opens the best adapter, or that of this name; see [`GpuEngine::open_async`].
pub(crate) async fn open(
    name: Option<&str>,
    kernels: Kernels,
    precision: Precision,
    tune: bool,
) -> Result<Engine> {
    let opened = GpuEngine::open_for_async(name, precision).await?;
    Ok(opened.with_kernels(kernels).with_tuning(tune).into())
}

/// Opens the best real GPU; see [`GpuEngine::open_real_gpu_async`].
pub(crate) async fn open_real_gpu(
    kernels: Kernels,
    precision: Precision,
    tune: bool,
) -> Result<Engine> {
    let opened = GpuEngine::open_real_gpu_for(precision).await?;
    Ok(opened.with_kernels(kernels).with_tuning(tune).into())
}

/// A GPU (or a software adapter) as an engine. A clone is on the same device.
///
/// Most programs open it through [`Engine::open`] or [`Options`](crate::Options), with the search for the
/// fastest kernels. An engine that is opened here searches only after [`with_tuning`](Self::with_tuning).
///
/// ```no_run
/// use impasto::Engine;
/// use impasto::gpu::{GpuEngine, Kernels};
///
/// let gpu = match GpuEngine::open_real_gpu() {
///     Ok(gpu) => gpu,
///     Err(_) => GpuEngine::open(Some("llvmpipe"))?,
/// };
/// let engine = Engine::from(gpu.clone().with_kernels(Kernels::Layerwise).with_tuning(true));
/// println!("{}: {} submissions so far", engine.device(), gpu.counts().submissions);
/// # Ok::<(), impasto::Error>(())
/// ```
#[derive(Clone)]
pub struct GpuEngine {
    gpu: Arc<Gpu>,
    choice: Choice,
    /// The backward passes of earlier calls.
    kept: Kept,
}

impl fmt::Debug for GpuEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kernels = self.choice.kernels;
        f.debug_struct("GpuEngine")
            .field("device", &self.gpu.info)
            .field("kernels", &kernels)
            .finish_non_exhaustive()
    }
}

/// The adapters that this engine can run on, best first. Blocks.
///
/// ```
/// for device in impasto::gpu::adapters() {
///     println!("{}", device.description());
/// }
/// ```
#[cfg(not(target_arch = "wasm32"))]
pub fn adapters() -> Vec<Device> {
    pollster::block_on(adapters_async())
}

/// The adapters that this engine can run on, best first. See [`adapters`] for an example.
pub async fn adapters_async() -> Vec<Device> {
    let found = adapter::find().await;
    found.into_iter().map(|candidate| candidate.device).collect()
}

impl GpuEngine {
    /// Opens the best adapter whose description contains `name`, in upper or lower case. A number is the place of an
    /// adapter in [`adapters_async`], from 0, if there are so many. Without a name, or with an empty one, it
    /// opens the best adapter, which is a software adapter if there is no other. See
    /// [`open`](Self::open) for an example.
    ///
    /// # Errors
    /// There is no such adapter (the message lists the adapters that exist), or it cannot be opened.
    pub async fn open_async(name: Option<&str>) -> Result<Self> {
        Self::open_for_async(name, Precision::Full).await
    }

    /// As [`open_async`](Self::open_async), to train in this precision where it can be had. See
    /// [`open_for`](Self::open_for) for an example.
    ///
    /// # Errors
    /// As [`open_async`](Self::open_async).
    pub async fn open_for_async(name: Option<&str>, precision: Precision) -> Result<Self> {
        let candidate = adapter::choose(name).await?;
        Ok(Self::with(Gpu::open_for(candidate, precision).await?, precision))
    }

    /// Blocking form of [`open_for_async`](Self::open_for_async).
    ///
    /// ```no_run
    /// use impasto::Engine;
    /// use impasto::gpu::{GpuEngine, Precision};
    ///
    /// let engine = Engine::from(GpuEngine::open_for(None, Precision::Mixed)?);
    /// println!("{}", engine.device());
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`open_async`](Self::open_async).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open_for(name: Option<&str>, precision: Precision) -> Result<Self> {
        pollster::block_on(Self::open_for_async(name, precision))
    }

    fn with(gpu: Gpu, precision: Precision) -> Self {
        let choice = Choice { precision, ..Choice::default() };
        Self { gpu: Arc::new(gpu), choice, kept: Kept::default() }
    }

    /// Blocking form of [`open_async`](Self::open_async).
    ///
    /// # Errors
    /// As [`open_async`](Self::open_async).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open(name: Option<&str>) -> Result<Self> {
        pollster::block_on(Self::open_async(name))
    }

    /// Opens the best real GPU that works. See [`open_real_gpu`](Self::open_real_gpu) for an example.
    ///
    /// # Errors
    /// There are only software adapters, or no real one can be opened. The message says why.
    pub async fn open_real_gpu_async() -> Result<Self> {
        Self::open_real_gpu_for(Precision::Full).await
    }

    async fn open_real_gpu_for(precision: Precision) -> Result<Self> {
        adapter::check_environment()?;
        let found = adapter::find().await;
        let open = async |candidate| Gpu::open_for(candidate, precision).await;
        let (gpu, refused) = adapter::open_first(found, open).await?;
        for reason in refused {
            gpu.note(reason);
        }
        Ok(Self::with(gpu, precision))
    }

    /// Blocking form of [`open_real_gpu_async`](Self::open_real_gpu_async).
    ///
    /// # Errors
    /// As [`open_real_gpu_async`](Self::open_real_gpu_async).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open_real_gpu() -> Result<Self> {
        pollster::block_on(Self::open_real_gpu_async())
    }

    /// The same engine with no buffer larger than `bytes`, as on a small device. Large batches and datasets
    /// are then divided into more parts. It is for tests of programs that must run on such devices.
    #[must_use]
    pub fn with_largest_buffer(self, bytes: u64) -> Self {
        self.gpu.limit_buffers(bytes);
        self
    }

    /// The number of commands to the device so far, by this engine, its clones and the sessions on it.
    pub fn counts(&self) -> Counts {
        self.gpu.counts()
    }

    /// The same engine with these kernels.
    #[must_use]
    pub fn with_kernels(self, kernels: Kernels) -> Self {
        Self { choice: Choice { kernels, ..self.choice }, ..self }
    }

    /// The same engine, which searches for the fastest shapes of its fused kernels if `tune` is true. An
    /// engine that [`open`](Self::open) returns does not search.
    ///
    /// The search is done once for each set of widths and batch size, takes at most nine seconds, and is
    /// remembered in the user's cache folder, or in the folder that the environment variable `IMPASTO_CACHE`
    /// names. Like any other choice of kernels, it changes the speed of a run and the last bits of its
    /// results.
    #[must_use]
    pub fn with_tuning(self, tune: bool) -> Self {
        Self { choice: Choice { tune, ..self.choice }, ..self }
    }

    /// Gives the device up, as a reset of the driver does. Every later use of it is an
    /// [`Error::DeviceLost`](crate::Error::DeviceLost). It is for tests of what a program does then.
    pub fn destroy(&self) {
        self.gpu.destroy();
    }

    /// A training run in the precision that was chosen, or in f32.
    async fn session(
        &self,
        network: &Network,
        plan: &Plan,
        dataset: &Dataset,
    ) -> Result<GpuSession> {
        plan.check(network, dataset)?;
        let Self { gpu, choice, .. } = self;
        let choice = packed::settled(gpu, *choice, network, plan, dataset);
        let choice = check::settled(gpu, choice, network, plan, dataset).await?;
        let session = GpuSession::start(gpu, network, plan, dataset, choice).await?;
        *lock(&self.gpu.trained_in) = session.precision();
        Ok(session)
    }

    async fn forward_in_parts<R: Real>(
        &self,
        network: &Network,
        inputs: &[R],
        output: Output,
    ) -> Result<Vec<R>> {
        self.gpu.check()?;
        let samples = network.samples_in(inputs)?;
        if samples == 0 {
            return Ok(Vec::new());
        }
        let gpu = &self.gpu;
        let task = PredictionTask { gpu, network, samples, output, parameters: None };
        lowering::build(&task, self.choice.kernels).await?.run(gpu, inputs).await
    }
}

handles!(GpuEngine);

impl Compute for GpuEngine {
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
            let session = self.session(network, plan, dataset).await?;
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
            let session = self.session(network, plan, dataset).await?;
            session.profile().await
        })
    }

    fn candidates(&self) -> Vec<CandidateTime> {
        self.gpu.candidate_times()
    }

    fn notes(&self) -> Vec<String> {
        self.gpu.notes()
    }

    fn precision(&self) -> Precision {
        *lock(&self.gpu.trained_in)
    }

    fn forward<'a>(
        &'a self,
        network: &'a Network,
        inputs: &'a [f64],
        output: Output,
    ) -> Pending<'a, Vec<f64>> {
        Box::pin(self.forward_in_parts(network, inputs, output))
    }

    fn forward_f32<'a>(
        &'a self,
        network: &'a Network,
        inputs: &'a [f32],
        output: Output,
    ) -> Pending<'a, Vec<f32>> {
        Box::pin(self.forward_in_parts(network, inputs, output))
    }

    fn backward<'a>(
        &'a self,
        network: &'a Network,
        inputs: &'a [f32],
        output_gradient: &'a [f32],
        wanted: Wanted,
    ) -> Pending<'a, Option<Gradients>> {
        Box::pin(async move {
            let Self { gpu, choice, kept } = self;
            let task = Call { gpu, kernels: choice.kernels, network, wanted };
            kept.gradients(&task, inputs, output_gradient).await.map(Some)
        })
    }

    fn prepare<'a>(&'a self, network: &'a Network) -> Pending<'a, Option<Box<dyn Prepared>>> {
        Box::pin(async move {
            let predictor = Predictor::new(&self.gpu, network, self.choice.kernels).await?;
            Ok(Some(Box::new(predictor) as Box<dyn Prepared>))
        })
    }
}
