// The gradient with respect to the columns of all encodings, from that with respect to what combine.wgsl makes of them.
// Twin: reference::encode_gradient
//
// A template, as combine.wgsl. deltas is [rows, FIRST] and gradient [rows, COLUMNS], both row by row.
struct Shape { rows: u32, capacity: u32, tables: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> columns: array<f32>;
@group(0) @binding(2) var<storage, read> deltas: array<f32>;
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;

fn column_at(column: u32) -> f32 { return columns[place_of(column, COLUMNS)]; }
fn delta_at(output: u32) -> f32 { return deltas[row * FIRST + output]; }

@compute @workgroup_size(128)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    for (row = workgroup.x * 128u + local; row < shape.rows; row += workgroups.x * 128u) {
        for (var column = workgroup.y; column < COLUMNS; column += workgroups.y) {
            gradient[row * COLUMNS + column] = gradient_of(column);
        }
    }
}
