// Squared error: losses[i] = scale·Σⱼ (y − t)², delta = scale·2(y − t), the gradient with respect to
// the outputs y.      Twin: reference::squared_error
// y, t and delta are [batch, outputs], losses is [batch]. One invocation a row.
struct Shape { batch: u32, outputs: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> t: array<f32>;
@group(0) @binding(3) var<storage, read_write> losses: array<f32>;
@group(0) @binding(4) var<storage, read_write> delta: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_index(workgroup, workgroups, local);
    if i >= shape.batch { return; }
    let row = i * shape.outputs;
    var loss = 0.0;
    for (var j = row; j < row + shape.outputs; j++) {
        let error = y[j] - t[j];
        loss += shape.scale * error * error;
        delta[j] = shape.scale * 2.0 * error;
    }
    losses[i] = loss;
}
