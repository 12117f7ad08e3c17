// Softmax of each row in place: z[i, j] ← exp(z[i, j] − m) / Σₖ exp(z[i, k] − m), m = maxₖ z[i, k].
// Twin: reference::softmax
// z is [batch, outputs]. One invocation a row.
struct Shape { batch: u32, outputs: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read_write> z: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_index(workgroup, workgroups, local);
    if i >= shape.batch { return; }
    let row = i * shape.outputs;
    var largest = z[row];
    for (var j = 1u; j < shape.outputs; j++) { largest = max(largest, z[row + j]); }
    var sum = 0.0;
    for (var j = 0u; j < shape.outputs; j++) {
        let e = exp(z[row + j] - largest);
        z[row + j] = e;
        sum += e;
    }
    for (var j = 0u; j < shape.outputs; j++) { z[row + j] /= sum; }
}
