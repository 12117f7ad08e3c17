// Bias gradient, added to db: db[j] += Σᵢ delta[i, j].      Twin: reference::bias_gradient
// delta is [batch, outputs], db is [slices, stride], with [outputs] from offset on in each slice.
// One invocation a column of a slice, which is the sum over `slice` rows, the last over what is left. It
// adds the rows in blocks, and the blocks, in order: so the sum is the same on every run, and the rounding
// errors of a million rows are those of two thousand.
struct Shape { batch: u32, outputs: u32, offset: u32, accumulate: u32, slice: u32, stride: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> delta: array<f32>;
@group(0) @binding(2) var<storage, read_write> db: array<f32>;

const BLOCK: u32 = 1024u;

fn value(row: u32, column: u32) -> f32 {
    return delta[row * shape.outputs + column];
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let j = linear_index(workgroup, workgroups, local);
    if j >= shape.outputs { return; }
    var sum = 0.0;
    let at = workgroup.z * shape.stride + shape.offset + j;
    if shape.accumulate != 0u { sum = db[at]; }
    let start = min(workgroup.z * shape.slice, shape.batch);
    let end = min(start + shape.slice, shape.batch);
    for (var first = start; first < end; first += BLOCK) {
        var block = 0.0;
        let block_end = min(first + BLOCK, end);
        var i = first;
        // Eight at a time, so that as many reads are under way.
        for (; i + 8u <= block_end; i += 8u) {
            let a = vec4<f32>(value(i, j), value(i + 1u, j), value(i + 2u, j), value(i + 3u, j));
            let b = vec4<f32>(value(i + 4u, j), value(i + 5u, j), value(i + 6u, j), value(i + 7u, j));
            block = block + a.x + a.y + a.z + a.w + b.x + b.y + b.z + b.w;
        }
        for (; i < block_end; i++) { block += value(i, j); }
        sum += block;
    }
    db[at] = sum;
}
