//! The order of the parameters in the layerwise kernels: that of the network, but with those of the encoding behind the
//! others.

use crate::engine::gpu::device::Gpu;
use crate::error::Result;
use crate::memory::{self, NARROWER};
use crate::network::Network;
use crate::segment::Segment;
use std::ops::Range;

/// The parameters as one buffer: in the network's order, but with those of the encoding behind the others.
pub(in crate::engine::gpu) async fn upload_parameters(
    gpu: &Gpu,
    network: &Network,
) -> Result<wgpu::Buffer> {
    let parameters = network.parameters().iter().map(|p| *p as f32);
    let what = format!("uploading {} parameters", parameters.len());
    let mut parameters: Vec<f32> = memory::collect(parameters, what, NARROWER)?;
    parameters.rotate_left(network.encoding_parameters());
    gpu.upload("parameters", &parameters).await
}

/// The place of every parameter in that buffer, if it is not the network's order.
pub(in crate::engine::gpu) fn places(network: &Network) -> Option<Vec<usize>> {
    let tables = network.encoding_parameters();
    let dense = network.count() - tables;
    (tables > 0).then(|| (dense..network.count()).chain(0..dense).collect())
}

/// The segments of the parameters in that buffer.
pub(in crate::engine::gpu) fn segments(network: &Network) -> Vec<Range<usize>> {
    let tables = network.encoding_parameters();
    let dense = network.count() - tables;
    let all = network.segments().iter().map(|segment| segment.range.clone());
    let (first, behind): (Vec<_>, Vec<_>) = all.partition(|range| range.start >= tables);
    let first = first.into_iter().map(|range| range.start - tables..range.end - tables);
    first.chain(behind.into_iter().map(|range| range.start + dense..range.end + dense)).collect()
}

/// Where the parameters of the encoding begin in that buffer.
pub(in crate::engine::gpu) fn first_scattered(network: &Network) -> usize {
    network.count() - network.encoding_parameters()
}

/// Where the weights of a layer and its biases, if it has any, start among the parameters of all layers.
pub(in crate::engine::gpu) fn offsets(network: &Network, layer: usize) -> (u32, Option<u32>) {
    let tables = network.encoding_parameters();
    let start = |segment: &Segment| (segment.range.start - tables) as u32;
    (start(network.weight_segment(layer)), network.bias_segment(layer).map(start))
}
