//! The layerwise lowering, for any network.

use crate::engine::Pending;
use crate::engine::choice::{Kernels, Precision};
use crate::engine::gpu::evaluation::{self, Evaluation, Sinks};
use crate::engine::gpu::layerwise::order;
use crate::engine::gpu::layerwise::scored::Scored;
use crate::engine::gpu::layerwise::{self, Layerwise};
use crate::engine::gpu::prediction::{self, Prediction};
use crate::engine::gpu::recorder::{Pass, Recorder};
use crate::engine::gpu::run_buffers::{RunBuffers, STATUS};
use crate::engine::gpu::samples::Stored;
use crate::engine::gpu::task::{EvaluationTask, Lowering, PredictionTask, Training, TrainingTask};
use crate::engine::gpu::update::Update;
use crate::error::Result;

/// The layerwise kernels.
pub(super) static LAYERWISE: LayerwiseKernels = LayerwiseKernels;

pub(super) struct LayerwiseKernels;

impl Lowering for LayerwiseKernels {
    fn kernels(&self) -> Kernels {
        Kernels::Layerwise
    }

    fn name(&self) -> &'static str {
        "layerwise"
    }

    fn fits_training(&self, task: &TrainingTask) -> Result<()> {
        layerwise::part_rows(task.gpu, task.network, task.counts[0]).map(|_| ())
    }

    fn fits_prediction(&self, task: &PredictionTask) -> Result<()> {
        layerwise::part_rows(task.gpu, task.network, task.samples).map(|_| ())
    }

    fn build_training<'a>(&self, task: &'a TrainingTask<'a>) -> Pending<'a, Training> {
        Box::pin(train(task))
    }

    fn build_evaluation<'a>(&self, task: &'a EvaluationTask<'a>) -> Pending<'a, Evaluation> {
        Box::pin(evaluate(task))
    }

    fn build_prediction<'a>(&self, task: &'a PredictionTask<'a>) -> Pending<'a, Prediction> {
        Box::pin(layerwise::predict(
            task.gpu,
            task.network,
            task.parameters,
            task.samples,
            task.output,
        ))
    }
}

async fn train(task: &TrainingTask<'_>) -> Result<Training> {
    let TrainingTask { gpu, network, plan, dataset, slots, counts, .. } = *task;
    let update = Update::of(plan);
    let parameters = order::upload_parameters(gpu, network).await?;
    let segments = order::segments(network);
    let tables = network.encoding_parameters();
    let frozen = network.frozen().map(|range| range.start - tables..range.end - tables);
    let frozen: Vec<_> = frozen.collect();
    let scattered = (tables > 0).then(|| order::first_scattered(network));
    let update = Update { frozen: &frozen, scattered, ..update };
    let state = RunBuffers::new(gpu, parameters, &segments, update, slots, &STATUS).await?;
    let samples = Stored::upload(gpu, dataset, false).await?;
    let layerwise = Layerwise::new(gpu, network, plan.loss, &samples, counts[0]).await?;
    let mut passes = Vec::new();
    for count in counts.iter().copied() {
        let mut recorder = Recorder::new(gpu);
        layerwise.record_step(&mut recorder, &state, count).await?;
        let (gradient, slices) = layerwise.gradient();
        state.record_update(&mut recorder, update, gradient, slices).await?;
        passes.push(Pass { count, dispatches: recorder.finish("training step").await? });
    }
    Ok(Training {
        lowering: &LAYERWISE,
        precision: Precision::Full,
        state,
        places: order::places(network),
        samples,
        before: Vec::new(),
        passes,
    })
}

async fn evaluate(task: &EvaluationTask<'_>) -> Result<Evaluation> {
    let EvaluationTask { gpu, network, loss, dataset, samples, parameters, .. } = *task;
    let uploaded;
    let samples = if let Some(samples) = samples {
        samples
    } else {
        uploaded = Stored::upload(gpu, dataset, false).await?;
        &uploaded
    };
    let rows = layerwise::part_rows(gpu, network, dataset.len().min(evaluation::ROWS))?;
    let sinks = Sinks::new(gpu).await?;
    let scale = loss.scale(dataset.len(), network.outputs());
    let forward = Scored::new(gpu, network, loss, samples, rows).await?;
    let mut passes = Vec::new();
    for count in prediction::counts(dataset.len(), rows) {
        let mut recorder = Recorder::new(gpu);
        forward.record(&mut recorder, parameters, count, scale, &sinks).await?;
        passes.push(Pass { count, dispatches: recorder.finish("evaluation").await? });
    }
    Evaluation::new(gpu, passes, sinks).await
}
