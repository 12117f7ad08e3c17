//! Impasto as a contestant of `cargo xtask peers`, and the worker of `cargo xtask scaling` and `cargo xtask quality`.
//!
//! Usage: `peer-impasto impasto-cpu | impasto-gpu | scaling | quality`. The program is an example of the package
//! `xtask`, so that only these commands build the library, with the same features as any other
//! build of it.

mod quality;
mod scaling;
#[path = "../serve.rs"]
mod serve;

use std::io;
use std::process::ExitCode;
use std::time::Instant;

use impasto::{
    Activation, Backend, Dataset, Engine, Initialization, Network, Options, Summary, Trainer,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serve::{Contestant, Job, Outcome};

struct Impasto {
    engine: Engine,
    network: Network,
    dataset: Dataset,
    trainer: Trainer,
    /// The summary of the last call of `train`.
    last: Option<Summary>,
}

impl Contestant for Impasto {
    fn open(name: &str, job: &Job) -> Outcome<Self> {
        let (inputs, targets) = serve::samples(job)?;
        Ok(Self {
            engine: open_engine(name, job)?,
            network: network(job.inputs, &job.hidden, activation(job)?, job.outputs, job.seed)?,
            dataset: Dataset::new(inputs, targets, job.inputs, job.outputs)?,
            trainer: Trainer {
                batch_size: job.batch,
                learning_rate: job.learning_rate,
                shuffle: job.shuffle,
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
        let summary = self.trainer.fit(&self.engine, &mut self.network, &self.dataset)?;
        let first = self.last.is_none();
        let seconds = if first { start.elapsed().as_secs_f64() } else { summary.seconds };
        self.last = Some(summary);
        // The time of the first epoch includes all that is compiled and loaded for it. The time of
        // later epochs excludes loading the samples, which the other contestants do once.
        Ok(seconds)
    }

    fn loss(&self) -> Outcome<f64> {
        let last = self.last.as_ref().and_then(|summary| summary.history.last());
        Ok(last.ok_or("no epoch was trained")?.loss)
    }
}

/// The engine that `name` means, with options of Impasto's own (`cargo xtask peers --option
/// NAME=VALUE`): `kernels`, as `paint --kernels` has it, and `tune`, `yes` or `no`. Both are for the
/// GPU engine; a search counts to the first epoch.
fn open_engine(name: &str, job: &Job) -> Outcome<Engine> {
    let mut options = gpu_options(job.adapter.as_deref());
    for (option, value) in &job.options {
        match (option.as_str(), value.as_str()) {
            ("kernels", Some(kernels)) => options.kernels = kernels.parse()?,
            ("tune", Some("yes")) => options.tune = true,
            ("tune", Some("no")) => options.tune = false,
            ("kernels" | "tune", _) => {
                return Err(format!("'{option}' cannot be {value}").into());
            }
            _ => return Err(format!("Impasto has no option '{option}'").into()),
        }
    }
    open_backend(name == "impasto-gpu", job.threads, &options)
}

/// The GPU engine on an adapter, as it is by default.
fn gpu_options(adapter: Option<&str>) -> Options {
    Options { backend: Backend::Gpu, adapter: adapter.map(str::to_owned), ..Options::default() }
}

/// The GPU engine with these options, or the CPU engine.
fn open_backend(gpu: bool, threads: usize, options: &Options) -> Outcome<Engine> {
    Ok(if gpu { options.open()? } else { impasto::cpu::CpuEngine::new(Some(threads))?.into() })
}

/// An activation of hidden layers, with what their weights start from.
const RELU: (Activation, Initialization) = (Activation::Relu, Initialization::He);

/// The same of a job.
fn activation(job: &Job) -> Outcome<(Activation, Initialization)> {
    match job.activation.as_str() {
        "relu" => Ok(RELU),
        "tanh" => Ok((Activation::Tanh, Initialization::Glorot)),
        other => Err(format!("an unknown activation: '{other}'").into()),
    }
}

/// The network that all contestants train, with linear outputs.
fn network(
    inputs: usize,
    hidden: &[usize],
    (activation, weights): (Activation, Initialization),
    outputs: usize,
    seed: u64,
) -> impasto::Result<Network> {
    Network::builder(inputs)
        .hidden(hidden, activation)
        .output(outputs, Activation::Identity)
        .weights(weights)
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

/// Reads a line of JSON from standard input and prints what `measure` makes of it.
fn answer<J: DeserializeOwned, A: Serialize>(measure: impl Fn(&J) -> Outcome<A>) -> ExitCode {
    let measured = io::read_to_string(io::stdin())
        .map_err(Into::into)
        .and_then(|line| Ok(serde_json::from_str(&line)?))
        .and_then(|job| measure(&job))
        .and_then(|answer| Ok(serde_json::to_string(&answer)?));
    match measured {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("scaling") => answer(scaling::measure),
        Some("quality") => answer(quality::measure),
        Some(name @ ("impasto-cpu" | "impasto-gpu")) => serve::run::<Impasto>(name),
        _ => {
            eprintln!("which: impasto-cpu, impasto-gpu, scaling or quality?");
            ExitCode::FAILURE
        }
    }
}
