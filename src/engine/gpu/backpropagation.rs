//! Backward passes with a gradient of the caller's: recorded once, played in every call.

use super::device::{Gpu, STEP_STRIDE};
use super::lock::lock;
use super::readback::floats;
use super::recorder::{Dispatch, Pass, play_steps};
use super::run_buffers::NEVER;
use super::step::StepData;
use crate::error::{Result, internal};
use std::sync::{Arc, Mutex};

/// A pass with the step that it reads.
pub(super) struct Part {
    pass: Pass,
    /// Whether it adds to the gradient of the parameters instead of replacing it.
    adds: bool,
    step: wgpu::BindGroup,
}

impl Part {
    pub(super) async fn new(gpu: &Gpu, pass: Pass, adds: bool) -> Result<Self> {
        let step = gpu.storage("steps", STEP_STRIDE as usize / 4).await?;
        let data = StepData { loss_factor: 1.0, ..StepData::in_order(pass.count) };
        gpu.write(&step, bytemuck::bytes_of(&data));
        Ok(Self { pass, adds, step: gpu.step_group(&step).await? })
    }
}

/// The different passes that `samples` samples need, `rows` at a time: the rows of each, and whether it adds
/// to the gradient of earlier passes.
pub(super) fn parts(samples: usize, rows: usize) -> Vec<(usize, bool)> {
    let part = |start: usize| (rows.min(samples - start), start > 0);
    let mut parts: Vec<_> = (0..samples).step_by(rows).map(part).collect();
    parts.dedup();
    parts
}

/// The buffers that the passes read and write.
pub(super) struct Buffers {
    pub(super) parameters: wgpu::Buffer,
    /// `[rows, inputs]`.
    pub(super) inputs: wgpu::Buffer,
    /// `[rows, outputs]`.
    pub(super) output_gradient: wgpu::Buffer,
    /// The gradient of the parameters, in the order of `parameters`, if it is wanted.
    pub(super) gradient: Option<wgpu::Buffer>,
    /// The gradient of the inputs, `[rows, inputs]`, if it is wanted.
    pub(super) input_gradient: Option<wgpu::Buffer>,
}

/// The passes for one number of samples. Threads share them.
pub(super) struct Backpropagation {
    buffers: Buffers,
    /// Numbers in a row of inputs and of outputs.
    widths: [usize; 2],
    /// Numbers in the parameters, with their padding.
    count: usize,
    /// Where each parameter of the network is, if not in the network's own order.
    places: Option<Vec<usize>>,
    /// The first has the most rows.
    parts: Vec<Part>,
    /// Locked while the passes of a call are submitted.
    turn: Mutex<()>,
}

/// The results of a call.
pub(super) struct Results {
    /// In the network's order.
    pub(super) parameters: Vec<f64>,
    pub(super) inputs: Vec<f32>,
    /// The two numbers in the status buffer of a run.
    pub(super) status: [u32; 2],
}

impl Backpropagation {
    pub(super) fn new(
        buffers: Buffers,
        widths: [usize; 2],
        count: usize,
        places: Option<Vec<usize>>,
        parts: Vec<Part>,
    ) -> Self {
        Self { buffers, widths, count, places, parts, turn: Mutex::new(()) }
    }

    /// Bytes of its buffers.
    pub(super) fn bytes(&self) -> u64 {
        let dispatches = self.parts.iter().flat_map(|part| &part.pass.dispatches);
        let mut buffers: Vec<&wgpu::Buffer> = dispatches.flat_map(Dispatch::buffers).collect();
        buffers.sort_unstable();
        buffers.dedup();
        buffers.into_iter().map(wgpu::Buffer::size).sum()
    }

    /// These parameters in the order in which the buffer stores them.
    fn stored(&self, parameters: &[f64]) -> Vec<f32> {
        let Some(places) = &self.places else {
            return parameters.iter().map(|number| *number as f32).collect();
        };
        let mut stored = vec![0.0; self.count];
        for (place, from) in places.iter().zip(parameters) {
            stored[*place] = *from as f32;
        }
        stored
    }

    /// Starts the passes and returns a future of their results. The number of samples is the one that the
    /// passes were recorded for. Without `parameters`, the passes use those in the buffer. `status` is the
    /// status buffer of a run.
    pub(super) fn start(
        &self,
        gpu: &Arc<Gpu>,
        parameters: Option<&[f64]>,
        [inputs, output_gradient]: [&[f32]; 2],
        status: Option<&wgpu::Buffer>,
    ) -> Result<impl Future<Output = Result<Results>>> {
        const WHAT: &str = "gradients";
        let Self { buffers, widths: [wide_in, wide_out], .. } = self;
        let rows = self.parts.first().map_or(1, |part| part.pass.count);
        let parameters = parameters.map(|parameters| self.stored(parameters));
        let turn = lock(&self.turn);
        if let Some(parameters) = parameters {
            gpu.write(&buffers.parameters, bytemuck::cast_slice(&parameters));
        }
        let mut reads = Vec::new();
        let some = inputs.chunks(rows * wide_in).zip(output_gradient.chunks(rows * wide_out));
        let last = (inputs.len() / wide_in).div_ceil(rows);
        for ((inputs, output_gradient), number) in some.zip(1..) {
            let (adds, count) = (number > 1, inputs.len() / wide_in);
            let fits = |part: &&Part| (part.adds, part.pass.count) == (adds, count);
            let Some(part) = self.parts.iter().find(fits) else {
                return internal(format!("no backward pass of {count} samples was recorded"));
            };
            gpu.write(&buffers.inputs, bytemuck::cast_slice(inputs));
            gpu.write(&buffers.output_gradient, bytemuck::cast_slice(output_gradient));
            let mut encoder = gpu.encoder(WHAT);
            let played = std::iter::once(part.pass.dispatches.as_slice());
            play_steps(gpu, &mut encoder, &part.step, played);
            let bytes = 0..4 * inputs.len() as u64;
            let mut sources: Vec<_> =
                buffers.input_gradient.iter().map(|buffer| (buffer, bytes.clone())).collect();
            if number == last {
                let gradient = buffers.gradient.as_ref();
                let gradient = gradient.map(|buffer| (buffer, 0..4 * self.count as u64));
                let rest = status.map(|status| (status, 0..8)).into_iter().chain(gradient);
                let all = rest.clone().chain(sources.iter().cloned());
                let size: u64 = all.map(|(_, bytes)| bytes.end).sum();
                if !sources.is_empty() && size > gpu.largest_buffer() {
                    reads.push(gpu.read(encoder, &sources, WHAT)?);
                    (encoder, sources) = (gpu.encoder(WHAT), Vec::new());
                }
                sources.extend(rest);
            }
            if sources.is_empty() {
                gpu.queue.submit([encoder.finish()]);
                gpu.count(|counts| counts.submissions += 1);
            } else {
                reads.push(gpu.read(encoder, &sources, WHAT)?);
            }
        }
        drop(turn);
        let of_inputs = if buffers.input_gradient.is_some() { 4 * inputs.len() } else { 0 };
        let of_status = if status.is_some() { 8 } else { 0 };
        Ok(async move {
            let mut bytes = Vec::new();
            for read in reads {
                bytes.extend(read.await?);
            }
            let (inputs, rest) = bytes.split_at(of_inputs);
            let (status, gradient) = rest.split_at(of_status);
            let gradient = floats(gradient).map(f64::from);
            let parameters = match &self.places {
                Some(places) if self.buffers.gradient.is_some() => {
                    let gradient: Vec<f64> = gradient.collect();
                    places.iter().map(|place| gradient[*place]).collect()
                }
                _ => gradient.collect(),
            };
            let inputs = floats(inputs).collect();
            let status = bytemuck::try_pod_read_unaligned(status).unwrap_or([NEVER; 2]);
            Ok(Results { parameters, inputs, status })
        })
    }
}
