//! A layerwise forward and backward pass with a gradient of the caller's.

use super::elementwise::record_gradient;
use super::order::places;
use super::{Down, Forward, Slices, part_rows};
use crate::engine::Output;
use crate::engine::gpu::arguments::FourierEncoding;
use crate::engine::gpu::backpropagation::{self, Backpropagation, Buffers, Part};
use crate::engine::gpu::device::Gpu;
use crate::engine::gpu::kernels::KernelKey;
use crate::engine::gpu::recorder::{Grid, Pass, Recorder};
use crate::error::Result;
use crate::gradients::Wanted;
use crate::network::Network;

/// The passes of `samples` samples, at least 1, through a network without dropout and frozen layers. They
/// read `parameters`, in the order of the layerwise kernels, or a buffer of their own.
pub(in crate::engine::gpu) async fn gradients(
    gpu: &Gpu,
    network: &Network,
    parameters: Option<&wgpu::Buffer>,
    samples: usize,
    wanted: Wanted,
) -> Result<Backpropagation> {
    let (rows, count) = (part_rows(gpu, network, samples)?, network.count());
    let parameters = match parameters {
        Some(parameters) => parameters.clone(),
        None => gpu.storage("parameters", count).await?,
    };
    let [wide_in, wide_out] = [network.inputs(), network.outputs()];
    let encoded = network.encoding().outputs(wide_in);
    let widest = network.layers().iter().map(|layer| layer.fan_out).max().unwrap_or(1);
    let forward = Forward::new(gpu, network, rows, Some(wanted)).await?;
    let deltas = [
        gpu.storage("deltas (even layers)", rows * widest).await?,
        gpu.storage("deltas (odd layers)", rows * widest).await?,
    ];
    let (mut gradient, mut first, mut input_gradient) = (None, None, None);
    if wanted.parameters() {
        gradient = Some(gpu.storage("gradient", count).await?);
    }
    let trains_encoding = wanted.parameters() && network.encoding_parameters() > 0;
    if wanted.inputs() || trains_encoding {
        let below = gpu.storage("gradient of the first layer's inputs", rows * encoded).await?;
        if wanted.inputs() {
            let is_encoded = forward.frequencies.is_some() || forward.encoder.is_some();
            input_gradient = Some(if is_encoded {
                gpu.storage("gradient of the inputs", rows * wide_in).await?
            } else {
                below.clone()
            });
        }
        first = Some(below);
    }
    let down = Down {
        network,
        forward: &forward,
        parameters: &parameters,
        deltas: [&deltas[0], &deltas[1]],
        gradient: gradient.as_ref(),
        slices: Slices { count: 1, samples: rows },
        first: first.as_ref(),
    };
    let mut parts = Vec::new();
    for (count, adds) in backpropagation::parts(samples, rows) {
        let mut recorder = Recorder::new(gpu);
        record(&mut recorder, &down, count, adds, input_gradient.as_ref()).await?;
        let dispatches = recorder.finish("backward pass").await?;
        parts.push(Part::new(gpu, Pass { count, dispatches }, adds).await?);
    }
    let [output_gradient, _] = deltas;
    let inputs = forward.inputs;
    let buffers = Buffers { parameters, inputs, output_gradient, gradient, input_gradient };
    let places = places(network);
    Ok(Backpropagation::new(buffers, [wide_in, wide_out], count, places, parts))
}

/// Records a forward and a backward pass of `rows` samples.
async fn record(
    recorder: &mut Recorder<'_>,
    down: &Down<'_>,
    rows: usize,
    adds: bool,
    input_gradient: Option<&wgpu::Buffer>,
) -> Result<()> {
    let Down { network, forward, parameters, deltas, first, .. } = *down;
    forward.record(recorder, network, parameters, 0..rows, Output::Activated).await?;
    let needed = forward.needed(network.layers().len() - 1);
    record_gradient(recorder, network.output_layer(), rows, needed, deltas[0]).await?;
    down.record(recorder, rows, adds, input_gradient).await?;
    let (Some(first), Some(frequencies)) = (first, &forward.frequencies) else { return Ok(()) };
    let Some(input_gradient) = input_gradient else { return Ok(()) };
    let inputs = network.inputs();
    let features = network.encoding().outputs(inputs) / 2;
    let arguments =
        FourierEncoding { batch: rows as u32, inputs: inputs as u32, features: features as u32 };
    let key = KernelKey::new("fourier_encoding_gradient");
    let operands = [&forward.values[0], first, frequencies, input_gradient];
    recorder.call(key, &arguments, &operands, Grid::Elements(rows * inputs)).await
}
