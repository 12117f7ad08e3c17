//! The traits of an engine and its sessions, and `Engine`, the handle to one.
//!
//! An [`Engine`] is a handle to an implementation of [`Compute`]. It knows networks, losses and
//! optimizers, but no epochs, stopping rules or pictures. A [`Session`] is one training run on it.
//! Parameters, optimizer state and samples stay where the engine computes until a caller reads them.
//!
//! What waits for a device is a future ([`Pending`]), since a browser must not block. The
//! blocking forms ([`Engine::open`], [`Engine::predict`]) are for native callers.

mod choice;
pub mod cpu;
#[cfg(feature = "gpu")]
pub mod gpu;
#[cfg(not(feature = "gpu"))]
#[path = "engine/without_gpu.rs"]
pub mod gpu;
mod notes;
mod outcome;
#[cfg(not(target_arch = "wasm32"))]
mod outputs;
mod pending;
mod prepared;
pub mod reference;
mod times;

use self::choice::Precision;
use self::notes::Notes;
pub use self::outcome::{Divergence, Outcome, Output};
pub use self::pending::Pending;
pub(crate) use self::pending::ready;
pub use self::prepared::Prepared;
pub use self::times::{CandidateTime, KernelTime};
use crate::dataset::Dataset;
pub use crate::device::Device;
use crate::error::{Result, invalid_setting, unsupported};
use crate::gradients::{Gradients, Wanted};
use crate::loss::Loss;
use crate::network::Network;
pub use crate::plan::{Plan, Step};
pub(crate) use crate::plan::{check_evaluation, check_gradient, not_finite};
use crate::resources::Resources;
use crate::state::State;
use crate::stop::StopHandle;
use crate::threads::{MaybeSend, MaybeSync};
use std::fmt;
use std::sync::Arc;

/// The most notes that painting adds to those of an engine.
#[cfg(feature = "pictures")]
const MOST_NOTES: usize = 3;

/// A handle to an engine, which trains and runs networks.
///
/// A clone is another handle to the same engine and costs nothing. Except on WebAssembly, threads can share
/// it.
///
/// ```
/// use impasto::cpu::CpuEngine;
/// use impasto::{Backend, Engine};
///
/// // The best that is there, or one that you choose.
/// let best = Engine::open(Backend::Auto)?;
/// let one_thread = Engine::from(CpuEngine::new(Some(1))?);
/// println!("{} or {}", best.device(), one_thread.device());
/// # Ok::<(), impasto::Error>(())
/// ```
#[derive(Clone)]
pub struct Engine(Arc<dyn Compute>, Arc<Notes>);

impl Engine {
    /// A handle to an engine of another crate. The engines of this crate convert by `From`. See [`Compute`]
    /// for an example.
    pub fn new(engine: impl Compute + 'static) -> Self {
        Self(Arc::new(engine), Arc::default())
    }

    /// The device that it runs on.
    pub fn device(&self) -> &Device {
        self.0.device()
    }

    /// Loads a network and its samples, ready to train; see [`Compute::start`]. [`Session`] has an example.
    ///
    /// # Errors
    /// A plan that does not fit the network or the samples, or a device that cannot hold them.
    pub fn start<'a>(
        &'a self,
        network: &'a Network,
        plan: &'a Plan,
        dataset: &'a Dataset,
    ) -> Pending<'a, Box<dyn Session>> {
        self.0.start(network, plan, dataset)
    }

    /// The outputs (or logits) of `inputs`, `[samples, network.inputs()]`, as `[samples, network.outputs()]`.
    /// No sample gives no output. See [`predict`](Self::predict) for an example.
    ///
    /// # Errors
    /// Inputs that are no whole samples, or a device that failed.
    pub fn forward<'a>(
        &'a self,
        network: &'a Network,
        inputs: &'a [f64],
        output: Output,
    ) -> Pending<'a, Vec<f64>> {
        self.0.forward(network, inputs, output)
    }

    /// What the user should know of choices that were made for them so far: why no GPU is used, or
    /// which kernels a driver refused and what is used in their place; and pixels that were painted although the
    /// network computes no finite number for them. One sentence each.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.0.notes();
        notes.extend(self.1.lines());
        notes
    }

    /// Adds a note, unless there are many already.
    #[cfg(feature = "pictures")]
    pub(crate) fn add_note(&self, note: String) {
        if self.1.lines().len() < MOST_NOTES {
            self.1.add(note);
        }
    }

    /// How long each kernel of a full training step takes on the GPU engine's device, and each phase of one
    /// on the CPU engine's threads; see [`Compute::profile`].
    ///
    /// ```
    /// use impasto::{Activation, Dataset, Engine, Network, Trainer, cpu::CpuEngine};
    ///
    /// let network = Network::builder(2).hidden(&[8], Activation::Relu).output(1, Activation::Identity);
    /// let network = network.build()?;
    /// let samples = Dataset::new(vec![0.5; 20], vec![0.1; 10], 2, 1)?;
    /// let plan = Trainer { batch_size: 5, ..Trainer::default() }.plan(&samples);
    /// let engine = Engine::from(CpuEngine::new(Some(1))?);
    /// let phases = pollster::block_on(engine.profile(&network, &plan, &samples))?;
    /// for phase in &phases {
    ///     println!("{}: {:.1} µs", phase.kernel, phase.seconds * 1e6);
    /// }
    /// assert!(phases.iter().any(|phase| phase.kernel == "weight gradients"));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`start`](Self::start), and an engine that cannot time its steps, such as the reference, a device
    /// whose clock cannot time kernels, or on the CPU engine a step that is not finite.
    pub fn profile<'a>(
        &'a self,
        network: &'a Network,
        plan: &'a Plan,
        dataset: &'a Dataset,
    ) -> Pending<'a, Vec<KernelTime>> {
        self.0.profile(network, plan, dataset)
    }

    /// The shapes that the last search for the fastest kernels measured; see [`Compute::candidates`].
    ///
    /// ```
    /// use impasto::{Activation, Backend, Dataset, Engine, Network, Trainer};
    ///
    /// let network = Network::builder(2).hidden(&[8], Activation::Relu).output(1, Activation::Identity);
    /// let network = network.build()?;
    /// let samples = Dataset::new(vec![0.5; 20], vec![0.1; 10], 2, 1)?;
    /// let plan = Trainer { batch_size: 5, ..Trainer::default() }.plan(&samples);
    /// // Only a GPU is searched.
    /// let engine = Engine::open(Backend::Auto)?;
    /// pollster::block_on(engine.start(&network, &plan, &samples))?;
    /// for candidate in engine.candidates() {
    ///     println!("{}: {:.1} µs", candidate.shapes, candidate.seconds * 1e6);
    /// }
    /// # Ok::<(), impasto::Error>(())
    /// ```
    pub fn candidates(&self) -> Vec<CandidateTime> {
        self.0.candidates()
    }

    /// What the handle is to.
    pub(crate) fn compute(&self) -> &dyn Compute {
        &*self.0
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Engine").field(self.device()).finish()
    }
}

impl From<&Self> for Engine {
    fn from(engine: &Self) -> Self {
        engine.clone()
    }
}

/// Implements the conversions of an engine into an [`Engine`].
macro_rules! handles {
    ($engine:ty) => {
        impl From<$engine> for crate::engine::Engine {
            fn from(engine: $engine) -> Self {
                Self::new(engine)
            }
        }

        impl From<&$engine> for crate::engine::Engine {
            fn from(engine: &$engine) -> Self {
                Self::new(engine.clone())
            }
        }
    };
}

pub(crate) use handles;

/// The interface that every engine implements. Users call it through an [`Engine`].
///
/// Engines of other crates can implement it. This example is the CPU engine under another name:
///
/// ```
/// use impasto::{Activation, Backend, Compute, Dataset, Device, Engine, Network};
/// use impasto::{Output, Pending, Plan, Session, cpu::CpuEngine};
///
/// struct Named(Device, CpuEngine);
///
/// impl Compute for Named {
///     fn device(&self) -> &Device {
///         &self.0
///     }
///
///     fn start<'a>(
///         &'a self,
///         network: &'a Network,
///         plan: &'a Plan,
///         dataset: &'a Dataset,
///     ) -> Pending<'a, Box<dyn Session>> {
///         self.1.start(network, plan, dataset)
///     }
///
///     fn forward<'a>(
///         &'a self,
///         network: &'a Network,
///         inputs: &'a [f64],
///         output: Output,
///     ) -> Pending<'a, Vec<f64>> {
///         self.1.forward(network, inputs, output)
///     }
/// }
///
/// let device = Device::processor(Backend::Cpu, "one core");
/// let engine = Engine::new(Named(device, CpuEngine::new(Some(1))?));
/// let network = Network::builder(2).output(1, Activation::Sigmoid).build()?;
/// assert_eq!(engine.predict(&network, &[0.5, -1.0])?.len(), 1);
/// assert_eq!(engine.device().adapter, "one core");
/// # Ok::<(), impasto::Error>(())
/// ```
pub trait Compute: MaybeSend + MaybeSync {
    /// The device that it runs on.
    fn device(&self) -> &Device;

    /// Loads a network and its samples, ready to train. The session shares the samples and borrows
    /// nothing.
    ///
    /// Fails on a plan that does not fit the network or the samples, and on a device that
    /// cannot hold them.
    fn start<'a>(
        &'a self,
        network: &'a Network,
        plan: &'a Plan,
        dataset: &'a Dataset,
    ) -> Pending<'a, Box<dyn Session>>;

    /// The outputs (or logits) of `inputs`, `[samples, network.inputs()]`, as
    /// `[samples, network.outputs()]`. No sample gives no output.
    fn forward<'a>(
        &'a self,
        network: &'a Network,
        inputs: &'a [f64],
        output: Output,
    ) -> Pending<'a, Vec<f64>>;

    /// [`forward`](Self::forward) of f32 numbers. Without an implementation, the numbers are converted.
    ///
    /// ```
    /// use impasto::{Activation, Compute, Network, Output, reference::ReferenceEngine};
    ///
    /// let network = Network::builder(2).output(1, Activation::Sigmoid).build()?;
    /// let engine = ReferenceEngine::new();
    /// let outputs = engine.forward_f32(&network, &[0.5, -1.0], Output::Activated);
    /// assert_eq!(pollster::block_on(outputs)?.len(), 1);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    fn forward_f32<'a>(
        &'a self,
        network: &'a Network,
        inputs: &'a [f32],
        output: Output,
    ) -> Pending<'a, Vec<f32>> {
        Box::pin(async move {
            let inputs: Vec<f64> = inputs.iter().map(|number| f64::from(*number)).collect();
            let outputs = self.forward(network, &inputs, output).await?;
            Ok(outputs.into_iter().map(|number| number as f32).collect())
        })
    }

    /// Prepares a network for many predictions with the same parameters. `None`, without an
    /// implementation: a [`Model`](crate::Model) then calls [`forward_f32`](Self::forward_f32).
    ///
    /// Fails on a network that the device cannot hold, and on a device that failed.
    fn prepare<'a>(&'a self, _network: &'a Network) -> Pending<'a, Option<Box<dyn Prepared>>> {
        ready(Ok(None))
    }

    /// The gradients of parameters and of inputs, from a gradient with respect to the outputs; see
    /// [`Engine::backward_async`]. The gradients that are not wanted are empty. The default implementation
    /// returns `None`; an [`Engine`] then computes the gradients with the f64 reference.
    ///
    /// Fails on lengths that do not fit the network or each other, a number that is not finite, an activation
    /// without a gradient, a gradient that leaves the range of f32, and on a device that failed.
    ///
    /// ```
    /// use impasto::{Activation, Compute, Network, Wanted, reference::ReferenceEngine};
    ///
    /// let network = Network::builder(2).output(1, Activation::Identity).build()?;
    /// let engine = ReferenceEngine::new();
    /// let gradients = engine.backward(&network, &[0.5, -1.0], &[1.0], Wanted::Parameters);
    /// let gradients = pollster::block_on(gradients)?.expect("the reference implements it");
    /// assert_eq!(gradients.parameters, [0.5, -1.0, 1.0]);
    /// assert!(gradients.inputs.is_empty());
    /// # Ok::<(), impasto::Error>(())
    /// ```
    fn backward<'a>(
        &'a self,
        _network: &'a Network,
        _inputs: &'a [f32],
        _output_gradient: &'a [f32],
        _wanted: Wanted,
    ) -> Pending<'a, Option<Gradients>> {
        ready(Ok(None))
    }

    /// What the user should know of choices that were made for them so far: why no GPU is used, or
    /// which kernels a driver refused and what is used in their place. Nothing by default.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// The precision of the training run that was started last: full by default. See
    /// [`Engine::precision`] for an example.
    fn precision(&self) -> Precision {
        Precision::Full
    }

    /// How long each kernel of a full training step takes on the device; nothing of the network is
    /// changed. On the CPU engine, how long each phase takes, the time in which threads wait for each other
    /// included; the phases add up to a step.
    ///
    /// Fails on an engine without an implementation, and on a device whose clock cannot time kernels. See
    /// [`Engine::profile`] for an example.
    fn profile<'a>(
        &'a self,
        _network: &'a Network,
        _plan: &'a Plan,
        _dataset: &'a Dataset,
    ) -> Pending<'a, Vec<KernelTime>> {
        ready(unsupported(format!(
            "only the GPU engine and the CPU engine can time their steps, not the {} engine",
            self.device().backend
        )))
    }

    /// The shapes of its kernels that its last search for the fastest measured, in the order of the search.
    /// There are none on an engine that did not search, or that remembered what an earlier search found.
    /// See [`Engine::candidates`] for an example.
    fn candidates(&self) -> Vec<CandidateTime> {
        Vec::new()
    }
}

/// How many moments of its run a session can keep at a time: see [`Session::keep`].
pub const KEPT: usize = 2;

/// The most bytes that a session keeps.
pub(crate) const MOST_KEPT: u64 = 256 << 20;

/// The error of a place that there is not, or in which nothing was kept.
pub(crate) fn no_place<T>(place: usize) -> Result<T> {
    invalid_setting(format!("nothing was kept in place {place}: the places are 0 to {}", KEPT - 1))
}

/// One training run on an engine. Except on WebAssembly, it can move to another thread.
///
/// ```
/// use impasto::reference::ReferenceEngine;
/// use impasto::{Activation, Dataset, Engine, Network, Output, Step, Trainer};
///
/// # fn main() -> Result<(), impasto::Error> {
/// # pollster::block_on(async {
/// let samples = Dataset::from_rows(&[[0.0], [1.0]], &[[1.0], [0.0]])?;
/// let network = Network::builder(1).output(1, Activation::Identity).build()?;
/// let engine = Engine::from(ReferenceEngine::new());
/// let plan = Trainer::default().plan(&samples);
///
/// let mut session = engine.start(&network, &plan, &samples).await?;
/// let before = session.evaluate(&samples, plan.loss).await?;
/// let step = |number| Step { number, epoch: number, first: 0, count: 2, learning_rate: 0.01 };
/// let outcome = session.train(&[step(1), step(2)])?.await?;
/// assert_eq!((outcome.losses.len(), outcome.diverged), (2, None));
/// assert!(session.evaluate(&samples, plan.loss).await? < before);
///
/// // A new session continues where this one is.
/// let state = session.state().await?;
/// let mut other = engine.start(&network, &plan, &samples).await?;
/// other.restore(&state).await?;
/// assert_eq!(other.parameters().await?, session.parameters().await?);
///
/// // A step that is taken back, and an update with a gradient of the caller's.
/// if other.can_keep() {
///     other.keep(0).await?;
///     other.train(&[step(3)])?.await?;
///     other.go_back(0).await?;
/// }
/// other.apply(&[0.5, -0.5], 0.01).await?;
/// let outputs = other.predict(&[0.0, 1.0], Output::Activated).await?;
/// println!("{outputs:?} with {} bytes", other.resources().total());
/// # Ok(())
/// # })
/// # }
/// ```
pub trait Session: MaybeSend {
    /// Starts these steps, in order, and returns a future of their outcome. The device works on while the
    /// caller does something else. After a step that diverged, the session takes no further step.
    ///
    /// # Errors
    /// - A step 0, or steps that are not numbered consecutively.
    /// - A range of samples outside the dataset.
    /// - A number of samples that is neither the plan's batch size nor the rest at the end of an epoch.
    /// - A learning rate that is not finite or not above 0.
    /// - A device that failed.
    fn train(&mut self, steps: &[Step]) -> Result<Pending<'static, Outcome>>;

    /// The parameters after all steps started so far, in the order of [`Network::parameters`]. If the plan
    /// has an [`Ema`](crate::Ema), this is their moving average; training continues with the parameters
    /// themselves.
    ///
    /// Fails on a device that failed.
    fn parameters(&mut self) -> Pending<'_, Vec<f64>>;

    /// The parameters and the optimizer's state after all steps started so far. After a step whose loss
    /// was not finite, they are those from before that step.
    ///
    /// Fails after an update that was not finite, and on a device that failed.
    fn state(&mut self) -> Pending<'_, State>;

    /// Sets the parameters and the optimizer's state to those of `state`, which comes from another session
    /// with the same network and plan, on any engine. The next steps continue from there. Engines that
    /// compute in f32 round its numbers, which changes nothing if they come from such an engine.
    ///
    /// Fails on a state of another network or optimizer, and on a device that failed; then nothing has
    /// changed.
    fn restore<'a>(&'a mut self, state: &'a State) -> Pending<'a, ()>;

    /// Whether it can [`keep`](Self::keep) moments of the run. The copies take twice the memory of parameters
    /// and optimizer's state; a session for which that is more than 256 MiB cannot.
    fn can_keep(&self) -> bool {
        false
    }

    /// Keeps the parameters and the optimizer's state as they are after all steps started so far, where
    /// the session computes, so that it can [go back](Self::go_back) to them. There are [`KEPT`]
    /// places, from 0; what was kept in that place before is dropped.
    ///
    /// Fails on a session that cannot keep, on another place, and on a device that failed.
    fn keep(&mut self, _place: usize) -> Pending<'_, ()> {
        ready(unsupported("this session cannot keep a moment of its run"))
    }

    /// Goes back to what was kept in a place: the steps started since then have had no effect.
    ///
    /// Fails where nothing was kept, and on a device that failed.
    fn go_back(&mut self, place: usize) -> Pending<'_, ()> {
        ready(no_place(place))
    }

    /// The outputs (or logits) of `inputs`, `[samples, network.inputs()]`, with the parameters learned so
    /// far ([`parameters`](Self::parameters)), as `[samples, network.outputs()]`. Nothing is dropped.
    ///
    /// Fails on inputs that are no whole samples, and on a device that failed.
    fn predict<'a>(&'a mut self, inputs: &'a [f64], output: Output) -> Pending<'a, Vec<f64>>;

    /// The `loss` of `dataset` with the parameters learned so far ([`parameters`](Self::parameters)),
    /// computed where the session computes. Samples count by their weights, nothing is dropped, and an L2
    /// penalty is not part of it. A dataset that shares its samples with that of the session, such as the
    /// other side of a [split](Dataset::split), is not uploaded.
    ///
    /// Fails on samples that do not fit the network or the loss, and on a device that failed.
    fn evaluate<'a>(&'a mut self, dataset: &'a Dataset, loss: Loss) -> Pending<'a, f64>;

    /// Updates the parameters once with a gradient of the caller's, in the order of
    /// [`Network::parameters`], at a learning rate above 0. As in a step, the plan's optimizer and wrappers
    /// take part and the L2 penalty is added.
    ///
    /// Fails on a gradient of another length or with a number that is not finite, on an update that is not
    /// finite, after which the session takes no further step or update, and on a device that failed.
    fn apply<'a>(&'a mut self, _gradient: &'a [f64], _learning_rate: f64) -> Pending<'a, ()> {
        ready(unsupported("this session cannot apply a gradient of the caller's"))
    }

    /// The gradients of parameters and of inputs, from a gradient with respect to the outputs. They are those
    /// that [`Engine::backward_async`] computes, for the parameters that the next update changes. The
    /// gradients that are not wanted are empty.
    ///
    /// [`predict`](Self::predict) uses the same parameters, unless the plan has an [`Ema`](crate::Ema). With
    /// an `Ema`, it uses their moving average.
    ///
    /// This example is a whole run with the loss of a quantile:
    ///
    /// ```
    /// use impasto::cpu::CpuEngine;
    /// use impasto::{Activation, Dataset, Engine, Network, Optimizer, Output, Trainer, Wanted};
    ///
    /// # fn main() -> Result<(), impasto::Error> {
    /// # pollster::block_on(async {
    /// // Of the targets of each input, nine in ten are below 9.
    /// let inputs = vec![0.5_f32; 100];
    /// let targets: Vec<f32> = (0..100).map(|i| (i % 10) as f32).collect();
    /// let network = Network::builder(1).output(1, Activation::Identity).build()?;
    ///
    /// let engine = Engine::from(CpuEngine::new(None)?);
    /// let dataset = Dataset::new(inputs.clone(), targets.clone(), 1, 1)?;
    /// let plan = Trainer { optimizer: Optimizer::ADAM, ..Trainer::default() }.plan(&dataset);
    /// let mut session = engine.start(&network, &plan, &dataset).await?;
    /// let double: Vec<f64> = inputs.iter().map(|input| f64::from(*input)).collect();
    /// for _ in 0..500 {
    ///     let outputs = session.predict(&double, Output::Activated).await?;
    ///     let slope = |(y, t): (f64, &f32)| if y < f64::from(*t) { -0.85 } else { 0.15 } / 100.0;
    ///     let output_gradient: Vec<f32> =
    ///         outputs.into_iter().zip(&targets).map(|pair| slope(pair) as f32).collect();
    ///     let gradients = session.backward(&inputs, &output_gradient, Wanted::Parameters).await?;
    ///     session.apply(&gradients.parameters, 0.05).await?;
    /// }
    /// let quantile: f64 = session.predict(&[0.5], Output::Activated).await?[0];
    /// assert!((quantile - 8.0).abs() < 0.3, "{quantile}");
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    ///
    /// Fails as [`Engine::backward_async`] does, and after an update that was not finite.
    fn backward<'a>(
        &'a mut self,
        _inputs: &'a [f32],
        _output_gradient: &'a [f32],
        _wanted: Wanted,
    ) -> Pending<'a, Gradients> {
        ready(unsupported("this session cannot compute gradients from one of the caller's"))
    }

    /// From now on, the session stops when this handle is used: a step that is under way is abandoned, as if it had
    /// not begun, and those after it are not taken. [`evaluate`](Self::evaluate) fails with
    /// [`Error::Stopped`](crate::Error::Stopped). So it is until [`StopHandle::resume`]. The default implementation
    /// does nothing: all steps are taken.
    ///
    /// ```
    /// use impasto::cpu::CpuEngine;
    /// use impasto::{Activation, Dataset, Engine, Network, Step, StopHandle, Trainer};
    ///
    /// # fn main() -> Result<(), impasto::Error> {
    /// # pollster::block_on(async {
    /// let samples = Dataset::from_rows(&[[0.0], [1.0]], &[[1.0], [0.0]])?;
    /// let network = Network::builder(1).output(1, Activation::Identity).build()?;
    /// let engine = Engine::from(CpuEngine::new(None)?);
    /// let plan = Trainer::default().plan(&samples);
    /// let mut session = engine.start(&network, &plan, &samples).await?;
    /// let handle = StopHandle::default();
    /// session.stop_with(&handle);
    ///
    /// let step = Step { number: 1, epoch: 1, first: 0, count: 2, learning_rate: 0.01 };
    /// // Usually on another thread, while the step is computed.
    /// handle.stop();
    /// assert!(handle.is_stopping());
    /// assert!(session.train(&[step])?.await?.losses.is_empty());
    /// handle.resume();
    /// assert_eq!(session.train(&[step])?.await?.losses.len(), 1);
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    fn stop_with(&mut self, _stop: &StopHandle) {}

    /// The memory that the session holds.
    fn resources(&self) -> Resources;
}
