// Bias added to every row: z[i, j] += bias[j].      Twin: reference::bias_add
// z is [batch, outputs], bias is [outputs] from offset on. One invocation an element.
struct Shape { count: u32, outputs: u32, offset: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> z: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_index(workgroup, workgroups, local);
    if i < shape.count { z[i] += bias[shape.offset + i % shape.outputs]; }
}
