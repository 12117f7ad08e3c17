// All encodings of a batch's samples: the columns that they compute, which combine.wgsl combines if they are not what
// the first layer is given.      Twin: reference::encode
//
// A template, written for one network (src/engine/gpu/encodings.rs) with shared/place.wgsl and the functions of its
// encodings. columns is [rows, COLUMNS], row by row or column by column. The tables of grids are in parameters from
// shape.tables on. A unit is what shares most of its work: a level of a grid, a wave, or a column. One invocation for a
// unit of a sample, or several.
struct Shape { rows: u32, capacity: u32, tables: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@if tables
@group(0) @binding(1) var<storage, read> parameters: array<f32>;
@end
@if waves
@group(0) @binding(4) var<storage, read> frequencies: array<f32>;
@end
@group(0) @binding(5) var<storage, read_write> columns: array<f32>;
@if scatters
@group(0) @binding(6) var<storage, read_write> largest: array<u32>;
@end

fn put_column(column: u32, number: f32) { columns[place_of(column, COLUMNS)] = number; }

@compute @workgroup_size(128)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
@if scatters
    // For the backward pass of these samples; see largest_delta.wgsl.
    if workgroup.x + workgroup.y + local == 0u { largest[0] = 0u; }
@end
    for (row = workgroup.x * 128u + local; row < shape.rows; row += workgroups.x * 128u) {
        sample = ${sample};
        for (var unit = workgroup.y; unit < UNITS; unit += workgroups.y) { encode_any(unit); }
    }
}
