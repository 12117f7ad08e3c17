// Matrix product: c[i, j] = Σₚ a[i, p]·b[p, j].      Twin: reference::matmul
// a is [m, k] from a_offset on, b is [k, n] from b_offset on, c is [m, n]. Forward: samples times weights.
struct Shape { m: u32, k: u32, n: u32, a_offset: u32, b_offset: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;

// Which numbers lie side by side.
const A_BY_TERM: bool = true;
const B_BY_TERM: bool = false;

fn load_a(row: u32, p: u32) -> f32 {
    return a[shape.a_offset + row * shape.k + p];
}

fn load_b(p: u32, column: u32) -> f32 {
    return b[shape.b_offset + p * shape.n + column];
}

fn store(row: u32, column: u32, sum: f32) {
    c[row * shape.n + column] = sum;
}

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    multiply_tile(workgroup, local, shape.m, vec2<u32>(0u, shape.k), shape.n);
}
