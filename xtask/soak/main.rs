//! `cargo xtask soak`: trains, predicts, saves, loads and resumes for minutes, and fails if memory, threads or open files grow.

mod usage;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use impasto::{
    Activation, Backend, Dataset, EarlyStopping, Engine, Loss, Network, Trainer, Training,
    TrainingState, evaluate, gpu,
};
use usage::{Log, Usage};

#[derive(Parser)]
#[command(bin_name = "cargo xtask soak")]
struct Options {
    /// How long each engine works
    #[arg(long, value_name = "N", default_value_t = 10.0)]
    minutes: f64,
    /// The engine to use [default: each in turn]
    #[arg(long)]
    engine: Option<Kind>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Cpu,
    Gpu,
    Reference,
}

impl Kind {
    fn open(self) -> Result<Engine> {
        Ok(Engine::open(match self {
            Self::Cpu => Backend::Cpu,
            Self::Gpu => Backend::Gpu,
            Self::Reference => Backend::Reference,
        })?)
    }
}

/// An engine is closed and opened again after so many lives.
const LIVES: usize = 50;

/// How many shapes there are. A GPU compiles kernels for each, and an engine keeps a limited number of those.
const SHAPES: usize = 9;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let kinds = options.engine.map_or(vec![Kind::Cpu, Kind::Gpu, Kind::Reference], |one| vec![one]);
    for kind in kinds {
        if matches!(kind, Kind::Gpu) && options.engine.is_none() && gpu::adapters().is_empty() {
            println!("SKIPPED: {}", gpu::NO_ADAPTER);
            continue;
        }
        soak(kind, options.minutes)?;
    }
    Ok(())
}

/// Lives one life after the other for so long.
fn soak(kind: Kind, minutes: f64) -> Result<()> {
    ensure!(minutes > 0.0, "--minutes is {minutes}: it must be a number above 0");
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let (clock, length) = (Instant::now(), Duration::from_secs_f64(60.0 * minutes));
    let mut engine = kind.open()?;
    println!("{}", engine.device());
    let mut log = Log::new(length)?;
    for number in 0.. {
        if number > 0 && number % LIVES == 0 {
            drop(engine);
            engine = kind.open()?;
        }
        life(&engine, number, folder.path()).with_context(|| format!("life {number}"))?;
        if log.is_due(clock.elapsed()) {
            // A thread that ends is listed for a moment after it was waited for.
            std::thread::sleep(Duration::from_millis(50));
            log.add(clock.elapsed(), number, Usage::now()?);
        }
        if clock.elapsed() >= length {
            break;
        }
    }
    log.judge()
}

/// Trains a network, uses it in every way, saves it and its run, and goes on with both.
fn life(engine: &Engine, number: usize, folder: &Path) -> Result<()> {
    let (shape, samples) = (number % SHAPES, 100 + 60 * (number % 3));
    let widths = [8 + shape, 5 + shape % 4, 12];
    let activation = [Activation::Tanh, Activation::Relu, Activation::Silu][shape % 3];
    let mut network = Network::builder(2)
        .hidden(&widths[..=shape % 3], activation)
        .output(1, Activation::Identity)
        .seed(number as u64)
        .build()?;
    let values = |count: usize, seed: usize| -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + seed) % 1009) as f32 / 504.0 - 1.0).collect()
    };
    let data = Dataset::new(values(2 * samples, number), values(samples, 1), 2, 1)?;
    let trainer = Trainer {
        epochs: 4,
        batch_size: 50,
        validation_fraction: Some(0.2),
        early_stopping: Some(EarlyStopping { patience: 100, tolerance: 0.0 }),
        seed: number as u64,
        ..Trainer::default()
    };
    trainer.fit(engine, &mut network, &data)?;
    let loss = evaluate(engine, &network, Loss::MeanSquaredError, &data)?;
    ensure!(loss.is_finite(), "the loss is {loss}");

    let inputs = values(200, number);
    let outputs = engine.predict(&network, &inputs)?;
    engine.backward(&network, &inputs, &outputs)?;
    let file = folder.join("network.safetensors");
    network.save(&file)?;
    let loaded = engine.prepare(&Network::load(&file)?)?;
    let again = loaded.predict(&inputs)?;
    let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-4 * (1.0 + a.abs());
    ensure!(again.iter().zip(&outputs).all(near), "a network that was loaded predicts otherwise");

    let mut training = trainer.begin(engine, &network, &data)?;
    training.step(3)?;
    let file = folder.join("run.safetensors");
    std::fs::write(&file, training.state()?.encode()?).context("cannot save the run")?;
    let state = TrainingState::decode(&std::fs::read(&file).context("cannot read the run")?)?;
    let mut resumed = Training::resume(engine, &data, &state)?;
    resumed.run()?;
    training.run()?;
    let (resumed, whole) = (resumed.parameters()?, training.parameters()?);
    ensure!(resumed == whole, "a run that was resumed has other parameters");
    Ok(())
}
