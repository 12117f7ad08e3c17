// What the first layer is given, from the columns of all encodings.      Twin: reference::encode
//
// A template, written for one network (src/engine/gpu/encodings.rs) with shared/place.wgsl and functions of the nodes of
// its composite encodings. columns is [rows, COLUMNS] and first [rows, FIRST], both row by row or column by column.
struct Shape { rows: u32, capacity: u32, tables: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> columns: array<f32>;
@group(0) @binding(2) var<storage, read_write> first: array<f32>;

fn column_at(column: u32) -> f32 { return columns[place_of(column, COLUMNS)]; }

@compute @workgroup_size(128)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    for (row = workgroup.x * 128u + local; row < shape.rows; row += workgroups.x * 128u) {
        for (var output = workgroup.y; output < FIRST; output += workgroups.y) {
            first[place_of(output, FIRST)] = combined(output);
        }
    }
}
