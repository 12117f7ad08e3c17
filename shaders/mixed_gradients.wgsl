// The gradients of all weights and biases of all layers in mixed precision, split over the batch: products
// of f16 in matrices, their sums in f32.      Twins: reference::matmul_tn and reference::bias_gradient
//
// A template with the layouts of mixed_step.wgsl. The gradient of a layer above the first is
// [pitch below + T, pitch above] from gradients_of(layer) on: the weights, then T rows, each of them the
// gradient of the biases. The first layer's is [inputs and 1, pitch above], computed in f32 since inputs may need more digits
// than f16 has. A workgroup computes a layer for SLICE samples; a subgroup T columns of it. Values and deltas of
// CHUNK samples at a time go through workgroup memory, since there the matrices of the values, whose columns
// lie together, are read fast: prototypes on an H100 took 32 to 73 % of the time (docs/notebook/nvidia.md). The workgroup behind
// the last one adds up the losses of the batch and decides about the loss scale.

@group(0) @binding(1) var<storage, read> first: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> levels: array<vec4<f16>>;
@group(0) @binding(3) var<storage, read> losses: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(5) var<storage, read_write> sums: array<f32>;
@group(0) @binding(6) var<storage, read_write> status: array<atomic<u32>, STATUS>;

const WORKGROUP: u32 = 256u;
const TILE_PITCH: u32 = LONGEST + 8u;
// Rows that the workgroup reads at a time, of LANES times four columns.
const ROWS: u32 = WORKGROUP / LANES;

// All of the workgroup's memory, what matrices are read from first; see mixed_step.wgsl.
struct Memory {
    // Rows of values and of deltas.
    values: array<f16, CHUNK * TILE_PITCH>,
    deltas: array<f16, CHUNK * TILE_PITCH>,
    ones: array<f16, T * T>,
    // What each invocation adds up: losses, or the gradient of four parameters of the first layer.
    partial: array<vec4<f32>, WORKGROUP>,
    subgroup_count: u32,
    row_count: u32,
}

var<workgroup> memory: Memory;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) num_subgroups: u32,
) {
    let slice = workgroup.y;
    if workgroup.x >= LAYERS - 1u {
        let block = workgroup.x - (LAYERS - 1u);
        if block < FIRST_BLOCKS {
            first_gradient(slice, block, local);
        } else if slice == 0u {
            add_losses(local, WORKGROUP);
        }
        return;
    }
    var layer = workgroup.x + 1u;
    if local == 0u {
        memory.subgroup_count = num_subgroups;
        memory.row_count = blocks_of(layer) * (16u / T);
    }
    for (var i = local; i < T * T; i += WORKGROUP) { memory.ones[i] = 1.0h; }
    let subgroups = workgroupUniformLoad(&memory.subgroup_count);
    // Read so, naga knows that conditions on it are uniform.
    let rows = workgroupUniformLoad(&memory.row_count);
    let one = coopLoad<coop_mat${t}x${t}<f16, A>>(&memory.ones[0], T);
    // In blocks of 16, so that the compiler sees that every address is a multiple of 16.
    var below = blocks_of(layer);
    var above = blocks_of(layer + 1u);
    var columns = above * (16u / T);
    var turns = (columns + subgroups - 1u) / subgroups;
    // Whole matrices: the deltas behind the last sample are 0.
    var end = min((slice + 1u) * SLICE, (batch_count() + T - 1u) / T * T);
    let lane = local % LANES;
    let own_row = local / LANES;
    let to = slice * GRADIENT + gradients_of(layer);
    // naga wants the places and strides of a store to have names.
    let across = above * 16u;
    for (var turn = 0u; turn < turns; turn++) {
        let column = min(turn * subgroups + subgroup, columns - 1u) * T;
        @each m: var sum_${m} = coop_mat${t}x${t}<f32, C>();
        var bias = coop_mat${t}x${t}<f32, C>();
        @each p: var value_${p} = four_of(values_of(layer), below * 4u, slice * SLICE + own_row + ${p}u * ROWS, lane, end);
        @each p: var delta_${p} = four_of(deltas_of(layer + 1u), above * 4u, slice * SLICE + own_row + ${p}u * ROWS, lane, end);
        for (var first = slice * SLICE; first < end; first += CHUNK) {
            workgroupBarrier();
            @each p: put(own_row + ${p}u * ROWS, lane, value_${p}, delta_${p});
            workgroupBarrier();
            // The next chunk is on its way while this one is multiplied.
            let next = first + CHUNK + own_row;
            @each p: value_${p} = four_of(values_of(layer), below * 4u, next + ${p}u * ROWS, lane, end);
            @each p: delta_${p} = four_of(deltas_of(layer + 1u), above * 4u, next + ${p}u * ROWS, lane, end);
@if straight
            @each k: let b_${k} = coopLoadT<coop_mat${t}x${t}<f16, B>>(&memory.deltas[${k}u * T * TILE_PITCH + column], TILE_PITCH);
            @each k: bias = coopMultiplyAdd(one, b_${k}, bias);
            @each k m: { let a = coopLoad<coop_mat${t}x${t}<f16, A>>(&memory.values[(${k}u * TILE_PITCH + ${m}u) * T], TILE_PITCH); sum_${m} = coopMultiplyAdd(a, b_${k}, sum_${m}); }
@else
            for (var k = 0u; k < CHUNK / T; k++) {
                let at = k * T * TILE_PITCH;
                let b = coopLoadT<coop_mat${t}x${t}<f16, B>>(&memory.deltas[at + column], TILE_PITCH);
                bias = coopMultiplyAdd(one, b, bias);
                @each m: if ${m}u < rows { let a = coopLoad<coop_mat${t}x${t}<f16, A>>(&memory.values[at + ${m}u * T], TILE_PITCH); sum_${m} = coopMultiplyAdd(a, b, sum_${m}); }
            }
@end
        }
        @each m: if ${m}u < rows { let place = to + ${m}u * T * across + column; coopStoreT(sum_${m}, &gradient[place], across); }
        let behind = to + rows * T * across + column;
        coopStoreT(bias, &gradient[behind], across);
    }
}

// Four numbers of a row of a level with so many fours; 0 behind the end of the row, and of the slice.
fn four_of(start: u32, fours: u32, row: u32, lane: u32, end: u32) -> vec4<f16> {
    if row >= end || lane >= fours { return vec4<f16>(); }
    return levels[start / 4u + row * fours + lane];
}

// Four numbers of a row of the values and of the deltas, to where the matrices are read.
fn put(row: u32, lane: u32, value: vec4<f16>, delta: vec4<f16>) {
    if row >= CHUNK || 4u * lane >= LONGEST { return; }
    let at = row * TILE_PITCH + 4u * lane;
    @each i: memory.values[at + ${i}u] = value[${i}];
    @each i: memory.deltas[at + ${i}u] = delta[${i}];
}

// The gradient of the first layer in a slice, for four of its inputs and all columns. An invocation has four
// columns of every ROWS-th sample; then their sums meet in a tree.
fn first_gradient(slice: u32, block: u32, local: u32) {
    let fours = pitch_of(1u) / 4u;
    let lane = local % LANES;
    let own_row = local / LANES;
    let end = min((slice + 1u) * SLICE, batch_count());
    @each i: var sum_${i} = vec4<f32>();
    for (var row = slice * SLICE + own_row; row < end; row += ROWS) {
        let delta = vec4<f32>(four_of(deltas_of(1u), fours, row, lane, end));
        let inputs = first[row * (INPUT_PITCH / 4u) + block];
        @each i: sum_${i} += inputs[${i}] * delta;
    }
    @each i: add_rows(slice, block * 4u + ${i}u, local, sum_${i});
}

// Adds what the rows of invocations have for an input, and stores it.
fn add_rows(slice: u32, input: u32, local: u32, sum: vec4<f32>) {
    workgroupBarrier();
    memory.partial[local] = sum;
    workgroupBarrier();
    for (var rows = ROWS; rows > 1u; rows = rows / 2u) {
        let half = rows / 2u * LANES;
        if local < half { memory.partial[local] += memory.partial[local + half]; }
        workgroupBarrier();
    }
    let pitch = pitch_of(1u);
    if input < depth_of(0u) && 4u * local < pitch {
        let at = slice * GRADIENT + input * pitch + 4u * local;
        @each i: gradient[at + ${i}u] = memory.partial[local][${i}];
    }
}
