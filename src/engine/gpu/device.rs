//! An open device: buffers, error scopes, reported errors and the kernel cache.

use super::adapter::Candidate;
use super::cache::Cache;
use super::candidates::candidates;
use super::kernels::{Kernel, KernelKey};
use super::layout::Layout;
use super::lock::lock;
use super::matrices::Matrices;
use super::pipelines::Pipelines;
use super::recent::Recent;
use super::scopes::Scopes;
use super::shape::{Abilities, Shapes};
use super::turns;
use super::waiter::Waiter;
use crate::device::{Api, Device, DeviceType};
use crate::engine::CandidateTime;
use crate::engine::choice::Precision;
use crate::error::{Error, Result};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Devices are opened one after the other: NVIDIA's driver for Linux fails where several threads do so at once
/// (<https://github.com/kvark/blade/issues/336>).
static OPENING: Mutex<()> = Mutex::new(());

/// The largest buffer the engine makes where the device would allow more: positions in it stay
/// within 32 bits.
const LARGEST_BUFFER: u64 = 1 << 31;

/// Bytes between two steps in the buffer of steps: WebGPU's largest alignment.
pub(super) const STEP_STRIDE: u64 = 256;

/// What the driver reported outside any error scope.
#[derive(Default)]
struct Failures {
    lost: Option<String>,
    error: Option<String>,
}

/// The number of commands that an engine has sent to its device so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Dispatches of kernels.
    pub dispatches: u64,
    /// Submissions of commands.
    pub submissions: u64,
    /// Writes from the host to a buffer.
    pub uploads: u64,
    /// Reads of buffers back to the host, none of which holds up the device.
    pub readbacks: u64,
}

/// A device with its queue, its kernels and its failures.
pub(super) struct Gpu {
    /// Before the device, so that it is dropped first.
    pub(super) waiter: Waiter,
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) info: Device,
    pub(super) limits: wgpu::Limits,
    /// Layout of the bind group that holds the current step.
    pub(super) step_layout: wgpu::BindGroupLayout,
    /// The shapes that a search found, also where nothing can be remembered on disk.
    pub(super) found: Mutex<Recent<String, Shapes>>,
    /// What the last search measured.
    candidate_times: Mutex<Vec<CandidateTime>>,
    /// What is remembered from run to run.
    pub(super) cache: Cache,
    /// What the driver compiled, now and before.
    pub(super) pipelines: Pipelines,
    /// What decides the shapes of the fused kernels.
    pub(super) abilities: Abilities,
    /// The matrices that mixed precision multiplies, or why there are none.
    pub(super) matrices: std::result::Result<Matrices, String>,
    /// Whether its kernels can pack numbers as f16 in words. An llvmpipe without f16 cannot.
    pub(super) packs: bool,
    /// In which precision the last training run was started.
    pub(super) trained_in: Mutex<Precision>,
    /// For which tiles the kernels of mixed precision were found right or wrong.
    pub(super) checked: Mutex<Recent<String, bool>>,
    largest_buffer: AtomicU64,
    pub(super) kernels: Mutex<Recent<KernelKey, Arc<Kernel>>>,
    /// The texts of formulas of the caller's that compile.
    pub(super) compiled_formulas: Mutex<Recent<String, ()>>,
    /// Whether a kernel was compiled since the last were remembered.
    pub(super) unsaved: AtomicBool,
    failures: Arc<Mutex<Failures>>,
    counts: Mutex<Counts>,
    notes: Mutex<Vec<String>>,
    /// Which kernels a test has the driver refuse.
    #[cfg(test)]
    pub(super) refuses: Mutex<Option<Refuses>>,
    /// What a test makes of the texts of kernels before they are compiled.
    #[cfg(test)]
    pub(super) rewrites: Mutex<Option<Rewrites>>,
}

/// Whether a test has the driver refuse a kernel.
#[cfg(test)]
pub(super) type Refuses = Box<dyn Fn(&KernelKey) -> bool + Send>;

/// What a test makes of the text of a kernel.
#[cfg(test)]
pub(super) type Rewrites = Box<dyn Fn(&str) -> String + Send>;

/// The most compiled kernels, and the most networks with found shapes, that an engine remembers. A
/// search tries about ten kernels, and a network trains and predicts with three or four.
pub(super) const MOST_KERNELS: usize = 128;

/// How long commands that are under way may delay the report that the device is lost.
const LOSS_REPORT: Duration = Duration::from_secs(2);

/// The most notes that are kept: a driver that refuses something usually does so again.
const MOST_NOTES: usize = 100;

impl Gpu {
    /// Opens an adapter with every limit it has: what the engine needs of them was checked, and
    /// larger buffers mean fewer parts.
    #[cfg(test)]
    pub(super) async fn open(candidate: Candidate) -> Result<Self> {
        Self::open_for(candidate, Precision::Full).await
    }

    /// Opens an adapter with every limit it has, and what a precision needs if it is there.
    pub(super) async fn open_for(candidate: Candidate, precision: Precision) -> Result<Self> {
        let limits = candidate.adapter.limits();
        let found = match precision {
            Precision::Full | Precision::F16Storage => {
                Err("the device was not opened for mixed precision".into())
            }
            Precision::Mixed => Matrices::of(&candidate),
        };
        let matrices = match found {
            Ok(matrices) => matrices,
            Err(reason) => return Self::open_as(candidate, limits, Err(reason)).await,
        };
        let again = candidate.clone();
        match Self::open_as(candidate, limits.clone(), Ok(matrices)).await {
            // A driver that lists what it then refuses.
            Err(Error::Gpu { reason, .. }) => Self::open_as(again, limits, Err(reason)).await,
            other => other,
        }
    }

    /// Opens an adapter with these limits.
    #[cfg(test)]
    pub(super) async fn open_with(candidate: Candidate, limits: wgpu::Limits) -> Result<Self> {
        Self::open_as(candidate, limits, Err("a test opened the device".into())).await
    }

    async fn open_as(
        candidate: Candidate,
        limits: wgpu::Limits,
        matrices: std::result::Result<Matrices, String>,
    ) -> Result<Self> {
        let Candidate { adapter, device: info } = candidate;
        let wanted = wgpu::Features::SUBGROUP
            | wgpu::Features::TIMESTAMP_QUERY
            | wgpu::Features::PIPELINE_CACHE;
        let for_matrices = matrices.as_ref().map_or(wgpu::Features::empty(), |m| m.features());
        let features = (adapter.features() & wanted) | for_matrices;
        let experimental_features = match &matrices {
            Ok(_) => Matrices::experiments(),
            Err(_) => wgpu::ExperimentalFeatures::disabled(),
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("impasto"),
            required_features: features,
            required_limits: limits.clone(),
            experimental_features,
            ..Default::default()
        };
        #[cfg(target_arch = "wasm32")]
        let wish = super::browser::Wish::for_subgroups();
        // wgpu opens the device in this call, and not when it is awaited.
        let opening = {
            let _turn = lock(&OPENING);
            adapter.request_device(&descriptor)
        };
        let (device, queue) = opening.await.map_err(|e| Error::Gpu {
            what: format!("opening {}", info.description()),
            reason: e.to_string(),
        })?;
        #[cfg(target_arch = "wasm32")]
        let subgroups = wish.is_granted();
        #[cfg(not(target_arch = "wasm32"))]
        let subgroups = features.contains(wgpu::Features::SUBGROUP);
        let width = adapter.get_info().subgroup_min_size;
        let subgroup = if subgroups { width } else { 0 };
        let broadcast = subgroup.min(8);
        // An adapter that reports nothing is llvmpipe through OpenGL, for which 4 would be wgpu's guess.
        let is_reported = subgroups || info.api == Some(Api::WebGpu);
        let vector = if is_reported && (4..8).contains(&width) { width } else { 8 };
        let failures = Arc::new(Mutex::new(Failures::default()));
        let noted = Arc::clone(&failures);
        device.set_device_lost_callback(move |_, reason| {
            lock(&noted).lost.get_or_insert(reason);
        });
        let noted = Arc::clone(&failures);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            lock(&noted).error.get_or_insert(one_line(&error));
        }));
        let step_layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("step"),
            entries: &[wgpu::BindGroupLayoutEntry {
                binding: 0,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Storage { read_only: true },
                    has_dynamic_offset: true,
                    min_binding_size: None,
                },
                count: None,
            }],
        });
        let abilities = Abilities {
            limits: limits.clone(),
            software: info.device_type == DeviceType::Software,
            broadcast,
            subgroup,
            vector,
            most_turns: turns::most(&info),
        };
        let cache = Cache::of_the_user();
        let capabilities = adapter.get_downlevel_capabilities();
        let largest = limits.max_buffer_size.min(limits.max_storage_buffer_binding_size);
        Ok(Self {
            waiter: Waiter::new(&device),
            queue,
            info,
            limits,
            step_layout,
            found: Mutex::new(Recent::new(MOST_KERNELS)),
            candidate_times: Mutex::default(),
            pipelines: Pipelines::load(&device, &adapter.get_info(), &cache).await,
            notes: Mutex::new(cache.distrust().map(String::from).into_iter().collect()),
            cache,
            abilities,
            matrices,
            packs: capabilities.flags.contains(wgpu::DownlevelFlags::SHADER_F16_IN_F32),
            trained_in: Mutex::default(),
            checked: Mutex::new(Recent::new(MOST_KERNELS)),
            largest_buffer: AtomicU64::new(largest.min(LARGEST_BUFFER)),
            kernels: Mutex::new(Recent::new(MOST_KERNELS)),
            compiled_formulas: Mutex::new(Recent::new(MOST_KERNELS)),
            unsaved: AtomicBool::new(false),
            failures,
            counts: Mutex::default(),
            #[cfg(test)]
            refuses: Mutex::default(),
            #[cfg(test)]
            rewrites: Mutex::default(),
            device,
        })
    }

    /// What has been asked of the device so far.
    pub(super) fn counts(&self) -> Counts {
        *lock(&self.counts)
    }

    pub(super) fn count(&self, add: impl FnOnce(&mut Counts)) {
        add(&mut lock(&self.counts));
    }

    /// What the user should know of the choices made so far.
    pub(super) fn notes(&self) -> Vec<String> {
        lock(&self.notes).clone()
    }

    /// Adds a note for the user, once.
    pub(super) fn note(&self, note: String) {
        let mut notes = lock(&self.notes);
        if !notes.contains(&note) && notes.len() < MOST_NOTES {
            notes.push(note);
        }
    }

    /// What the last search measured, in its order.
    pub(super) fn candidate_times(&self) -> Vec<CandidateTime> {
        lock(&self.candidate_times).clone()
    }

    /// Replaces what an earlier search measured: steps in some shapes, and the seconds of each.
    pub(super) fn set_candidate_times(&self, times: &[(Shapes, f64)]) {
        let time = |(shapes, seconds): &(Shapes, f64)| CandidateTime {
            shapes: shapes.to_string(),
            seconds: *seconds,
        };
        *lock(&self.candidate_times) = times.iter().map(time).collect();
    }

    /// Writes to the beginning of a buffer.
    pub(super) fn write(&self, buffer: &wgpu::Buffer, bytes: &[u8]) {
        self.queue.write_buffer(buffer, 0, bytes);
        self.count(|counts| counts.uploads += 1);
    }

    /// Writes words behind the first `offset` bytes of a buffer.
    pub(super) fn write_at(&self, buffer: &wgpu::Buffer, offset: u64, words: &[u32]) {
        self.queue.write_buffer(buffer, offset, bytemuck::cast_slice(words));
        self.count(|counts| counts.uploads += 1);
    }

    /// Copies the first `size` bytes of a buffer to another.
    pub(super) fn copy(&self, from: &wgpu::Buffer, to: &wgpu::Buffer, offset: u64, size: u64) {
        let mut encoder = self.encoder("copy");
        encoder.copy_buffer_to_buffer(from, 0, to, offset, size);
        self.queue.submit([encoder.finish()]);
    }

    /// The most bytes a storage buffer may have.
    pub(super) fn largest_buffer(&self) -> u64 {
        self.largest_buffer.load(Ordering::Relaxed)
    }

    pub(super) fn limit_buffers(&self, bytes: u64) {
        self.largest_buffer.fetch_min(bytes, Ordering::Relaxed);
    }

    pub(super) fn destroy(&self) {
        self.device.destroy();
    }

    /// An error if the device was lost or refused something since it was opened.
    pub(super) fn check(&self) -> Result<()> {
        if lock(&self.failures).error.is_some() {
            // What was refused may have been refused because the device is gone.
            self.wait_for_loss();
        }
        let failures = lock(&self.failures);
        if let Some(reason) = &failures.lost {
            let reason =
                if reason.is_empty() { "no reason given" } else { reason.trim_end_matches('.') };
            return Err(Error::DeviceLost {
                adapter: self.info.adapter.clone(),
                reason: reason.to_string(),
            });
        }
        match &failures.error {
            Some(reason) => {
                Err(Error::Gpu { what: "running the kernels".into(), reason: reason.clone() })
            }
            None => Ok(()),
        }
    }

    /// After something failed, waits for the report that the device is lost, if that is why: the report comes later
    /// than what fails for it.
    #[allow(clippy::unused_async, reason = "only a browser is awaited")]
    pub(super) async fn hear_of_loss(&self) {
        #[cfg(target_arch = "wasm32")]
        super::browser::wait_until(|| lock(&self.failures).lost.is_some()).await;
        #[cfg(not(target_arch = "wasm32"))]
        self.wait_for_loss();
    }

    /// Has wgpu report that the device is lost, if it is. wgpu does so when the device is polled and no commands are
    /// under way any more.
    fn wait_for_loss(&self) {
        let timeout = Some(LOSS_REPORT);
        let _ = self.device.poll(wgpu::PollType::Wait { submission_index: None, timeout });
    }

    /// Runs `make` and turns whatever the driver says against it into an error that names `what`.
    pub(super) async fn guarded<T>(
        &self,
        what: &str,
        make: impl FnOnce(&wgpu::Device) -> T,
    ) -> Result<T> {
        let scopes = Scopes::push(&self.device);
        let made = make(&self.device);
        match scopes.pop().await {
            Some(error) => Err(self.failure(what, &error)),
            None => Ok(made),
        }
    }

    /// The error that says that the driver refused `what`, or that the device is lost, which is the
    /// better reason if that is what it is.
    pub(super) fn failure(&self, what: &str, error: &wgpu::Error) -> Error {
        let refused = Error::Gpu { what: what.to_string(), reason: one_line(error) };
        self.wait_for_loss();
        self.check().err().unwrap_or(refused)
    }

    /// A buffer of `count` 32-bit numbers, all zero.
    pub(super) async fn buffer(
        &self,
        label: &str,
        count: usize,
        usage: wgpu::BufferUsages,
    ) -> Result<wgpu::Buffer> {
        let size = (count as u64).saturating_mul(4).max(16);
        if size > self.largest_buffer() {
            return Err(Error::TooLarge {
                what: format!("the buffer '{label}' on {}", self.info.adapter),
                needed: size,
                limit: self.largest_buffer(),
                advice: "make the layers narrower, or use the CPU engine".into(),
            });
        }
        let descriptor = wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage: usage | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        };
        let scopes = Scopes::push(&self.device);
        let buffer = self.device.create_buffer(&descriptor);
        let Some(error) = scopes.pop().await else { return Ok(buffer) };
        let failure = self.failure(&format!("making the buffer '{label}' of {size} bytes"), &error);
        Err(match (error, failure) {
            (wgpu::Error::OutOfMemory { .. }, Error::Gpu { .. }) => Error::OutOfMemory {
                what: format!("the buffer '{label}' on {}", self.info.adapter),
                needed: size,
                advice: "lower the batch size".into(),
            },
            (_, failure) => failure,
        })
    }

    /// A storage buffer of `count` 32-bit numbers, all zero.
    pub(super) async fn storage(&self, label: &str, count: usize) -> Result<wgpu::Buffer> {
        self.buffer(label, count, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC).await
    }

    /// A storage buffer that holds `values`.
    pub(super) async fn upload<T: bytemuck::NoUninit>(
        &self,
        label: &str,
        values: &[T],
    ) -> Result<wgpu::Buffer> {
        let bytes = bytemuck::cast_slice(values);
        let buffer = self.storage(label, bytes.len() / 4).await?;
        self.write(&buffer, bytes);
        Ok(buffer)
    }

    /// A new list of commands.
    pub(super) fn encoder(&self, label: &str) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some(label) })
    }

    /// What binds a buffer of steps, one slice at a time.
    pub(super) async fn step_group(&self, steps: &wgpu::Buffer) -> Result<wgpu::BindGroup> {
        self.guarded("binding the buffer 'steps'", |device| {
            device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("step"),
                layout: &self.step_layout,
                entries: &[wgpu::BindGroupEntry {
                    binding: 0,
                    resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                        buffer: steps,
                        offset: 0,
                        size: wgpu::BufferSize::new(STEP_STRIDE),
                    }),
                }],
            })
        })
        .await
    }

    /// The shapes of the fused kernels that this device can run for a network.
    pub(super) fn candidates(&self, layout: &Layout) -> Vec<Shapes> {
        candidates(&self.abilities, layout)
    }

    /// An error of one way to compute something, after which another way can be tried.
    ///
    /// # Errors
    /// Any other error, such as that of a lost device.
    pub(super) fn refusal(&self, error: Error) -> Result<Error> {
        match error {
            Error::Gpu { .. } | Error::TooLarge { .. } | Error::OutOfMemory { .. } => {
                self.check().map(|()| error)
            }
            other => Err(other),
        }
    }

    /// How many compiled kernels are remembered.
    #[cfg(test)]
    pub(super) fn kernels_held(&self) -> usize {
        lock(&self.kernels).len()
    }

    /// Remembers what the driver compiled, if there is anything new, and notes what could not be remembered.
    pub(super) async fn remember(&self) {
        if self.unsaved.swap(false, Ordering::Relaxed) {
            self.pipelines.save(&self.device, &self.cache).await;
        }
        if let Some(reason) = self.cache.distrust() {
            self.note(reason.into());
        }
    }
}

/// The most characters of a driver's report that a message contains.
const MOST_CHARACTERS: usize = 1_500;

/// A driver's report in one line. A long one, which may quote a whole kernel, is cut.
fn one_line(error: &wgpu::Error) -> String {
    let text = match error {
        wgpu::Error::OutOfMemory { .. } => "out of memory: lower the batch size".to_string(),
        other => other.to_string(),
    };
    let mut line =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(MOST_CHARACTERS) {
        line.truncate(end);
        line.push('…');
    }
    line
}
