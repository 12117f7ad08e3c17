// Softmax gradient in place: delta[i, j] ← y[i, j]·(delta[i, j] − Σₖ delta[i, k]·y[i, k]).
// Twin: reference::softmax_gradient
// y are the softmax's outputs; y and delta are [batch, outputs]. One invocation a row.
struct Shape { batch: u32, outputs: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> delta: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_index(workgroup, workgroups, local);
    if i >= shape.batch { return; }
    let row = i * shape.outputs;
    var dot = 0.0;
    for (var j = 0u; j < shape.outputs; j++) { dot += delta[row + j] * y[row + j]; }
    for (var j = 0u; j < shape.outputs; j++) { delta[row + j] = y[row + j] * (delta[row + j] - dot); }
}
