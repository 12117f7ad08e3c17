// Gathers a batch: out[i, :] = rows[order(first + i), :].      Twin: reference::gather
// rows is a segment of [samples, width]: segment_rows samples from segment_first on; samples of
// other segments are left to other dispatches. out is [batch, width]; its first row stands at
// offset in the step's batch. One invocation a row.
struct Shape { batch: u32, width: u32, offset: u32, segment_first: u32, segment_rows: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> rows: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

// The sample at a position of the epoch's order.      Twin: dataset::Permutation
fn order(position: u32) -> u32 {
    let samples = this_step.order.x;
    let half_bits = this_step.order.y;
    if half_bits == 0u { return position; }
    var value = encrypt(position, half_bits);
    while value >= samples { value = encrypt(value, half_bits); }
    return value;
}

// A Feistel network of six rounds over twice half_bits bits.
fn encrypt(value: u32, half_bits: u32) -> u32 {
    let mask = (1u << half_bits) - 1u;
    var left = value >> half_bits;
    var right = value & mask;
    for (var round = 0u; round < 6u; round++) {
        let key = select(this_step.order.z, this_step.order.w, (round & 1u) == 1u) + round * 0x9e3779b9u;
        let next = left ^ (mix_bits(right ^ key) & mask);
        left = right;
        right = next;
    }
    return (left << half_bits) | right;
}

fn mix_bits(seed: u32) -> u32 {
    var x = seed;
    x = (x ^ (x >> 16u)) * 0x7feb352du;
    x = (x ^ (x >> 15u)) * 0x846ca68bu;
    return x ^ (x >> 16u);
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_index(workgroup, workgroups, local);
    if i >= shape.batch { return; }
    let sample = order(this_step.first + shape.offset + i);
    if sample < shape.segment_first || sample - shape.segment_first >= shape.segment_rows { return; }
    let from_row = (sample - shape.segment_first) * shape.width;
    for (var j = 0u; j < shape.width; j++) { out[i * shape.width + j] = rows[from_row + j]; }
}
