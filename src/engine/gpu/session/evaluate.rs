//! Predictions and losses with the parameters that a run has learned so far.

use super::{Copy, GpuSession};
use crate::dataset::Dataset;
use crate::engine::Output;
use crate::engine::gpu::run_buffers::divergence;
use crate::engine::gpu::task::{EvaluationTask, PredictionTask, Task};
use crate::error::Result;
use crate::loss::Loss;
use crate::network::whole_samples;

impl GpuSession {
    /// The `loss` of the parameters learned so far on samples that fit.
    pub(super) async fn loss_on(&mut self, dataset: &Dataset, loss: Loss) -> Result<f64> {
        let parameters = self.put_learned().await?;
        let known = &mut self.learned.evaluations;
        known.retain(|(known, ..)| known.shares_samples(dataset) && known.len() == dataset.len());
        let place = known.iter().position(|(_, known, _)| *known == loss);
        let evaluation = if let Some(place) = place {
            known.swap_remove(place).2
        } else {
            self.gpu.check_formulas(&self.network, Some(loss)).await?;
            let task = EvaluationTask {
                gpu: &self.gpu,
                network: &self.network,
                loss,
                batch: self.full_step().0,
                dataset,
                samples: self.dataset.shares_samples(dataset).then_some(&self.stored),
                parameters: &parameters,
            };
            task.build(self.lowering).await?
        };
        let scale = loss.scale(dataset.len(), self.network.outputs());
        let (part, count) = (dataset.part(), dataset.len());
        let status = &self.state.status;
        let (mut sum, status) = evaluation.run(&self.gpu, part, count, scale, status).await?;
        if divergence(status).is_some_and(|diverged| !diverged.in_loss) {
            self.upload_learned(&parameters).await?;
            (sum, _) = evaluation.run(&self.gpu, part, count, scale, &self.state.status).await?;
        }
        self.learned.evaluations.push((dataset.clone(), loss, evaluation));
        Ok(sum)
    }

    /// The outputs of whole samples with the parameters learned so far.
    pub(super) async fn outputs_of(&mut self, inputs: &[f64], output: Output) -> Result<Vec<f64>> {
        let samples = whole_samples(inputs, self.network.inputs())?;
        if samples == 0 {
            return Ok(Vec::new());
        }
        let parameters = self.put_learned().await?;
        if self.diverged().await?.is_some_and(|diverged| !diverged.in_loss) {
            self.upload_learned(&parameters).await?;
        }
        let known = self.learned.prediction.take();
        let known = known.filter(|(count, of, _)| (*count, *of) == (samples, output));
        let prediction = if let Some((_, _, prediction)) = known {
            prediction
        } else {
            let (gpu, network) = (&self.gpu, &self.network);
            let parameters = Some(&parameters);
            let task = PredictionTask { gpu, network, samples, output, parameters };
            task.build(self.lowering).await?
        };
        let outputs = prediction.run(&self.gpu, inputs).await?;
        self.learned.prediction = Some((samples, output, prediction));
        Ok(outputs)
    }

    /// A buffer with the parameters learned so far. They are copied on the device, or computed on the host
    /// if they are a moving average. If the last update was undone, the copy is wrong. The callers read the
    /// status and then call [`upload_learned`](Self::upload_learned).
    async fn put_learned(&mut self) -> Result<wgpu::Buffer> {
        let buffer = if let Some(buffer) = &self.learned.parameters {
            buffer.clone()
        } else {
            let numbers = (self.state.parameters.size() / 4) as usize;
            self.gpu.storage("parameters learned", numbers).await?
        };
        self.learned.parameters = Some(buffer.clone());
        if self.plan.wrappers.ema.is_some() {
            self.upload_learned(&buffer).await?;
        } else {
            let from = self.state.parameters.clone();
            self.copies.push(Copy { from, to: buffer.clone() });
            self.flush_copies();
        }
        Ok(buffer)
    }

    /// Writes the parameters learned so far to a buffer.
    async fn upload_learned(&mut self, buffer: &wgpu::Buffer) -> Result<()> {
        let learned = self.read_learned().await?;
        let stored = self.stored_order(&learned, 0.0)?;
        self.gpu.write(buffer, bytemuck::cast_slice(&stored));
        self.gpu.check()
    }
}
