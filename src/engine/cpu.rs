//! The CPU engine: f32, SIMD through the `gemm` crate, all cores.
//!
//! Each thread takes its share of a batch through all layers forward and back, in tiles of
//! samples that stay in its cache (`tile`), and adds up a gradient of its own. Then every
//! thread adds the gradients of all threads, in a fixed order, over its own range of the
//! parameters and updates that range (`update`). So a step has two meeting points, whatever
//! the depth, and is bit-identical from run to run with the same number of threads.

mod product;
mod tile;
mod update;

use self::tile::{Shape, Tile};
use super::{Device, Divergence, Engine, Outcome, Output, Pending, Plan, Session, Step, ready};
use crate::dataset::{Dataset, Permutation};
use crate::error::{Error, Result};
use crate::network::Network;
use rayon::prelude::*;

/// The CPU as an [`Engine`].
#[derive(Debug)]
pub struct CpuEngine {
    device: Device,
    pool: rayon::ThreadPool,
}

impl CpuEngine {
    /// An engine of so many threads; `None` takes one for each core that the process may use.
    ///
    /// # Errors
    /// The operating system refused to start the threads.
    pub fn new(threads: Option<usize>) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.unwrap_or(cores).max(1);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("impasto-cpu-{i}"))
            .build()
            .map_err(|e| Error::Invalid(format!("cannot start {threads} threads: {e}")))?;
        let device = Device {
            backend: "cpu",
            adapter: format!(
                "CPU, {threads} thread{}{}",
                if threads == 1 { "" } else { "s" },
                simd()
            ),
            device_type: "CPU",
            driver: String::new(),
            api: "",
        };
        Ok(Self { device, pool })
    }
}

/// The widest vector instructions there are, for people.
fn simd() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") {
        return ", AVX-512";
    } else if std::arch::is_x86_feature_detected!("fma") {
        return ", AVX2";
    }
    if cfg!(target_arch = "aarch64") { ", NEON" } else { "" }
}

impl Engine for CpuEngine {
    fn device(&self) -> &Device {
        &self.device
    }

    fn start<'a>(
        &'a self,
        network: &'a Network,
        plan: &'a Plan,
        dataset: &'a Dataset,
    ) -> Pending<'a, Box<dyn Session + 'a>> {
        ready(plan.check(network, dataset).and_then(|()| {
            let shape = Shape::of(network);
            let threads = self.pool.current_num_threads();
            check_memory(&shape, threads)?;
            let rows = shape.tile_rows().min(plan.batch_size.div_ceil(threads));
            let workers = (0..threads).map(|_| Worker::new(&shape, rows)).collect();
            let count = network.parameters().len();
            Ok(Box::new(CpuSession {
                pool: &self.pool,
                plan: *plan,
                dataset,
                parameters: network.parameters().iter().map(|p| *p as f32).collect(),
                previous: vec![0.0; count],
                state: [vec![0.0; count], vec![0.0; count]],
                workers,
                shape,
                diverged: None,
            }) as Box<dyn Session>)
        }))
    }

    fn forward<'a>(
        &'a self,
        network: &'a Network,
        inputs: &'a [f64],
        output: Output,
    ) -> Pending<'a, Vec<f64>> {
        ready(network.samples_in(inputs).map(|samples| {
            let shape = Shape::of(network);
            let parameters: Vec<f32> = network.parameters().iter().map(|p| *p as f32).collect();
            let mut outputs = vec![0.0; samples * network.outputs()];
            let rows = shape.tile_rows();
            let rows_in = inputs.par_chunks(rows * network.inputs());
            let rows_out = outputs.par_chunks_mut(rows * network.outputs());
            self.pool.install(|| {
                rows_in.zip(rows_out).for_each_init(
                    || Tile::new(&shape, rows),
                    |tile, (inputs, outputs)| {
                        tile.predict(&shape, &parameters, inputs, output, outputs);
                    },
                );
            });
            outputs
        }))
    }
}

/// An error if the operating system would not give the memory that a run needs: the parameters,
/// as they are and as they were, two numbers of state for each, and a gradient for every thread.
fn check_memory(shape: &Shape, threads: usize) -> Result<()> {
    let numbers = shape.parameters.saturating_mul(4 + threads);
    Vec::<f32>::new().try_reserve_exact(numbers).map_err(|_| {
        Error::Invalid(format!(
            "training {} parameters on {threads} threads needs {} bytes, more than this machine \
             has: make the layers narrower",
            shape.parameters,
            numbers.saturating_mul(4)
        ))
    })
}

/// A thread's own room: a tile and a gradient.
struct Worker {
    tile: Tile,
    gradient: Vec<f32>,
    loss: f64,
}

impl Worker {
    fn new(shape: &Shape, rows: usize) -> Self {
        Self { tile: Tile::new(shape, rows), gradient: vec![0.0; shape.parameters], loss: 0.0 }
    }

    /// Loss and gradient of this worker's share of a batch: `count` samples from `first` on.
    fn work(&mut self, job: &Job, first: usize, count: usize) {
        self.loss = 0.0;
        let mut done = 0;
        while done < count {
            let rows = self.tile.rows().min(count - done);
            self.tile.gather(job.dataset, &job.order, first + done, rows);
            self.tile.forward(job.shape, job.parameters, rows);
            self.loss += self.tile.loss_gradient(job.shape, job.plan.loss, job.scale, rows);
            self.tile.backward(job.shape, job.parameters, rows, done > 0, &mut self.gradient);
            done += rows;
        }
        if count == 0 {
            self.gradient.fill(0.0);
        }
    }
}

/// What the workers of one step share.
struct Job<'a> {
    shape: &'a Shape,
    plan: &'a Plan,
    dataset: &'a Dataset,
    parameters: &'a [f32],
    order: Permutation,
    scale: f32,
}

/// A training run on the CPU.
struct CpuSession<'a> {
    pool: &'a rayon::ThreadPool,
    plan: Plan,
    dataset: &'a Dataset,
    shape: Shape,
    parameters: Vec<f32>,
    /// The parameters before the last step.
    previous: Vec<f32>,
    state: [Vec<f32>; 2],
    workers: Vec<Worker>,
    diverged: Option<Divergence>,
}

impl CpuSession<'_> {
    /// One step; its loss. Runs inside the pool.
    fn step(&mut self, step: &Step) -> f64 {
        let job = Job {
            shape: &self.shape,
            plan: &self.plan,
            dataset: self.dataset,
            parameters: &self.parameters,
            order: self.plan.order(self.dataset.len(), step.epoch),
            scale: self.plan.loss.scale(step.count, self.shape.outputs) as f32,
        };
        let workers = self.workers.len();
        self.workers.par_iter_mut().enumerate().for_each(|(index, worker)| {
            let (start, end) = (step.count * index / workers, step.count * (index + 1) / workers);
            worker.work(&job, step.first + start, end - start);
        });
        let loss: f64 = self.workers.iter().map(|worker| worker.loss).sum();
        if self.diverged.is_some() {
            return loss;
        }
        // The loss is judged as the f32 that the GPU engine computes.
        if !(loss as f32).is_finite() {
            self.diverged = Some(Divergence { step: step.number, in_loss: true });
            return loss;
        }
        let constants =
            self.plan.optimizer.constants(self.plan.l2, step.learning_rate, step.number);
        let gradients: Vec<&[f32]> = self.workers.iter().map(|w| w.gradient.as_slice()).collect();
        let [first, second] = &mut self.state;
        let range = self.parameters.len().div_ceil(workers).next_multiple_of(16);
        let finite = self
            .parameters
            .par_chunks_mut(range)
            .zip(self.previous.par_chunks_mut(range))
            .zip(first.par_chunks_mut(range).zip(second.par_chunks_mut(range)))
            .enumerate()
            .map(|(index, ((parameters, previous), (first, second)))| {
                update::update(
                    constants,
                    parameters,
                    &gradients,
                    index * range,
                    previous,
                    first,
                    second,
                )
            })
            .reduce(|| true, |a, b| a && b);
        if !finite {
            std::mem::swap(&mut self.parameters, &mut self.previous);
            self.diverged = Some(Divergence { step: step.number, in_loss: false });
        }
        loss
    }
}

impl Session for CpuSession<'_> {
    fn train(&mut self, steps: &[Step]) -> Result<Pending<'static, Outcome>> {
        let pool = self.pool;
        let losses = pool.install(|| steps.iter().map(|step| self.step(step)).collect());
        Ok(ready(Ok(Outcome { losses, diverged: self.diverged })))
    }

    fn parameters(&mut self) -> Pending<'_, Vec<f64>> {
        ready(Ok(self.parameters.iter().map(|p| f64::from(*p)).collect()))
    }
}
