// Gathers a batch: out[i, :] = rows[order(first + i), :].      Twin: reference::gather
// rows is a segment of [samples, width]: segment_rows samples from segment_first on; samples of
// other segments are left to other dispatches. out is [batch, width]; its first row is at
// offset in the step's batch. One invocation a row.
struct Shape { batch: u32, width: u32, offset: u32, segment_first: u32, segment_rows: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> rows: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_index(workgroup, workgroups, local);
    if i >= shape.batch { return; }
    let sample = sample_at(this_step.first + shape.offset + i);
    if sample < shape.segment_first || sample - shape.segment_first >= shape.segment_rows { return; }
    let from_row = (sample - shape.segment_first) * shape.width;
    for (var j = 0u; j < shape.width; j++) { out[i * shape.width + j] = rows[from_row + j]; }
}
