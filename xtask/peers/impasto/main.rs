//! Impasto as a contestant of `cargo xtask peers`, and the worker of `cargo xtask scaling`:
//! `peer-impasto impasto-cpu | impasto-gpu | scaling`.
//!
//! It stands here as an example of the package `xtask`, so that only these two chores build
//! the library, and with the same features as any other build of it.

mod scaling;
#[path = "../serve.rs"]
mod serve;

use std::process::ExitCode;
use std::time::Instant;

use impasto::{
    Activation, Backend, Control, Dataset, Engine, Initialisation, Network, Summary, Trainer,
};
use serve::{Contestant, Job, Outcome};

struct Impasto {
    engine: Box<dyn Engine>,
    network: Network,
    dataset: Dataset,
    trainer: Trainer,
    /// What the last call of `train` told.
    last: Option<Summary>,
}

impl Contestant for Impasto {
    fn open(name: &str, job: &Job) -> Outcome<Self> {
        let (inputs, targets) = serve::samples(job)?;
        Ok(Self {
            engine: open_engine(name, job)?,
            network: network(job.inputs, &job.hidden, job.outputs, job.seed)?,
            dataset: Dataset::new(inputs, targets, job.inputs, job.outputs)?,
            trainer: Trainer {
                batch_size: job.batch,
                learning_rate: job.learning_rate,
                seed: job.seed,
                ..Trainer::default()
            },
            last: None,
        })
    }

    fn version(&self) -> String {
        format!("Impasto {}", impasto_version())
    }

    fn device(&self) -> String {
        self.engine.device().description()
    }

    fn train(&mut self, epochs: usize) -> Outcome<f64> {
        self.trainer.epochs = epochs;
        // Each call shuffles anew.
        self.trainer.seed += 1;
        let start = Instant::now();
        let summary = self
            .trainer
            .fit(&*self.engine, &mut self.network, &self.dataset, |_| Control::Continue)?;
        let first = self.last.is_none();
        let seconds = if first { start.elapsed().as_secs_f64() } else { summary.seconds };
        self.last = Some(summary);
        // The first epoch is told with all that is compiled and loaded for it. Later ones are
        // told without loading the samples, which the other contestants do once.
        Ok(seconds)
    }

    fn loss(&self) -> Outcome<f64> {
        let last = self.last.as_ref().and_then(|summary| summary.history.last());
        Ok(last.ok_or("no epoch was trained")?.loss)
    }
}

/// The engine that `name` stands for.
///
/// The place for options of Impasto's own (`cargo xtask peers --option NAME=VALUE`): read them
/// from `job.options` here, and take them out of the refusal.
fn open_engine(name: &str, job: &Job) -> Outcome<Box<dyn Engine>> {
    if let Some(unknown) = job.options.keys().next() {
        return Err(format!("Impasto has no option '{unknown}'").into());
    }
    open_backend(name == "impasto-gpu", job.threads, job.adapter.as_deref())
}

/// The GPU engine on an adapter, or the CPU engine.
fn open_backend(gpu: bool, threads: usize, adapter: Option<&str>) -> Outcome<Box<dyn Engine>> {
    Ok(if gpu {
        impasto::open(Backend::Gpu, adapter)?
    } else {
        Box::new(impasto::cpu::CpuEngine::new(Some(threads))?)
    })
}

/// The network that everyone trains: ReLU throughout, linear outputs.
fn network(inputs: usize, hidden: &[usize], outputs: usize, seed: u64) -> impasto::Result<Network> {
    Network::builder(inputs)
        .hidden(hidden, Activation::Relu)
        .output(outputs, Activation::Identity)
        .weights(Initialisation::He)
        .seed(seed)
        .build()
}

/// Impasto's version, from its own manifest.
fn impasto_version() -> &'static str {
    include_str!("../../../Cargo.toml")
        .lines()
        .find_map(|line| line.strip_prefix("version = "))
        .map_or("", |version| version.trim_matches('"'))
}

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("scaling") => scaling::run(),
        Some(name @ ("impasto-cpu" | "impasto-gpu")) => serve::run::<Impasto>(name),
        _ => {
            eprintln!("which: impasto-cpu, impasto-gpu or scaling?");
            ExitCode::FAILURE
        }
    }
}
