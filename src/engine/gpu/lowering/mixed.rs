//! Training in mixed precision. The fused kernels evaluate and predict, with the master parameters.

use super::fused::FUSED;
use crate::engine::choice::Precision;
use crate::engine::gpu::fused::Source;
use crate::engine::gpu::layout::Layout;
use crate::engine::gpu::mixed::layout::MixedLayout;
use crate::engine::gpu::mixed::step::{self, MixedStep};
use crate::engine::gpu::mixed::texts;
use crate::engine::gpu::recorder::{Pass, Recorder};
use crate::engine::gpu::run_buffers::{RunBuffers, SCALED_STATUS};
use crate::engine::gpu::samples::Stored;
use crate::engine::gpu::task::{Training, TrainingTask};
use crate::engine::gpu::update::{F16, Update};
use crate::error::Result;

/// Records the steps of a training run that `mixed::step::check` accepts.
pub(super) async fn train(task: &TrainingTask<'_>) -> Result<Training> {
    let TrainingTask { gpu, network, plan, dataset, slots, counts, tile, .. } = *task;
    let batch = counts[0];
    let tile = match tile {
        Some(tile) => tile,
        None => step::tile(gpu, network, batch)?,
    };
    let layout = MixedLayout::new(network, batch, tile);
    let plain = Layout::new(network, batch);
    let parameters = step::upload_parameters(gpu, network, &layout).await?;
    let frozen = plain.frozen(network);
    let update = Update { frozen: &frozen, ..Update::of(plan) };
    let segments = plain.segments();
    let state = RunBuffers::new(gpu, parameters, &segments, update, slots, &SCALED_STATUS).await?;
    let samples = Stored::upload(gpu, dataset, true).await?;
    let source = Source::of(gpu, &samples).await?;
    let places = texts::of_update(&layout);
    let mixed = MixedStep::new(gpu, network, layout, source, plan.loss).await?;
    let update = Update { f16: F16::Mixed(&places), ..update };
    let mut passes = Vec::new();
    for count in counts.iter().copied() {
        let mut recorder = Recorder::new(gpu);
        let sinks = [&state.sums, &state.status];
        mixed.record(&mut recorder, &state.parameters, count, sinks).await?;
        let (buffers, slices) = ([&mixed.gradient, &mixed.copies], mixed.layout.slices());
        state.record_update_of(&mut recorder, update, buffers, slices).await?;
        passes.push(Pass { count, dispatches: recorder.finish("training step").await? });
    }
    let before = mixed.copying(gpu, &state.parameters).await?;
    let places = Some(plain.places(network));
    let precision = Precision::Mixed;
    Ok(Training { lowering: &FUSED, precision, state, places, samples, before, passes })
}
