//! The CPU engine: f32, SIMD and all cores.
//!
//! Each thread takes its share of a batch through all layers forward and back, in tiles of
//! samples that stay in its cache (`tile`), and adds up a gradient of its own. Then every
//! thread adds the gradients of all threads, in a fixed order, over the blocks of parameters that
//! it owns, and updates those (`update`). So a step has two meeting points (`barrier`), whatever
//! the depth, and is bit-identical from run to run with the same number of threads.

// Loops over indices of arrays are what the compiler unrolls into registers.
#![allow(clippy::needless_range_loop)]

mod barrier;
mod elementwise;
mod gradient;
mod jobs;
mod kernel;
mod lanes;
mod layout;
mod lines;
mod losses;
mod product;
mod run;
mod session;
mod tile;
mod update;
mod vectors;

use self::layout::{Layout, Purpose};
use self::session::CpuSession;
use self::tile::{Shape, Tile};
use super::{Compute, Output, Pending, Plan, Session, handles, ready};
use crate::dataset::Dataset;
use crate::device::{Backend, Device};
use crate::error::{Error, Result};
use crate::network::Network;
use rayon::prelude::*;
use std::sync::Arc;

/// The CPU as an engine. A clone shares its threads.
#[derive(Clone, Debug)]
pub struct CpuEngine {
    device: Device,
    threads: usize,
    /// What predicts, if there is more than one thread: a browser's worker has no others.
    pool: Option<Arc<rayon::ThreadPool>>,
    notes: Vec<String>,
}

impl CpuEngine {
    /// An engine of so many threads; `None` takes one for each core that the process may use.
    ///
    /// # Errors
    /// The operating system refused to start the threads.
    pub fn new(threads: Option<usize>) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.unwrap_or(cores).max(1);
        let start = || {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(|i| format!("impasto-cpu-{i}"))
                .build()
                .map_err(|error| Error::threads(threads, error))
        };
        let pool = (threads > 1).then(start).transpose()?.map(Arc::new);
        let plural = if threads == 1 { "" } else { "s" };
        let name = format!("CPU, {threads} thread{plural}{}", vectors::name());
        let device = Device::processor(Backend::Cpu, name);
        Ok(Self { device, threads, pool, notes: Vec::new() })
    }
}

impl CpuEngine {
    /// The same engine, which was chosen for the reason that `note` gives.
    pub(crate) fn with_note(mut self, note: String) -> Self {
        self.notes.push(note);
        self
    }
}

handles!(CpuEngine);

impl Compute for CpuEngine {
    fn device(&self) -> &Device {
        &self.device
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn start<'a>(
        &'a self,
        network: &'a Network,
        plan: &'a Plan,
        dataset: &'a Dataset,
    ) -> Pending<'a, Box<dyn Session>> {
        ready(plan.check(network, dataset).and_then(|()| {
            let session = CpuSession::new(network, *plan, dataset, self.threads)?;
            Ok(Box::new(session) as Box<dyn Session>)
        }))
    }

    fn forward<'a>(
        &'a self,
        network: &'a Network,
        inputs: &'a [f64],
        output: Output,
    ) -> Pending<'a, Vec<f64>> {
        ready(network.samples_in(inputs).map(|samples| {
            let layout = Layout::of(network, 1);
            let shape = Shape::of(network, &layout);
            let blocks = layout.blocks(network, Purpose::Prediction, &[]);
            let blocks: Vec<_> = blocks.iter().collect();
            let mut outputs = vec![0.0; samples * network.outputs()];
            let rows = shape.tile_rows(samples.div_ceil(self.threads));
            let predict = |tile: &mut Tile, (inputs, outputs): (&[f64], &mut [f64])| {
                tile.predict(&shape, &blocks, inputs, output, outputs);
            };
            let (wide_in, wide_out) = (rows * network.inputs(), rows * network.outputs());
            if let Some(pool) = &self.pool {
                pool.install(|| {
                    let parts = inputs.par_chunks(wide_in).zip(outputs.par_chunks_mut(wide_out));
                    parts.for_each_init(|| Tile::new(&shape, rows, Purpose::Prediction), predict);
                });
            } else {
                let mut tile = Tile::new(&shape, rows, Purpose::Prediction);
                let parts = inputs.chunks(wide_in).zip(outputs.chunks_mut(wide_out));
                parts.for_each(|part| predict(&mut tile, part));
            }
            outputs
        }))
    }
}
