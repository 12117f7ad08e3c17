// Gathers a batch of pixels: their places and their channels.      Twin: reference::gather
// pixels is a segment of the picture's pixels, segment_rows of them from segment_first on, each of pitch
// words; samples of other segments are left to other dispatches. inputs is [batch, 2], targets is [batch, channels];
// their first row is at offset in the step's batch. One invocation a row.
struct Shape {
    batch: u32,
    channels: u32,
    offset: u32,
    segment_first: u32,
    segment_rows: u32,
    bits: u32,
    pitch: u32,
    width: u32,
    scale_x: f32,
    scale_y: f32,
    origin_x: f32,
    origin_y: f32,
}

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> pixels: array<u32>;
@group(0) @binding(2) var<storage, read_write> inputs: array<f32>;
@group(0) @binding(3) var<storage, read_write> targets: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_index(workgroup, workgroups, local);
    if i >= shape.batch { return; }
    let sample = sample_at(this_step.first + shape.offset + i);
    if sample < shape.segment_first || sample - shape.segment_first >= shape.segment_rows { return; }
    let scale = vec2<f32>(shape.scale_x, shape.scale_y);
    let origin = vec2<f32>(shape.origin_x, shape.origin_y);
    for (var j = 0u; j < 2u; j++) {
        inputs[2u * i + j] = pixel_place(sample, j, shape.width, scale, origin);
    }
    let row = (sample - shape.segment_first) * shape.pitch;
    for (var j = 0u; j < shape.channels; j++) {
        let bit = j * shape.bits;
        targets[i * shape.channels + j] = pixel_channel(pixels[row + bit / 32u], bit % 32u, shape.bits);
    }
}
