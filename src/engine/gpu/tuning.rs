//! The search for the fastest shapes of the fused kernels.

#[cfg(not(target_arch = "wasm32"))]
mod ahead;

use super::cache::Cache;
use super::candidates;
use super::custom;
use super::device::Gpu;
use super::fused::{self, Keys};
use super::kernels;
use super::layout::Layout;
use super::measuring::{MEASURED, Prepared, ROUNDS, Stage, Trial};
use super::shape::{Abilities, Shape, Shapes};
use super::specialize::{Purpose, Samples};
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

/// How long a GPU works before anything is measured: an idle one has a low clock.
const WARM_UP: Duration = Duration::from_millis(200);

/// How far rounding errors may take the gradients of two shapes apart, of their size.
const DIFFERENCE: f64 = 1e-3;

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
        && candidates.iter().any(|c| c.slice == shapes.slice)
}

/// Writes the kernels in all shapes of a file that this program would trust, for a network and a batch on a
/// GPU with subgroups and WebGPU's default limits: how many there are. For fuzzing.
///
/// # Errors
/// A template that cannot be filled for them.
#[doc(hidden)]
pub fn remembered_shapes(file: &[u8], network: &Network, batch: usize) -> Result<usize> {
    let abilities = Abilities { subgroup: 32, ..Abilities::of_gpu(wgpu::Limits::default()) };
    let candidates = candidates::candidates(&abilities, &Layout::new(network, batch));
    let Some(Found(found)) = Found::read(file) else { return Ok(0) };
    let possible: Vec<_> = found.values().filter(|s| is_possible(s, &candidates)).collect();
    for shapes in &possible {
        Keys::training(network, batch, **shapes, Samples::TABLE, Loss::MeanSquaredError)?;
    }
    Ok(possible.len())
}

/// What a choice is valid for: this device with this driver, these kernels, this network, this batch, and the
/// formulas of the caller's, since the kernels with a formula may take any time.
fn key(gpu: &Gpu, layout: &Layout, trial: &Trial) -> Result<String> {
    let (device, batch) = (gpu.info.description(), trial.batch);
    let formulas = match custom::fingerprint(trial.network, trial.loss)? {
        Some(number) => format!(" | formulas {number:016x}"),
        None => String::new(),
    };
    let stored = if trial.packed { " | f16 in storage" } else { "" };
    Ok(format!(
        "{device} | kernels {:016x} | {:?} | batch {batch}{formulas}{stored}",
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
    let candidates = if trial.packed {
        candidates::packed(&gpu.abilities, &layout)
    } else {
        gpu.candidates(&layout)
    };
    fused::usual(&candidates)?;
    let dense = network.parameters().len().saturating_sub(network.encoding_parameters());
    let products = batch as f64 * dense as f64;
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
    let best = if gpu.abilities.software {
        one_by_one(gpu, &candidates, trial).await?
    } else {
        in_turns(gpu, &candidates, trial, BUDGET).await?
    };
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
    let Trial { network, loss, batch, source, .. } = *trial;
    let first = fused::usual(candidates)?;
    // Split sums are compared with others before they are taken: they can only have been chosen.
    let steps = candidates.iter().map(|shapes| shapes.step);
    let steps: Vec<Shape> = steps.filter(|step| !step.split || *step == first.step).collect();
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

/// The fastest of some shapes, each kernel's by itself, as far as the time allows to try them. Each is
/// measured as soon as it is compiled, since compiling takes most of the time on a software adapter, and
/// the next is tried beside the best so far. Those that the driver refuses are passed over.
async fn one_by_one(gpu: &Arc<Gpu>, candidates: &[Shapes], trial: &Trial<'_>) -> Result<Shapes> {
    let begun = Instant::now();
    let usual = fused::usual(candidates)?;
    let first = compiled(gpu, candidates, trial).await?;
    let (mut best, mut fastest) = (first, measure(gpu, first, trial).await?);
    let mut times = vec![(first, fastest)];
    let first_took = begun.elapsed();
    for tried in candidates {
        let shapes = best.varied(tried, &usual);
        let (size, shape) = changed(shapes, best, first);
        // What is compiled grows with the sums that an invocation has.
        if shapes == best || begun.elapsed() + first_took.mul_f64(size) > BUDGET {
            continue;
        }
        match measure(gpu, shapes, trial).await {
            Ok(took) => {
                times.push((shapes, took));
                if took < fastest {
                    (best, fastest) = (shapes, took);
                }
            }
            Err(error) => {
                fused::skipped(gpu, error, shape)?;
            }
        }
    }
    gpu.set_candidate_times(&times);
    Ok(best)
}

/// The shape in which some shapes differ from others, and how many times as many sums it has as that of
/// the first.
fn changed(shapes: Shapes, from: Shapes, first: Shapes) -> (f64, Shape) {
    if shapes.step == from.step {
        (shapes.gradients.sums() / first.gradients.sums(), shapes.gradients)
    } else {
        (shapes.step.sums() / first.step.sums(), shapes.step)
    }
}

/// Seconds that a step takes on the device.
async fn measure(gpu: &Arc<Gpu>, shapes: Shapes, trial: &Trial<'_>) -> Result<f64> {
    let stage = Stage::new(gpu, trial, &[shapes]).await?;
    let step = stage.prepare(shapes).await?;
    let repeats = step.repeats().await?;
    let mut fastest = f64::INFINITY;
    for _ in 0..ROUNDS {
        fastest = fastest.min(step.measure(repeats).await?);
    }
    Ok(fastest)
}

/// The fastest of some shapes, each kernel's and the slices by themselves, as far as the time allows to
/// try them. All are compiled first. Then the device works until its clock is up, and they are measured
/// in turns: else the clock, which rises under load and falls while the host compiles, would choose.
/// Those that the driver refuses are passed over.
async fn in_turns(
    gpu: &Arc<Gpu>,
    candidates: &[Shapes],
    trial: &Trial<'_>,
    budget: Duration,
) -> Result<Shapes> {
    let begun = Instant::now();
    let usual = fused::usual(candidates)?;
    let first = compiled(gpu, candidates, trial).await?;
    let stage = Stage::new(gpu, trial, candidates).await?;
    let mut steps = vec![(first, stage.prepare(first).await?)];
    let first_took = begun.elapsed();
    let measuring = WARM_UP + MEASURED * (candidates.len() as u32);
    let tried: Vec<Shapes> = candidates.iter().map(|tried| first.varied(tried, &usual)).collect();
    #[cfg(not(target_arch = "wasm32"))]
    ahead::compile(gpu, trial, &tried, begun + budget.saturating_sub(measuring))?;
    for shapes in tried {
        let (size, shape) = changed(shapes, first, first);
        let is_known = steps.iter().any(|(known, _)| *known == shapes);
        if is_known || begun.elapsed() + first_took.mul_f64(size) + measuring > budget {
            continue;
        }
        match stage.prepare(shapes).await {
            Ok(step) if shapes.step.split && !agree(&step, &steps[0].1).await? => {
                gpu.note(format!(
                    "fused_step_split as {shape} computes a different gradient than fused_step on {}; \
                     another shape is used",
                    gpu.info.adapter
                ));
            }
            Ok(step) => steps.push((shapes, step)),
            Err(error) => {
                fused::skipped(gpu, error, shape)?;
            }
        }
    }
    let warming = Instant::now();
    let mut repeats = steps[0].1.repeats().await?;
    while warming.elapsed() < WARM_UP {
        steps[0].1.measure(repeats).await?;
        repeats = steps[0].1.repeats().await?;
    }
    // All but the first only while there is time, and in later rounds none without all others.
    let mut measured = vec![(first, repeats, steps[0].1.measure(repeats).await?)];
    for (shapes, step) in &steps[1..] {
        if begun.elapsed() < budget {
            let repeats = step.repeats().await?;
            measured.push((*shapes, repeats, step.measure(repeats).await?));
        }
    }
    for _ in 1..ROUNDS {
        let mut times = Vec::new();
        for ((_, repeats, _), (_, step)) in measured.iter().zip(&steps) {
            if begun.elapsed() < budget {
                times.push(step.measure(*repeats).await?);
            }
        }
        if times.len() < measured.len() {
            break;
        }
        measured
            .iter_mut()
            .zip(times)
            .for_each(|((.., fastest), time)| *fastest = fastest.min(time));
    }
    let times: Vec<(Shapes, f64)> = measured.into_iter().map(|(s, _, time)| (s, time)).collect();
    gpu.set_candidate_times(&times);
    // Together with the others in case the driver refuses what was compiled only apart.
    compiled(gpu, &[&[fastest(first, &times)], candidates].concat(), trial).await
}

/// Whether two steps with the same slices compute the same gradient, but for rounding errors. That a step with
/// split sums does is not promised by WGSL: its lanes might be in another order.
async fn agree(one: &Prepared<'_>, other: &Prepared<'_>) -> Result<bool> {
    let (one, other) = (one.gradient().await?, other.gradient().await?);
    let square = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|x| x * x).sum::<f64>();
    let size = square(&mut other.iter().map(|x| f64::from(*x)));
    let differences = one.iter().zip(&other).map(|(a, b)| f64::from(a - b));
    let error = square(&mut { differences });
    Ok(one.len() == other.len() && error <= DIFFERENCE * DIFFERENCE * size)
}

/// Of each kernel's shapes, and of the slices, those of the fastest of some steps, which differ from the
/// first in one of the three.
fn fastest(first: Shapes, times: &[(Shapes, f64)]) -> Shapes {
    let least = |differs: &dyn Fn(&Shapes) -> bool| {
        let others = times.iter().filter(|(shapes, _)| *shapes == first || differs(shapes));
        let least = others.min_by(|(_, a), (_, b)| a.total_cmp(b));
        least.map_or(first, |(shapes, _)| *shapes)
    };
    Shapes {
        step: least(&|shapes| shapes.step != first.step).step,
        gradients: least(&|shapes| shapes.gradients != first.gradients).gradients,
        slice: least(&|shapes| shapes.slice != first.slice).slice,
    }
}

#[cfg(test)]
mod tests;
