// Bias gradient, added to db: db[j] += Σᵢ delta[i, j].      Twin: reference::bias_gradient
// delta is [batch, outputs], db is [outputs] from offset on.
// One invocation a column. It adds the rows in blocks, and the blocks, in order: so the sum is the same
// on every run, and the rounding errors of a million rows are those of two thousand.
struct Shape { batch: u32, outputs: u32, offset: u32, accumulate: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> delta: array<f32>;
@group(0) @binding(2) var<storage, read_write> db: array<f32>;

const BLOCK: u32 = 1024u;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let j = linear_index(workgroup, workgroups, local);
    if j >= shape.outputs { return; }
    var sum = 0.0;
    if shape.accumulate != 0u { sum = db[shape.offset + j]; }
    for (var first = 0u; first < shape.batch; first += BLOCK) {
        var block = 0.0;
        let end = min(first + BLOCK, shape.batch);
        for (var i = first; i < end; i++) { block += delta[i * shape.outputs + j]; }
        sum += block;
    }
    db[shape.offset + j] = sum;
}
