//! The fused lowering, for networks of narrow layers.

use crate::engine::Pending;
use crate::engine::choice::{Kernels, Precision};
use crate::engine::gpu::evaluation::{self, Evaluation, Sinks};
use crate::engine::gpu::fused::{self, Fused, Keys, PREDICTED, Source};
use crate::engine::gpu::layout::Layout;
use crate::engine::gpu::measuring::Trial;
use crate::engine::gpu::prediction::{self, Prediction};
use crate::engine::gpu::recorder::{Pass, Recorder};
use crate::engine::gpu::run_buffers::{RunBuffers, SCALED_STATUS, STATUS};
use crate::engine::gpu::samples::Stored;
use crate::engine::gpu::specialize::Purpose;
use crate::engine::gpu::task::{EvaluationTask, Lowering, PredictionTask, Training, TrainingTask};
use crate::engine::gpu::tuning;
use crate::engine::gpu::update::{F16, Update};
use crate::error::Result;

/// The fused kernels.
pub(super) static FUSED: FusedKernels = FusedKernels;

pub(super) struct FusedKernels;

impl Lowering for FusedKernels {
    fn kernels(&self) -> Kernels {
        Kernels::Fused
    }

    fn name(&self) -> &'static str {
        "fused"
    }

    fn fits_training(&self, task: &TrainingTask) -> Result<()> {
        fused::check(task.gpu, task.network, task.counts[0])?;
        fused::check_dataset(task.gpu, task.dataset)
    }

    fn fits_prediction(&self, task: &PredictionTask) -> Result<()> {
        fused::check(task.gpu, task.network, task.samples.min(PREDICTED))
    }

    fn build_training<'a>(&self, task: &'a TrainingTask<'a>) -> Pending<'a, Training> {
        Box::pin(train(task, Precision::Full))
    }

    fn build_evaluation<'a>(&self, task: &'a EvaluationTask<'a>) -> Pending<'a, Evaluation> {
        Box::pin(evaluate(task))
    }

    fn build_prediction<'a>(&self, task: &'a PredictionTask<'a>) -> Pending<'a, Prediction> {
        Box::pin(fused::predict(task.gpu, task.network, task.parameters, task.samples, task.output))
    }
}

/// Records the steps of a training run that fits: in full precision, or with values and deltas in f16, for a run that
/// `packed::settled` accepts.
pub(super) async fn train(task: &TrainingTask<'_>, precision: Precision) -> Result<Training> {
    let TrainingTask { gpu, network, plan, dataset, slots, counts, tune, .. } = *task;
    let packed = precision == Precision::F16Storage;
    let (f16, status) =
        if packed { (F16::Storage, &SCALED_STATUS[..]) } else { (F16::None, &STATUS[..]) };
    let (batch, update) = (counts[0], Update { f16, ..Update::of(plan) });
    let layout = Layout::new(network, batch);
    let parameters = fused::upload_parameters(gpu, network, &layout).await?;
    let frozen = layout.frozen(network);
    let update = Update { frozen: &frozen, scattered: layout.scattered(), ..update };
    let segments = layout.segments();
    let state = RunBuffers::new(gpu, parameters, &segments, update, slots, status).await?;
    let samples = Stored::upload(gpu, dataset, true).await?;
    let source = Source::of(gpu, &samples).await?;
    let trial = Trial { network, loss: plan.loss, batch, source: &source, packed };
    let shapes = tuning::shapes(gpu, &gpu.cache, tune, &trial).await?;
    let keys = Keys::training(network, batch, shapes, source.samples, plan.loss)?;
    let fused = Fused::new(gpu, network, batch, shapes, source, keys).await?;
    let mut passes = Vec::new();
    for count in counts.iter().copied() {
        let mut recorder = Recorder::new(gpu);
        let sinks = [&state.sums, &state.status];
        fused.record_step(&mut recorder, &state.parameters, count, sinks).await?;
        state.record_update(&mut recorder, update, &fused.buffers.gradient, fused.slices()).await?;
        passes.push(Pass { count, dispatches: recorder.finish("training step").await? });
    }
    let (places, before) = (Some(layout.places(network)), Vec::new());
    Ok(Training { lowering: &FUSED, precision, state, places, samples, before, passes })
}

async fn evaluate(task: &EvaluationTask<'_>) -> Result<Evaluation> {
    let EvaluationTask { gpu, network, loss, dataset, batch, samples, parameters } = *task;
    let source = if let Some(samples) = samples {
        Source::of(gpu, samples).await?
    } else {
        fused::check_dataset(gpu, dataset)?;
        Source::of(gpu, &Stored::upload(gpu, dataset, true).await?).await?
    };
    let mut rows = dataset.len().min(evaluation::ROWS);
    if fused::check(gpu, network, rows).is_err() {
        rows = rows.min(batch);
    }
    let (purpose, sinks) = (Purpose::Evaluation(loss), Sinks::new(gpu).await?);
    let fused = Fused::passing(gpu, network, rows, source, purpose).await?;
    let mut passes = Vec::new();
    for count in prediction::counts(dataset.len(), rows) {
        let mut recorder = Recorder::new(gpu);
        fused.record(&mut recorder, parameters, count).await?;
        fused.record_loss_sum(&mut recorder, count, &sinks).await?;
        passes.push(Pass { count, dispatches: recorder.finish("evaluation").await? });
    }
    Evaluation::new(gpu, passes, sinks).await
}
