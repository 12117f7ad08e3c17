// Matrix product with the first operand transposed, added to c: c[i, j] += Σₚ a[p, i]·b[p, j].
// Twin: reference::matmul_tn
// a is [batch, m], b is [batch, n], c is [slices, stride], with an [m, n] from c_offset on in each slice.
// Backward: inputs transposed times deltas, the gradient of a layer's weights. Each slice gets the sum
// over `slice` samples, the last over what is left: more slices are more workgroups. It adds (or, with
// accumulate = 0, overwrites), so that a batch can come in parts. The samples of a slice are added in
// blocks, and the blocks, in order: so the rounding errors of a million samples are those of two thousand.
struct Shape { batch: u32, m: u32, n: u32, c_offset: u32, accumulate: u32, slice: u32, stride: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;

// Which numbers lie side by side.
const A_BY_TERM: bool = false;
const B_BY_TERM: bool = false;

fn load_a(row: u32, p: u32) -> f32 {
    return a[p * shape.m + row];
}

fn load_b(p: u32, column: u32) -> f32 {
    return b[p * shape.n + column];
}

const BLOCK: u32 = 1024u;

// Where the slice's part of c begins, and whether this block is added to its contents.
var<private> c_first: u32;
var<private> adds: bool;

fn store(row: u32, column: u32, sum: f32) {
    let at = c_first + row * shape.n + column;
    if adds { c[at] += sum; } else { c[at] = sum; }
}

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    c_first = workgroup.z * shape.stride + shape.c_offset;
    let start = min(workgroup.z * shape.slice, shape.batch);
    let end = min(start + shape.slice, shape.batch);
    adds = shape.accumulate != 0u;
    // A slice without samples is zero.
    var first = start;
    loop {
        let block_end = min(first + BLOCK, end);
        multiply_tile(workgroup, local, shape.m, vec2<u32>(first, block_end), shape.n);
        adds = true;
        first += BLOCK;
        if first >= end { break; }
    }
}
