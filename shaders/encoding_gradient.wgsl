// The gradient of the inputs, from that with respect to the columns of all encodings.
// Twin: reference::encode_gradient
//
// A template, written for one network (src/engine/gpu/encodings.rs) with shared/place.wgsl and the functions of its
// encodings. deltas is [rows, COLUMNS] and gradient [rows, INPUTS], both row by row.
struct Shape { rows: u32, capacity: u32, tables: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@if tables
@group(0) @binding(1) var<storage, read> parameters: array<f32>;
@end
@if waves
@group(0) @binding(4) var<storage, read> frequencies: array<f32>;
@end
@group(0) @binding(5) var<storage, read> deltas: array<f32>;
@group(0) @binding(6) var<storage, read_write> gradient: array<f32>;

fn delta_at(column: u32) -> f32 { return deltas[row * COLUMNS + column]; }

@compute @workgroup_size(128)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    for (row = workgroup.x * 128u + local; row < shape.rows; row += workgroups.x * 128u) {
        sample = ${sample};
        for (var input = workgroup.y; input < INPUTS; input += workgroups.y) {
            gradient[row * INPUTS + input] = input_gradient(input);
        }
    }
}
