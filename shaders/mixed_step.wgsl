// The forward and backward pass of a tile of samples in mixed precision: products of f16 in matrices, their
// sums in f32.      Twins: reference::forward and reference::backward, with round_f16
//
// A template, as fused_step.wgsl. The functions of sizes and places come from
// src/engine/gpu/mixed/texts.rs. A level above the inputs has rows of pitch_of(level) numbers, a multiple
// of 16: its own, then zeros. Values and deltas are f16: [level][CAPACITY, pitch], from values_of(level) and
// deltas_of(level) on. The inputs are f32: [CAPACITY, INPUT_PITCH], with a 1 behind them if layer 0 has biases.
//
// The first layer, the biases and the loss are computed in f32 from the master parameters, whose layout is
// that of fused_step.wgsl. The other layers multiply f16 copies of the weights, written by update.wgsl, for
// the way forward and, from BACK on, for the way back; shared/copies.wgsl.
//
// A workgroup takes TILE samples. Each subgroup computes T columns of a layer at a time, for all samples:
// left-over subgroups repeat the last columns, since naga wants all invocations of a workgroup to take the same
// way to a product. What matrices cannot do (biases, activations, rounding to f16) goes through workgroup
// memory, where an invocation has the same four columns of every layer.
//
// The deltas are those of the loss before it is divided by the samples, times a power of two (the loss scale):
// f16 has only 5 bits of exponent. A value or delta that is no finite f16 is noted in status[OVERFLOW].

@group(0) @binding(1) var<storage, read> parameters: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> frequencies: array<f32>;
@group(0) @binding(5) var<storage, read> copies: array<f16>;
@group(0) @binding(6) var<storage, read_write> first: array<f32>;
@group(0) @binding(7) var<storage, read_write> levels: array<vec4<f16>>;
@group(0) @binding(8) var<storage, read_write> losses: array<f32>;
@group(0) @binding(9) var<storage, read_write> status: array<atomic<u32>, STATUS>;

const WORKGROUP: u32 = 256u;
const TILE_PITCH: u32 = LONGEST + 8u;
const SUM_PITCH: u32 = LONGEST + 4u;
// Rows at a time, of LANES times four columns.
const ROWS: u32 = WORKGROUP / LANES;

// All of the workgroup's memory, what matrices are read from and written to first. Vulkan wants their rows at
// multiples of 16 bytes. Variables of their own may begin at any multiple of an element.
struct Memory {
    // Values or deltas of the current level.
    tile: array<f16, TILE * TILE_PITCH>,
    // The sums of a layer, and after the last layer the outputs.
    sums: array<f32, TILE * SUM_PITCH>,
    // The deltas of the outputs.
    results: array<f32, TILE * RESULT_PITCH>,
    row_losses: array<f32, TILE>,
    // The sample in each row of the tile.
    chosen: array<u32, TILE>,
    subgroup_count: u32,
}

var<workgroup> memory: Memory;

// Whether a value or delta of this invocation is no finite f16.
var<private> overflowed: bool;

// Four values or deltas of a row in f16, to where the next layer reads them and, from `to` on, to where the
// gradients do.
fn put(to: u32, row: u32, column: u32, four: vec4<f32>) {
    overflowed = overflowed || !all(abs(four) <= vec4<f32>(LARGEST));
    let half = vec4<f16>(four);
    levels[(to + column) / 4u] = half;
    @each i: memory.tile[row * TILE_PITCH + column + ${i}u] = half[${i}];
}

// Four columns of the sums of a layer.
fn sums_of(row: u32, column: u32) -> vec4<f32> {
    let at = row * SUM_PITCH + column;
    return vec4<f32>(memory.sums[at], memory.sums[at + 1u], memory.sums[at + 2u], memory.sums[at + 3u]);
}

// Four columns of the outputs of a layer, from the weighted sums z.
fn put_values(layer: u32, row: u32, column: u32, z: vec4<f32>) {
    let columns = column + vec4<u32>(0u, 1u, 2u, 3u);
    let y = select(vec4<f32>(0.0), activate(layer, z), columns < vec4<u32>(width_of(layer)));
    if layer + 1u < LAYERS {
        put(values_of(layer + 1u) + (first_row + row) * pitch_of(layer + 1u), row, column, y);
    } else {
        @each i: memory.sums[row * SUM_PITCH + column + ${i}u] = y[${i}];
    }
}

// Four columns of the deltas of a level, from its values and the gradient with respect to them.
fn put_deltas(level: u32, row: u32, column: u32, values: vec4<f16>, gradient: vec4<f32>) {
    let pitch = pitch_of(level);
    let columns = column + vec4<u32>(0u, 1u, 2u, 3u);
    let delta = gradient * slope(level - 1u, vec4<f32>(values));
    let four = select(vec4<f32>(0.0), delta, columns < vec4<u32>(width_of(level - 1u)));
    put(deltas_of(level) + (first_row + row) * pitch, row, column, four);
}

// The numbers of the output level in one row: what the functions of loss and softmax work on.
fn output_of(row: u32, j: u32) -> f32 { return memory.sums[row * SUM_PITCH + j]; }

fn set_output(row: u32, j: u32, y: f32) { memory.sums[row * SUM_PITCH + j] = y; }

fn needed_output(row: u32, j: u32) -> f32 { return output_of(row, j); }

fn delta_of(row: u32, j: u32) -> f32 { return memory.results[row * RESULT_PITCH + j]; }

fn set_delta(row: u32, j: u32, delta: f32) {
    if j < RESULT_PITCH { memory.results[row * RESULT_PITCH + j] = delta; }
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) num_subgroups: u32,
) {
    first_row = workgroup.x * TILE;
    let count = batch_count();
    if local == 0u { memory.subgroup_count = num_subgroups; }
    for (var row = local; row < TILE; row += WORKGROUP) {
        memory.chosen[row] = sample_at(this_step.first + min(first_row + row, count - 1u));
    }
    let subgroups = workgroupUniformLoad(&memory.subgroup_count);
    for (var i = local; i < TILE * INPUT_PITCH; i += WORKGROUP) {
        first[first_row * INPUT_PITCH + i] = first_value(i / INPUT_PITCH, i % INPUT_PITCH);
    }
    storageBarrier();
    workgroupBarrier();

    let column = local % LANES * 4u;
    let own_row = local / LANES;
    for (var row = own_row; row < TILE && column < pitch_of(1u); row += ROWS) {
        var z = vec4<f32>();
        if column < parameter_pitch_of(1u) {
            let stride = parameter_pitch_of(1u) / 4u;
            for (var k = 0u; k < depth_of(0u); k++) {
                let x = first[(first_row + row) * INPUT_PITCH + k];
                z += x * parameters[k * stride + column / 4u];
            }
        }
        put_values(0u, row, column, z);
    }

    for (var layer = 1u; layer < LAYERS; layer++) {
        // In blocks of 16, so that the compiler sees that every address is a multiple of 16.
        var below = blocks_of(layer);
        var above = blocks_of(layer + 1u);
        var columns = above * (16u / T);
        var turns = (columns + subgroups - 1u) / subgroups;
        // Read before the products, which hide how long it takes.
        let biases = weights_of(layer) + width_of(layer - 1u) * parameter_pitch_of(layer + 1u);
        var bias = vec4<f32>();
        if column < parameter_pitch_of(layer + 1u) { bias = parameters[(biases + column) / 4u]; }
        workgroupBarrier();
${forward_product}
        workgroupBarrier();
        for (var row = own_row; row < TILE && column < pitch_of(layer + 1u); row += ROWS) {
            put_values(layer, row, column, bias + sums_of(row, column));
        }
    }
    workgroupBarrier();

    let scale = loss_scale();
    for (var row = local; row < TILE; row += WORKGROUP) {
        let row_loss = finish_row(row, scale * sample_weight(memory.chosen[row]));
        memory.row_losses[row] = select(0.0, row_loss, first_row + row < count);
    }
    add_row_losses(local);
    if local == 0u { losses[workgroup.x] = memory.row_losses[0] / scale * loss_factor(); }
    for (var row = own_row; row < TILE && column < pitch_of(LAYERS); row += ROWS) {
        var four = vec4<f32>();
        // What fills the last tile has no part in the gradients.
        if first_row + row < count {
            @each i: if column + ${i}u < OUTPUTS { four[${i}] = delta_of(row, column + ${i}u); }
        }
        put(deltas_of(LAYERS) + (first_row + row) * pitch_of(LAYERS), row, column, four);
    }

    for (var layer = LAYERS - 1u; layer > 0u; layer--) {
        var below = blocks_of(layer);
        var above = blocks_of(layer + 1u);
        var columns = below * (16u / T);
        var turns = (columns + subgroups - 1u) / subgroups;
        // Read before the products, as the biases. The same invocation has written these values.
        let values = values_of(layer) + column;
        @each q: var values_${q} = vec4<f16>();
        if column < pitch_of(layer) {
            @each q: if own_row + ${q}u * ROWS < TILE { values_${q} = levels[(values + (first_row + own_row + ${q}u * ROWS) * pitch_of(layer)) / 4u]; }
        }
        workgroupBarrier();
${backward_product}
        workgroupBarrier();
        if column < pitch_of(layer) {
            @each q: if own_row + ${q}u * ROWS < TILE { put_deltas(layer, own_row + ${q}u * ROWS, column, values_${q}, sums_of(own_row + ${q}u * ROWS, column)); }
        }
    }
    if overflowed { atomicMax(&status[OVERFLOW], this_step.number); }
}
