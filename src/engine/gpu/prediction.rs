//! A forward pass on the device: recorded once, played for every part of the samples.

use super::device::{Gpu, STEP_STRIDE};
use super::readback::floats;
use super::recorder::{Pass, play_steps};
use super::step::StepData;
use crate::error::{Result, internal};
use std::sync::Arc;

/// A pass with the step that it reads.
struct Part {
    pass: Pass,
    step: wgpu::BindGroup,
}

/// A network on the device, ready to predict.
pub(super) struct Prediction {
    /// `[rows, inputs]`.
    inputs: wgpu::Buffer,
    /// `[rows, outputs]`.
    outputs: wgpu::Buffer,
    /// Numbers in a row of each.
    widths: [usize; 2],
    parts: Vec<Part>,
}

impl Prediction {
    /// For `passes` over rows of so many numbers, the first over as many rows as there is room for.
    pub(super) async fn new(
        gpu: &Gpu,
        [inputs, outputs]: [&wgpu::Buffer; 2],
        widths: [usize; 2],
        passes: Vec<Pass>,
    ) -> Result<Self> {
        let mut parts = Vec::with_capacity(passes.len());
        for pass in passes {
            let step = gpu.storage("steps", STEP_STRIDE as usize / 4).await?;
            gpu.write(&step, bytemuck::bytes_of(&StepData::in_order(pass.count)));
            parts.push(Part { step: gpu.step_group(&step).await?, pass });
        }
        Ok(Self { inputs: inputs.clone(), outputs: outputs.clone(), widths, parts })
    }

    /// The outputs of some samples.
    pub(super) async fn run(&self, gpu: &Arc<Gpu>, inputs: &[f64]) -> Result<Vec<f64>> {
        let [width_in, width_out] = self.widths;
        let rows = self.parts[0].pass.count;
        let mut outputs = Vec::with_capacity(inputs.len() / width_in * width_out);
        for some in inputs.chunks(rows * width_in) {
            let count = some.len() / width_in;
            let Some(part) = self.parts.iter().find(|part| part.pass.count == count) else {
                return internal(format!("no pass over {count} samples was recorded"));
            };
            let values: Vec<f32> = some.iter().map(|v| *v as f32).collect();
            gpu.write(&self.inputs, bytemuck::cast_slice(&values));
            let mut encoder = gpu.encoder("forward pass");
            let dispatches = std::iter::once(part.pass.dispatches.as_slice());
            play_steps(gpu, &mut encoder, &part.step, dispatches);
            let size = 4 * (count * width_out) as u64;
            let read = gpu.read(encoder, &[(&self.outputs, 0..size)], "outputs")?;
            outputs.extend(floats(&read.await?).map(f64::from));
        }
        Ok(outputs)
    }
}

/// The rows of each pass that `samples` samples need, `rows` at a time.
pub(super) fn counts(samples: usize, rows: usize) -> impl Iterator<Item = usize> {
    std::iter::once(rows).chain(Some(samples % rows).filter(|rest| *rest > 0))
}
