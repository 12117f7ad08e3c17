//! `impasto bench`: how fast this machine trains and predicts, in about ten seconds.

use crate::engine::Device;
use crate::paint::console::print_line;
use crate::paint::text::thousands;
use clap::Parser;
use impasto::config::presets::Preset;
use impasto::{
    Backend, Configuration, Dataset, DeviceType, Ending, Engine, Error, Event, Result, Trainer,
};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Seconds of each measurement.
const SECONDS: f64 = 1.5;

/// Seconds before it, in which clocks rise and kernels are compiled.
const WARM_UP: f64 = 0.4;

/// Samples that are predicted at once.
const PREDICTED: usize = 1 << 14;

/// Measure how fast this machine trains and predicts, in about ten seconds
///
/// The networks are that of `paint` (ten layers of 100 neurons, steps of 200 samples) and that of `paint --preset hash`
/// (a hash grid and two layers of 64, steps of 2048), on the CPU and, if there is one, the GPU.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    #[command(flatten)]
    pub device: Device,
}

/// A network, and the picture that it learns.
struct Subject {
    name: &'static str,
    configuration: Configuration,
    samples: Dataset,
}

/// Measures, and prints a line for each engine and network.
pub fn run(options: &Options) -> Result<ExitCode> {
    let subjects = subjects()?;
    let mut engines = Vec::new();
    for backend in backends(options.device.backend) {
        let device = Device { backend, ..options.device.clone() };
        engines.push((backend, device.open()?));
    }
    print_line(format!(
        "{:10}  {:9}  {:>6}  {:>18}  {:>18}",
        "network", "engine", "batch", "trained samples/s", "predicted samples/s"
    ));
    for subject in &subjects {
        for (backend, engine) in &engines {
            let (batch, trained) = train(engine, subject)?;
            let predicted = predict(engine, subject)?;
            print_line(format!(
                "{:10}  {:9}  {:>6}  {:>18}  {:>19}",
                subject.name,
                backend.name(),
                thousands(batch as u64),
                thousands(trained as u64),
                thousands(predicted as u64)
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The engine that the user chose, or the CPU and, if there is one, the GPU.
fn backends(wanted: Backend) -> Vec<Backend> {
    if wanted != Backend::Auto {
        return vec![wanted];
    }
    // A software adapter is measured if it is asked for.
    let is_gpu = |kind| !matches!(kind, DeviceType::Software | DeviceType::Cpu);
    let has_gpu = impasto::gpu::adapters().iter().any(|adapter| is_gpu(adapter.device_type));
    let gpu = has_gpu.then_some(Backend::Gpu);
    [Backend::Cpu].into_iter().chain(gpu).collect()
}

fn subjects() -> Result<[Subject; 2]> {
    let subject = |name, configuration, side: usize| {
        // Any colors: the speed does not depend on them.
        let colors = (0..side * side * 3).map(|place| (place * 7 % 256) as u8);
        Ok(Subject {
            name,
            configuration,
            samples: Dataset::from_pixels(side, side, colors, 3, false)?,
        })
    };
    Ok([
        subject(
            "10×100",
            Configuration { batch_size: Some(200), ..Configuration::default() },
            100,
        )?,
        subject("hash grid", Preset::Hash.configuration((512, 512))?, 512)?,
    ])
}

/// Samples in a step, and samples a second.
fn train(engine: &Engine, subject: &Subject) -> Result<(usize, f64)> {
    let Subject { configuration, samples, .. } = subject;
    let network = configuration.network(2, 3)?;
    let trainer = Trainer {
        epochs: usize::MAX >> 16,
        steps: None,
        time_limit: Some(WARM_UP + SECONDS),
        ..configuration.trainer(samples.len())
    };
    let mut training = trainer.begin(engine, &network, samples)?;
    let (started, mut warm) = (Instant::now(), None);
    let mut last = (0, Instant::now());
    let ended = training.run_with(|event| {
        if let Event::Progress { steps, .. } = event {
            last = (*steps, Instant::now());
            if warm.is_none() && started.elapsed() >= Duration::from_secs_f64(WARM_UP) {
                warm = Some(last);
            }
        }
        ControlFlow::Continue(())
    });
    match ended {
        Ok(Ending::TimeLimit) => {}
        Err(error) if !matches!(error, Error::Diverged { .. }) => return Err(error),
        _ => return Err(Error::Unsupported("the measurement ended too early".into())),
    }
    let batch = trainer.batch_size.min(samples.len());
    let (first, since) = warm.unwrap_or((0, started));
    let seconds = (last.1 - since).as_secs_f64();
    if seconds > 0.0 {
        return Ok((batch, ((last.0 - first) as usize * batch) as f64 / seconds));
    }
    // A single report: all of it, then.
    let summary = training.summary();
    Ok((batch, summary.samples as f64 / summary.seconds.max(1e-9)))
}

/// Samples a second.
fn predict(engine: &Engine, subject: &Subject) -> Result<f64> {
    let network = subject.configuration.network(2, 3)?;
    let model = engine.prepare(&network)?;
    let (inputs, _) = subject.samples.rows(0..PREDICTED.min(subject.samples.len()));
    let mut outputs = vec![0.0; inputs.len() / 2 * 3];
    let mut measure = |seconds: f64| {
        let (started, mut samples) = (Instant::now(), 0);
        while started.elapsed().as_secs_f64() < seconds {
            model.predict_into(&inputs, &mut outputs)?;
            samples += inputs.len() / 2;
        }
        Ok(samples as f64 / started.elapsed().as_secs_f64())
    };
    measure(WARM_UP / 4.0)?;
    measure(SECONDS / 2.0)
}
