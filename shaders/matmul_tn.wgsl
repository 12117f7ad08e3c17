// Matrix product with the first operand transposed, added to c: c[i, j] += Σₚ a[p, i]·b[p, j].
// Twin: reference::matmul_tn
// a is [batch, m], b is [batch, n], c is [m, n] from c_offset on. Backward: inputs transposed times
// deltas, the gradient of a layer's weights. It adds (or, with accumulate = 0, overwrites), so that
// a batch can come in parts. The samples of a part are added in blocks, and the blocks, in order: so the
// rounding errors of a million samples are those of two thousand.
struct Shape { batch: u32, m: u32, n: u32, c_offset: u32, accumulate: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;

fn load_a(row: u32, p: u32) -> f32 {
    return a[p * shape.m + row];
}

fn load_b(p: u32, column: u32) -> f32 {
    return b[p * shape.n + column];
}

const BLOCK: u32 = 1024u;

// Whether this block is added to the contents of c.
var<private> adds: bool;

fn store(row: u32, column: u32, sum: f32) {
    let at = shape.c_offset + row * shape.n + column;
    if adds { c[at] += sum; } else { c[at] = sum; }
}

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    for (var first = 0u; first < shape.batch; first += BLOCK) {
        adds = first > 0u || shape.accumulate != 0u;
        let end = min(first + BLOCK, shape.batch);
        multiply_tile(workgroup, local, shape.m, vec2<u32>(first, end), shape.n);
    }
}
