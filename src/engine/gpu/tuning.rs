//! The search for the fastest shapes of the fused kernels.

use super::cache::Cache;
use super::custom;
use super::device::Gpu;
use super::fused::{self, Fused, Keys, Source};
use super::kernels;
use super::layout::Layout;
use super::recorder::{Recorder, play_steps};
use super::shape::{Abilities, Shape, Shapes};
use super::specialise::{Purpose, Samples};
use super::step::StepData;
use crate::error::Result;
use crate::loss::Loss;
use crate::network::Network;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use web_time::Instant;

/// The file of what was found.
const FILE: &str = "tuning.json";

/// No shape is tried that would probably make the search longer than this: compiling is most of it.
const BUDGET: Duration = Duration::from_secs(9);

/// Each shape is measured at least this long.
const MEASURED: Duration = Duration::from_millis(40);

/// Products below which a step is over before shapes matter.
const WORTHWHILE: f64 = 1e6;

/// The most networks that are remembered.
const MOST: usize = 500;

/// What was found, by [`key`].
#[derive(Default, Serialize, Deserialize)]
struct Found(BTreeMap<String, Shapes>);

impl Found {
    /// What is in a file, if it is one of these.
    fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// Whether this program would try these shapes. Others in a file are not to be trusted.
fn is_possible(shapes: &Shapes, candidates: &[Shapes]) -> bool {
    candidates.iter().any(|c| c.step == shapes.step)
        && candidates.iter().any(|c| c.gradients == shapes.gradients)
        && candidates.first().is_some_and(|usual| shapes.slice == usual.slice)
}

/// Writes the kernels in all shapes of a file that this program would trust, for a network and a batch on a
/// GPU with WebGPU's default limits: how many there are. For fuzzing.
///
/// # Errors
/// A template that cannot be filled for them.
#[doc(hidden)]
pub fn remembered_shapes(file: &[u8], network: &Network, batch: usize) -> Result<usize> {
    let abilities = Abilities {
        limits: wgpu::Limits::default(),
        software: false,
        broadcast: 0,
        vector: 8,
        most_turns: usize::MAX,
    };
    let candidates = super::candidates::candidates(&abilities, &Layout::new(network, batch));
    let Some(Found(found)) = Found::read(file) else { return Ok(0) };
    let possible: Vec<_> = found.values().filter(|s| is_possible(s, &candidates)).collect();
    for shapes in &possible {
        Keys::training(network, batch, **shapes, Samples::TABLE, Loss::MeanSquaredError)?;
    }
    Ok(possible.len())
}

/// What is tried.
pub(super) struct Trial<'a> {
    pub(super) network: &'a Network,
    pub(super) loss: Loss,
    pub(super) batch: usize,
    pub(super) source: &'a Source,
}

/// What a choice is valid for: this device with this driver, these kernels, this network, this batch, and the
/// formulas of the caller's, since the kernels with a formula may take any time.
fn key(gpu: &Gpu, layout: &Layout, trial: &Trial) -> Result<String> {
    let (device, batch) = (gpu.info.description(), trial.batch);
    let formulas = match custom::fingerprint(trial.network, trial.loss)? {
        Some(number) => format!(" | formulas {number:016x}"),
        None => String::new(),
    };
    Ok(format!(
        "{device} | kernels {:016x} | {:?} | batch {batch}{formulas}",
        kernels::fingerprint(),
        layout.widths
    ))
}

/// The shapes to take for a run: those remembered, or those found to be the fastest now, or, without
/// `search`, those that are usually good. Shapes that the driver refuses are passed over.
///
/// # Errors
/// A driver that refuses all shapes, or a device that failed.
pub(super) async fn shapes(
    gpu: &Arc<Gpu>,
    cache: &Cache,
    search: bool,
    trial: &Trial<'_>,
) -> Result<Shapes> {
    let (network, batch) = (trial.network, trial.batch);
    let layout = Layout::new(network, batch);
    let candidates = gpu.candidates(&layout);
    fused::usual(&candidates)?;
    let products = batch as f64 * network.parameters().len() as f64;
    if !search || products < WORTHWHILE {
        return compiled(gpu, &candidates, trial).await;
    }
    let key = key(gpu, &layout, trial)?;
    if let Some(shapes) = gpu.found.lock().ok().and_then(|mut found| found.get(&key)) {
        return Ok(shapes);
    }
    let found: Found = cache.read(FILE).and_then(|file| Found::read(&file)).unwrap_or_default();
    let possible = |shapes: &Shapes| is_possible(shapes, &candidates);
    if let Some(shapes) = found.0.get(&key).copied().filter(possible) {
        let first = [&[shapes], candidates.as_slice()].concat();
        return compiled(gpu, &first, trial).await;
    }
    let best = search_among(gpu, &candidates, trial).await?;
    if let Ok(mut found) = gpu.found.lock() {
        found.insert(key.clone(), best);
    }
    // Read again: another process may have found something meanwhile.
    let mut found: Found = cache.read(FILE).and_then(|file| Found::read(&file)).unwrap_or_default();
    if found.0.len() >= MOST {
        found = Found::default();
    }
    found.0.insert(key, best);
    cache.write_json(FILE, &found);
    Ok(best)
}

/// The first shapes that the driver compiles, each kernel's by itself.
async fn compiled(gpu: &Gpu, candidates: &[Shapes], trial: &Trial<'_>) -> Result<Shapes> {
    let Trial { network, loss, batch, source } = *trial;
    let first = fused::usual(candidates)?;
    let steps: Vec<Shape> = candidates.iter().map(|shapes| shapes.step).collect();
    let step = fused::first_compiled(gpu, &steps, |shape| {
        fused::pass_kernel(network, batch, shape, source.samples, Purpose::Training(loss))
    });
    let shapes = Shapes { step: step.await?.0, ..first };
    let gradients: Vec<Shape> = candidates.iter().map(|shapes| shapes.gradients).collect();
    let gradients = fused::first_compiled(gpu, &gradients, |shape| {
        fused::gradients_kernel(network, batch, Shapes { gradients: shape, ..shapes })
    });
    Ok(Shapes { gradients: gradients.await?.0, ..shapes })
}

/// The fastest of some shapes, each kernel's by itself, as far as the time allows to try them. Those
/// that the driver refuses are passed over.
async fn search_among(gpu: &Arc<Gpu>, candidates: &[Shapes], trial: &Trial<'_>) -> Result<Shapes> {
    let begun = Instant::now();
    let first = compiled(gpu, candidates, trial).await?;
    let (mut best, mut fastest) = (first, measure(gpu, first, trial).await?);
    let first_took = begun.elapsed();
    for tried in candidates {
        // A candidate differs from the first of them in one of the two kernels.
        let (shapes, size, shape) = if tried.step == candidates[0].step {
            let size = tried.gradients.sums() / first.gradients.sums();
            (Shapes { gradients: tried.gradients, ..best }, size, tried.gradients)
        } else {
            let size = tried.step.sums() / first.step.sums();
            (Shapes { step: tried.step, ..best }, size, tried.step)
        };
        // What is compiled grows with the sums that an invocation has.
        if shapes == best || begun.elapsed() + first_took.mul_f64(size) > BUDGET {
            continue;
        }
        match measure(gpu, shapes, trial).await {
            Ok(took) if took < fastest => (best, fastest) = (shapes, took),
            Ok(_) => {}
            Err(error) => {
                fused::skipped(gpu, error, shape)?;
            }
        }
    }
    Ok(best)
}

/// Seconds that a step takes on the device, without its update.
async fn measure(gpu: &Arc<Gpu>, shapes: Shapes, trial: &Trial<'_>) -> Result<f64> {
    let Trial { network, loss, batch, source } = *trial;
    let layout = Layout::new(network, batch);
    let parameters = fused::upload_parameters(gpu, network, &layout).await?;
    let keys = Keys::training(network, batch, shapes, source.samples, loss)?;
    let fused = Fused::new(gpu, network, batch, shapes, source.clone(), keys).await?;
    let sums = gpu.storage("losses of the steps", 1).await?;
    let status = gpu.storage("first steps that diverged", 2).await?;
    let mut recorder = Recorder::new(gpu);
    fused.record(&mut recorder, &parameters, batch).await?;
    fused.record_gradients(&mut recorder, batch, [&sums, &status]).await?;
    let dispatches = recorder.finish("measured step").await?;
    let steps = gpu.upload("steps", &[StepData::in_order(batch)]).await?;
    let group = gpu.step_group(&steps).await?;
    let run = async |repeats: usize| -> Result<f64> {
        let mut encoder = gpu.encoder("measured steps");
        for _ in 0..repeats {
            play_steps(gpu, &mut encoder, &group, std::iter::once(dispatches.as_slice()));
        }
        let begun = Instant::now();
        gpu.read(encoder, &[(&sums, 0..4)], "losses of the steps")?.await?;
        Ok(begun.elapsed().as_secs_f64())
    };
    // The first is compiled on the way, the second shows how many are worth measuring.
    run(1).await?;
    let once = run(1).await?.max(1e-6);
    let repeats = (MEASURED.as_secs_f64() / 3.0 / once).ceil().min(1000.0) as usize;
    let mut fastest = f64::INFINITY;
    for _ in 0..3 {
        fastest = fastest.min(run(repeats).await? / repeats as f64);
    }
    Ok(fastest)
}
