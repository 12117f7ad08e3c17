// Dropout in place: y[i, j] ← y[i, j]·factor where the step's mask keeps neuron j of sample i, 0
// elsewhere; the same of the slopes.      Twin: reference::dropout
// y and slopes are [rows, width]; their first row is at offset in the step's batch. One invocation an
// element.
struct Shape {
    count: u32,
    width: u32,
    layer: u32,
    offset: u32,
    threshold: u32,
    factor: f32,
}

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> slopes: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_index(workgroup, workgroups, local);
    if i >= shape.count { return; }
    let mask = mask_of(shape.layer, shape.offset + i / shape.width);
    let scale = select(0.0, shape.factor, is_kept(mask, i % shape.width, shape.threshold));
    y[i] *= scale;
    slopes[i] *= scale;
}
