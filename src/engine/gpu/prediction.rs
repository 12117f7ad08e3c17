//! A forward pass on the device: recorded once, played for every part of the samples.

use super::device::{Gpu, STEP_STRIDE};
use super::lock::lock;
use super::readback::floats;
use super::recorder::{Pass, play_steps};
use super::step::StepData;
use crate::error::{Result, internal};
use crate::memory::{self, FEWER};
use crate::real::Real;
use std::sync::{Arc, Mutex};

/// A pass with the step that it reads.
struct Part {
    pass: Pass,
    step: wgpu::BindGroup,
}

/// A network on the device, ready to predict. Threads share it.
pub(super) struct Prediction {
    /// In the order of the lowering that built it.
    pub(super) parameters: wgpu::Buffer,
    /// `[rows, inputs]`.
    inputs: wgpu::Buffer,
    /// `[rows, outputs]`.
    outputs: wgpu::Buffer,
    /// Numbers in a row of each.
    widths: [usize; 2],
    parts: Vec<Part>,
    /// Locked while inputs are written and the pass that reads them is submitted.
    turn: Mutex<()>,
}

impl Prediction {
    /// For `passes` over rows of so many numbers, the first over as many rows as there is room for.
    pub(super) async fn new(
        gpu: &Gpu,
        [parameters, inputs, outputs]: [&wgpu::Buffer; 3],
        widths: [usize; 2],
        passes: Vec<Pass>,
    ) -> Result<Self> {
        let mut parts = Vec::with_capacity(passes.len());
        for pass in passes {
            let step = gpu.storage("steps", STEP_STRIDE as usize / 4).await?;
            gpu.write(&step, bytemuck::bytes_of(&StepData::in_order(pass.count)));
            parts.push(Part { step: gpu.step_group(&step).await?, pass });
        }
        let (parameters, inputs, outputs) = (parameters.clone(), inputs.clone(), outputs.clone());
        Ok(Self { parameters, inputs, outputs, widths, parts, turn: Mutex::new(()) })
    }

    /// The most samples in a pass.
    pub(super) fn rows(&self) -> usize {
        self.parts[0].pass.count
    }

    /// The outputs of some samples.
    pub(super) async fn run<R: Real>(&self, gpu: &Arc<Gpu>, inputs: &[R]) -> Result<Vec<R>> {
        let [width_in, width_out] = self.widths;
        let samples = inputs.len() / width_in;
        let what = format!("the outputs of {samples} samples");
        let mut outputs = memory::room(samples.saturating_mul(width_out), what, FEWER)?;
        for some in inputs.chunks(self.rows() * width_in) {
            let values = some.iter().map(|v| v.single());
            let values: Vec<f32> = memory::collect(values, "the inputs of a pass", FEWER)?;
            let bytes = self.start(gpu, &values)?.await?;
            outputs.extend(floats(&bytes).map(R::of));
        }
        Ok(outputs)
    }

    /// Starts the pass over as many samples as `inputs` are, at most [`rows`](Self::rows), or over a few
    /// more, whose outputs are not read. The future is of the bytes of the outputs; it borrows nothing.
    pub(super) fn start(
        &self,
        gpu: &Arc<Gpu>,
        inputs: &[f32],
    ) -> Result<impl Future<Output = Result<Vec<u8>>> + 'static + use<>> {
        let [width_in, width_out] = self.widths;
        let count = inputs.len() / width_in;
        let large = self.parts.iter().filter(|part| part.pass.count >= count);
        let Some(part) = large.min_by_key(|part| part.pass.count) else {
            return internal(format!("no pass over {count} samples was recorded"));
        };
        let _turn = lock(&self.turn);
        gpu.write(&self.inputs, bytemuck::cast_slice(inputs));
        let mut encoder = gpu.encoder("forward pass");
        let dispatches = std::iter::once(part.pass.dispatches.as_slice());
        play_steps(gpu, &mut encoder, &part.step, dispatches);
        let size = 4 * (count * width_out) as u64;
        gpu.read(encoder, &[(&self.outputs, 0..size)], "outputs")
    }
}

/// The rows of each pass that `samples` samples need, `rows` at a time.
pub(super) fn counts(samples: usize, rows: usize) -> impl Iterator<Item = usize> {
    std::iter::once(rows).chain(Some(samples % rows).filter(|rest| *rest > 0))
}
