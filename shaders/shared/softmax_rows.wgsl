// Softmax as a kernel of its own: one invocation a row of z, [batch, outputs].
struct Shape { batch: u32, outputs: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read_write> z: array<f32>;

fn output_of(row: u32, j: u32) -> f32 { return z[row * shape.outputs + j]; }
fn set_output(row: u32, j: u32, value: f32) { z[row * shape.outputs + j] = value; }

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = linear_index(workgroup, workgroups, local);
    if row >= shape.batch { return; }
    row_softmax(row, shape.outputs);
}
