//! The CPU engine: f32, SIMD and all cores.
//!
//! A batch is cut into groups of samples by its size and the network alone (`run`). Each thread takes
//! some groups through all layers forward and back, in tiles that stay in its cache (`tile`), and adds up a
//! gradient for each. Then every thread adds the gradients of all groups, in a fixed order, over the blocks
//! of parameters that it owns, and updates those (`update`). So a step has two meeting points (`barrier`),
//! whatever the depth. Where the threads are more than the groups, they share each of them. A step gives
//! the same bits on any number of threads.

// Loops over indices of arrays are what the compiler unrolls into registers.
#![allow(clippy::needless_range_loop)]

mod backward;
mod barrier;
mod elementwise;
mod encoder;
mod gradient;
mod grids;
#[cfg(feature = "threads")]
mod jobs;
#[cfg(not(feature = "threads"))]
#[path = "cpu/without_threads/jobs.rs"]
mod jobs;
mod kernel;
mod lanes;
mod layout;
mod lines;
mod losses;
mod phases;
#[cfg(feature = "threads")]
mod pool;
#[cfg(not(feature = "threads"))]
#[path = "cpu/without_threads/pool.rs"]
mod pool;
mod predictor;
mod product;
mod run;
mod scatter;
mod scratch;
mod session;
mod threads;
mod tile;
mod update;
mod vectors;

use self::backward::Kept;
use self::pool::Pool;
use self::predictor::Predictor;
use self::run::Run;
use self::session::CpuSession;
use super::notes::Notes;
use super::{Compute, KernelTime, Output, Pending, Plan, Prepared, Session, handles, ready};
use crate::dataset::Dataset;
use crate::device::{Backend, Device};
use crate::error::{Result, invalid_setting};
use crate::gradients::{Gradients, Wanted};
use crate::memory::{self, FEWER};
use crate::network::Network;
use crate::real::Real;
use std::sync::Arc;

/// The CPU as an engine. A clone shares its threads.
///
/// ```
/// use impasto::Engine;
/// use impasto::cpu::CpuEngine;
///
/// // One thread leaves the other cores to other programs.
/// let engine = Engine::from(CpuEngine::new(Some(1))?);
/// println!("{}", engine.device());
/// # Ok::<(), impasto::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CpuEngine {
    device: Device,
    pool: Pool,
    kept: Kept,
    notes: Arc<Notes>,
}

impl CpuEngine {
    /// An engine with this number of threads, at least 1. `None` takes as many as the environment variable
    /// `RAYON_NUM_THREADS` says, and without it one thread for each core that the process may use: on Linux its affinity
    /// and the quotas of its control groups (cgroup v1 and v2) count, as in
    /// [`available_parallelism`](std::thread::available_parallelism).
    /// Without the feature `threads` there is one thread, that of the caller.
    ///
    /// The number changes no bit of what a run, a prediction or a backward pass results in. It is the most that is used: a step
    /// uses fewer where it is too small for them. Where the operating system starts fewer threads, the engine computes on those,
    /// and in the end on the caller's alone. A number above 256 and the number of cores is lowered to the larger of these.
    /// [`Engine::notes`](crate::Engine::notes) says so in both cases.
    ///
    /// # Errors
    /// 0 threads, a `RAYON_NUM_THREADS` that is no number, more than one thread without the feature `threads`, or
    /// vector instructions in the environment variable `IMPASTO_VECTORS` that are neither `avx2` nor `none`.
    pub fn new(threads: Option<usize>) -> Result<Self> {
        vectors::check()?;
        if threads == Some(0) {
            return invalid_setting("0 threads: the CPU engine needs at least 1");
        }
        let notes = Arc::<Notes>::default();
        let pool = Pool::new(threads, &notes)?;
        let threads = pool.threads();
        let plural = if threads == 1 { "" } else { "s" };
        let name = format!("CPU, {threads} thread{plural}{}", vectors::name());
        let device = Device { threads: Some(threads), ..Device::processor(Backend::Cpu, name) };
        Ok(Self { device, pool, kept: Kept::default(), notes })
    }
}

impl CpuEngine {
    /// The same engine, which was chosen for the reason that `note` gives.
    pub(crate) fn with_note(self, note: String) -> Self {
        self.notes.add(note);
        self
    }

    fn predictor(&self, network: &Network) -> Result<Predictor> {
        Predictor::new(network, self.pool.clone())
    }

    fn outputs<R: Real>(&self, network: &Network, inputs: &[R], output: Output) -> Result<Vec<R>> {
        let samples = network.samples_in(inputs)?;
        let count = samples.saturating_mul(network.outputs());
        let what = format_args!("the outputs of {samples} samples");
        let mut outputs = memory::room(count, what, FEWER)?;
        outputs.resize(count, R::default());
        self.predictor(network)?.predict(inputs, output, &mut outputs);
        Ok(outputs)
    }
}

handles!(CpuEngine);

impl Compute for CpuEngine {
    fn device(&self) -> &Device {
        &self.device
    }

    fn notes(&self) -> Vec<String> {
        self.notes.lines()
    }

    fn start<'a>(
        &'a self,
        network: &'a Network,
        plan: &'a Plan,
        dataset: &'a Dataset,
    ) -> Pending<'a, Box<dyn Session>> {
        ready(plan.check(network, dataset).and_then(|()| {
            let session =
                CpuSession::new(network, *plan, dataset, self.pool.threads(), &self.notes)?;
            Ok(Box::new(session) as Box<dyn Session>)
        }))
    }

    fn forward<'a>(
        &'a self,
        network: &'a Network,
        inputs: &'a [f64],
        output: Output,
    ) -> Pending<'a, Vec<f64>> {
        ready(self.outputs(network, inputs, output))
    }

    fn forward_f32<'a>(
        &'a self,
        network: &'a Network,
        inputs: &'a [f32],
        output: Output,
    ) -> Pending<'a, Vec<f32>> {
        ready(self.outputs(network, inputs, output))
    }

    fn backward<'a>(
        &'a self,
        network: &'a Network,
        inputs: &'a [f32],
        output_gradient: &'a [f32],
        wanted: Wanted,
    ) -> Pending<'a, Option<Gradients>> {
        let Self { pool, kept, .. } = self;
        ready(kept.gradients(pool, network, inputs, output_gradient, wanted).map(Some))
    }

    fn profile<'a>(
        &'a self,
        network: &'a Network,
        plan: &'a Plan,
        dataset: &'a Dataset,
    ) -> Pending<'a, Vec<KernelTime>> {
        ready(
            plan.check(network, dataset)
                .and_then(|()| Run::new(network, *plan, dataset, self.pool.threads())?.profile()),
        )
    }

    fn prepare<'a>(&'a self, network: &'a Network) -> Pending<'a, Option<Box<dyn Prepared>>> {
        let predictor = self.predictor(network);
        ready(predictor.map(|predictor| Some(Box::new(predictor) as Box<dyn Prepared>)))
    }
}
