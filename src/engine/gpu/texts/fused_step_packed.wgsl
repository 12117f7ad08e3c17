// The constants of a step: one slice of a buffer, chosen by a dynamic offset.
struct Step {
    // Of the sample order: number of samples, half the bits of the permutation, its two keys.
    order: vec4<u32>,
    // The same of the order in which the dataset is a part of a larger one.
    part: vec4<u32>,
    // Position of the step's first sample in that order.
    first: u32,
    // Where its loss goes.
    slot: u32,
    // Its number in the run, from 1.
    number: u32,
    // Samples in it.
    count: u32,
    // The optimizer's constants, in the order of its formula.
    constants: array<vec4<f32>, 3>,
    // The factor of a sample's loss.
    loss_factor: f32,
    // Where the part starts in its order.
    part_first: u32,
    // The L2 penalty.
    l2: f32,
    // The largest number of a gradient, and its largest norm.
    clip_value: f32,
    clip_norm: f32,
    // What slow parameters take on of the others after this step; 0 for nothing.
    alpha: f32,
    // The share of the parameters before this step in their average.
    share: f32,
    // How the gradients of several batches become one: what is kept of those before, 0 or 1, and the
    // share of this one; whether an update comes after it, 0 or 1.
    gather_kept: f32,
    gather_part: f32,
    updates: u32,
    // The keys of the masks of dropout.
    masks: vec2<u32>,
}

@group(1) @binding(0) var<storage, read> this_step: Step;

// Whether x is neither infinite nor NaN. It reads the bits, since compilers may assume that floats are
// finite.
fn is_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u;
}

// The order of samples: the sample at a position of the epoch's order. Of a part of a dataset, the number
// of the sample in the whole.      Twin: dataset::Dataset::sample_at
fn sample_at(position: u32) -> u32 {
    return permuted(this_step.part_first + permuted(position, this_step.order), this_step.part);
}

// A keyed permutation of order.x numbers: order.y is half the bits of their Feistel network, the rest
// its keys. Without bits every number keeps its place.      Twin: permutation::Permutation
fn permuted(position: u32, order: vec4<u32>) -> u32 {
    if order.y == 0u { return position; }
    if order.x <= 16u { return exchanged(position, order); }
    var value = encrypt(position, order);
    while value >= order.x { value = encrypt(value, order); }
    return select(value, value ^ (order.z >> 31u), value < 2u);
}

// The position of few numbers followed through exchanges of each with one up to it.
fn exchanged(position: u32, order: vec4<u32>) -> u32 {
    var value = position;
    for (var last = 1u; last < order.x; last++) {
        // The upper 24 bits of a hash, as a fraction of last + 1.
        let other = ((mix_bits(round_key(last, order)) >> 8u) * (last + 1u)) >> 24u;
        if value == last { value = other; } else if value == other { value = last; }
    }
    return value;
}

// A Feistel network of six rounds over twice half_bits bits.
fn encrypt(value: u32, order: vec4<u32>) -> u32 {
    let half_bits = order.y;
    let mask = (1u << half_bits) - 1u;
    var left = value >> half_bits;
    var right = value & mask;
    for (var round = 0u; round < 6u; round++) {
        let next = left ^ (mix_bits(right ^ round_key(round, order)) & mask);
        left = right;
        right = next;
    }
    return (left << half_bits) | right;
}

fn round_key(round: u32, order: vec4<u32>) -> u32 {
    return select(order.z, order.w, (round & 1u) == 1u) + round * 0x9e3779b9u;
}

fn mix_bits(seed: u32) -> u32 {
    var x = seed;
    x = (x ^ (x >> 16u)) * 0x7feb352du;
    x = (x ^ (x >> 15u)) * 0x846ca68bu;
    return x ^ (x >> 16u);
}

// The sine of turns: sin(2πu), by its Taylor series to the 13th power within a quarter turn, where it is
// off by less than 1e-8. WGSL's own sin may be off by 5e-4.
fn sin_turns(u: f32) -> f32 {
    let r = u - round(u);
    // sin(π − a) = sin(a) folds half a turn to a quarter.
    let folded = select(r, sign(r) * 0.5 - r, abs(r) > 0.25);
    let a = 6.2831855 * folded;
    let s = a * a;
    let tail = 2.7557319e-6 + s * (-2.5052108e-8 + s * 1.6059044e-10);
    return a * (1.0 + s * (-0.16666667 + s * (8.3333333e-3 + s * (-1.9841270e-4 + s * tail))));
}

const TARGET_PITCH: u32 = OUTPUTS + 0u;
// Samples in rows of numbers. Where they have weights, a sample's is behind its targets.
@group(0) @binding(2) var<storage, read> table_inputs: array<f32>;
@group(0) @binding(3) var<storage, read> table_targets: array<f32>;

fn input_of(sample: u32, j: u32) -> f32 { return table_inputs[sample * INPUTS + j]; }
fn sample_target(sample: u32, j: u32) -> f32 { return table_targets[sample * TARGET_PITCH + j]; }
fn sample_weight(sample: u32) -> f32 { return 1.0; }
const LANES: u32 = 8u;
const GROUPS: u32 = 4u;
const ROWS: u32 = 1u;
const COLUMNS: u32 = 4u;
const BROADCAST: u32 = 0u;
const CAPACITY: u32 = 1024u;
fn batch_count() -> u32 { return min(this_step.count, CAPACITY); }
fn loss_factor() -> f32 { return this_step.loss_factor; }
const INPUTS: u32 = 2u;
const OUTPUTS: u32 = 3u;
const LAYERS: u32 = 2u;
const TILE_FOURS: u32 = 5u;
const AT_ONCE: u32 = 8u;
fn depth_of(i: u32) -> u32 {
    return 3u + (i - 0u) * 6u;
}
fn ones_of(i: u32) -> u32 {
    return 1u;
}
fn width_of(i: u32) -> u32 {
    if i < 1u { return 8u; }
    return 3u;
}
fn pitch_of(i: u32) -> u32 {
    if i < 2u { return 8u + (i - 0u) * 8u; }
    return 8u;
}
fn weights_of(i: u32) -> u32 {
    return 0u + (i - 0u) * 128u;
}
fn values_of(i: u32) -> u32 {
    return 0u + (i - 0u) * 16384u;
}
// The words of the status buffer of a run that stores f16 numbers, behind the first two.
// The logarithm of the loss scale to base 2.
const SCALE: u32 = 2u;
// The last step in which a value or delta was no finite f16.
const OVERFLOW: u32 = 3u;
// How many steps were skipped one after the other, and the last of them.
const SKIPPED_IN_ROW: u32 = 4u;
const SKIPPED: u32 = 5u;
const STATUS: u32 = 6u;

// The largest finite f16.
const LARGEST: f32 = 65504.0;

// How many steps in a row may be skipped before the run counts as diverged.
const MOST_SKIPPED: u32 = 10u;

// What the deltas are multiplied by: a power of two.
fn loss_scale() -> f32 {
    return bitcast<f32>(u32(127 + bitcast<i32>(atomicLoad(&status[SCALE]))) << 23u);
}

// After a step whose values or deltas left f16, its update is skipped and the loss scale is halved.
fn scale_deltas() {
    if atomicLoad(&status[OVERFLOW]) != this_step.number {
        atomicStore(&status[SKIPPED_IN_ROW], 0u);
        return;
    }
    let skipped = atomicLoad(&status[SKIPPED_IN_ROW]) + 1u;
    atomicStore(&status[SKIPPED_IN_ROW], skipped);
    atomicStore(&status[SKIPPED], this_step.number);
    atomicStore(&status[SCALE], bitcast<u32>(max(bitcast<i32>(atomicLoad(&status[SCALE])) - 1, -100)));
    if skipped >= MOST_SKIPPED { atomicMin(&status[1], this_step.number); }
}
// Values, slopes and deltas of hidden levels as f16, four in two words. Packing is part of WGSL and needs no f16 of the
// device. A number that is no f16 becomes one of its two neighbors.      Twin: reference::round_f16
fn packed_four(four: vec4<f32>) -> vec2<u32> {
    return vec2<u32>(pack2x16float(four.xy), pack2x16float(four.zw));
}

fn unpacked(words: vec2<u32>) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}
fn stored_pitch_of(i: u32) -> u32 {
    return 16u;
}
// Hyperbolic tangent: f(z) = tanh z.      Twin: activation::tanh
// Not WGSL's tanh, whose error some drivers let grow: tanh z = ±(1 − e)/(1 + e), e = e^−2|z| ≤ 1.
fn activation_0(z: f32) -> f32 {
    let e = exp(-2.0 * abs(z));
    let size = (1.0 - e) / (1.0 + e);
    return select(size, -size, z < 0.0);
}
fn activation_slope_0(y: f32) -> f32 { return 1.0 + -1.0 * y * y; }
// Sigmoid: f(z) = 1/(1 + e^−z).      Twin: activation::sigmoid
// e ≤ 1, so nothing overflows: 1/(1 + e^−z) = e^z/(1 + e^z).
fn activation_1(z: f32) -> f32 {
    let e = exp(-abs(z));
    return select(1.0, e, z < 0.0) / (1.0 + e);
}
fn activation_slope_1(y: f32) -> f32 { return 1.0 * y + -1.0 * y * y; }
fn activate(layer: u32, v: vec4<f32>) -> vec4<f32> {
    if layer < 1u { return vec4<f32>(activation_0(v.x), activation_0(v.y), activation_0(v.z), activation_0(v.w)); }
    return vec4<f32>(activation_1(v.x), activation_1(v.y), activation_1(v.z), activation_1(v.w));
}
fn slope(layer: u32, v: vec4<f32>) -> vec4<f32> {
    if layer < 1u { return vec4<f32>(activation_slope_0(v.x), activation_slope_0(v.y), activation_slope_0(v.z), activation_slope_0(v.w)); }
    return vec4<f32>(activation_slope_1(v.x), activation_slope_1(v.y), activation_slope_1(v.z), activation_slope_1(v.w));
}
// Squared error of a row: Σⱼ scale·(y[j] − t[j])², delta = scale·2(y − t), the gradient with respect to
// the outputs y.      Twin: loss::mean_squared_error
fn row_loss(row: u32, outputs: u32, scale: f32) -> f32 {
    var loss = 0.0;
    for (var j = 0u; j < outputs; j++) {
        let error = output_of(row, j) - target_of(row, j);
        loss += scale * error * error;
        set_delta(row, j, scale * 2.0 * error);
    }
    return loss;
}
// The loss of a row times the weight that is in `scale`, and its gradient: both 0 for a weight of 0,
// whatever the loss. Without this case, a driver that multiplies in another order would turn a loss that
// overflows into a NaN.
fn weighted_loss(row: u32, outputs: u32, scale: f32) -> f32 {
    if scale == 0.0 {
        for (var j = 0u; j < outputs; j++) { set_delta(row, j, 0.0); }
        return 0.0;
    }
    return row_loss(row, outputs, scale);
}
fn finish_row(row: u32, scale: f32) -> f32 {
    let loss = weighted_loss(row, OUTPUTS, scale);
    for (var j = 0u; j < OUTPUTS; j++) {
        let needed = vec4<f32>(needed_output(row, j));
        set_delta(row, j, delta_of(row, j) * slope(LAYERS - 1u, needed).x);
    }
    for (var j = OUTPUTS; j < pitch_of(LAYERS); j++) { set_delta(row, j, 0.0); }
    return loss;
}
// The samples of a tile of rows, a template: what goes into the first layer, and what should come out of the last.

// The tile's first row in the batch.
var<private> first_row: u32;

// What level 0 holds: an input, or a wave of the inputs; then 1, then zeros.
fn first_value(row: u32, column: u32) -> f32 {
    let width = depth_of(0u) - ones_of(0u);
    if column >= width { return select(0.0, f32(ones_of(0u)), column == width); }
    return input_of(chosen[row], column);
}

fn target_of(row: u32, j: u32) -> f32 {
    return sample_target(chosen[row], j);
}
// What fused_step.wgsl and fused_step_split.wgsl have in common besides tile_samples.wgsl: where the rows of a tile are
// in `values` and `deltas`.

// Where a row of the tile starts in a level of `values` or `deltas`.
fn start_of(level: u32, row: u32) -> u32 {
    return values_of(level) + (first_row + row) * stored_pitch_of(level);
}


// Where what the backward pass needs of a row starts: in the slopes of a level that stores them, behind
// the values of all levels, else in its values.
fn needed_of(level: u32, row: u32) -> u32 {
    return start_of(level, row);
}

// The same of one output.
fn needed_output(row: u32, j: u32) -> f32 {
    return output_of(row, j);
}
// How the losses of a tile meet, a template.

// Adds up the losses of the rows, in a tree and in the same order on every run. Their sum is then that of row 0.
fn add_row_losses(local: u32) {
    for (var rows = TILE; rows > 1u; rows = (rows + 1u) / 2u) {
        let half = (rows + 1u) / 2u;
        workgroupBarrier();
        for (var row = local; row + half < rows; row += WORKGROUP) {
            row_losses[row] += row_losses[row + half];
        }
    }
    workgroupBarrier();
}
// The forward and backward pass of a tile of samples in one dispatch: forward through all layers, the loss,
// and back down through all layers.      Twins: reference::forward and reference::backward
//
// A template (src/template.rs): `@if` keeps or drops lines, and a line that begins with `@each r q:` is
// repeated for every sample r and every four columns q of an invocation. The constants
// in capitals and the functions that describe the network (depth_of, width_of, ones_of, pitch_of, weights_of,
// values_of, activate, slope,
// slopes_of, stores_slope, slope_of_sum, threshold_of, factor_of) are written for one network
// (src/engine/gpu/specialize.rs). It begins with shared/pass.wgsl.
//
// Level 0 is the input of layer 0, level l + 1 the output of layer l. The values of a level are
// [CAPACITY, pitch], from values_of(level) on: its numbers, then a 1, then zeros up to the pitch. The
// parameters of a layer are [pitch below, pitch above], from weights_of(layer) on: the weights, then
// a row of biases, then zeros. So a bias is the weight of that 1, and no length needs a remainder.
// Below a layer without biases there is a 0 instead of the 1, and its row of biases stays zero.
//
// An invocation has ROWS samples, LANES apart, and COLUMNS columns in registers.
// - cooperative: the invocations of a workgroup hold all columns of the tile's samples between them;
//   values that go from layer to layer are in workgroup memory.
// - else: an invocation takes its own samples through the network, COLUMNS columns at a time. It
//   reads no other's numbers, so none waits for another.
// The parameters are read at an address that is the same for all lanes: directly, or, with
// subgroups, each by one lane and then broadcast, where a load costs as much as many products.
//
// Packed: values, slopes and deltas of hidden levels are f16 in storage, and those of level 0 and of the outputs
// f32. All that goes from layer to layer is f32, so that only gradients and slopes are computed from rounded numbers.
// The deltas are those of the loss before it is divided by the samples, times the loss scale. A number that is no
// finite f16 is noted in status[OVERFLOW].

@group(0) @binding(1) var<storage, read> parameters: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> frequencies: array<f32>;
@group(0) @binding(5) var<storage, read_write> values: array<vec2<u32>>;
@group(0) @binding(6) var<storage, read_write> deltas: array<vec2<u32>>;
@group(0) @binding(7) var<storage, read_write> losses: array<f32>;
@group(0) @binding(8) var<storage, read_write> status: array<atomic<u32>, STATUS>;

const TILE: u32 = LANES * ROWS;
const WORKGROUP: u32 = LANES * GROUPS;

// The sample in each row of the tile.
var<workgroup> chosen: array<u32, TILE>;
// Values or deltas of the current level.
var<workgroup> tile: array<vec4<f32>, TILE * TILE_FOURS>;
var<workgroup> row_losses: array<f32, TILE>;

// Whether a number of this invocation is no finite f16.
var<private> overflowed: bool;

// Four numbers in f16.
fn halved(four: vec4<f32>) -> vec2<u32> {
    overflowed = overflowed || !all(abs(four) <= vec4<f32>(LARGEST));
    return packed_four(four);
}

// Four columns of a layer's outputs, from the weighted sums z.
fn put_values(layer: u32, row: u32, column: u32, z: vec4<f32>) {
    if column >= pitch_of(layer + 1u) { return; }
    let columns = column + vec4<u32>(0u, 1u, 2u, 3u);
    let width = vec4<u32>(width_of(layer));
    let behind = select(vec4<f32>(0.0), vec4<f32>(f32(ones_of(layer + 1u))), columns == width);
    let y = activate(layer, z);
    put(layer + 1u, row, column, select(behind, y, columns < width), true);
}

// Four columns of the deltas of a level, from the gradient with respect to its values.
fn put_deltas(level: u32, row: u32, column: u32, gradient: vec4<f32>) {
    if column >= pitch_of(level) { return; }
    let columns = column + vec4<u32>(0u, 1u, 2u, 3u);
    let width = vec4<u32>(width_of(level - 1u));
    let place = needed_of(level, row) + column;
    let needed = unpacked(values[place / 4u]);
    let delta = gradient * slope(level - 1u, needed);
    put(level, row, column, select(vec4<f32>(0.0), delta, columns < width), false);
}

// Four columns of a row, to where the next layer and the next dispatch read them.
fn put(level: u32, row: u32, column: u32, four: vec4<f32>, is_value: bool) {
    let place = start_of(level, row) + column;
    if level == 0u {
        values[(place + column) / 4u] = bitcast<vec2<u32>>(four.xy);
        values[(place + column) / 4u + 1u] = bitcast<vec2<u32>>(four.zw);
    } else if !is_value {
        deltas[place / 4u] = halved(four);
    } else if level < LAYERS {
        values[place / 4u] = halved(four);
    }
    tile[row * TILE_FOURS + column / 4u] = four;
}

// The numbers of the output level in one row: what the functions of loss and softmax work on.
fn output_of(row: u32, j: u32) -> f32 {
    return tile[row * TILE_FOURS + j / 4u][j % 4u];
}

fn set_output(row: u32, j: u32, y: f32) {
    tile[row * TILE_FOURS + j / 4u][j % 4u] = y;
}

fn delta_of(row: u32, j: u32) -> f32 {
    return bitcast<f32>(deltas[start_of(LAYERS, row) / 4u + j / 2u][j % 2u]);
}

fn set_delta(row: u32, j: u32, delta: f32) {
    deltas[start_of(LAYERS, row) / 4u + j / 2u][j % 2u] = bitcast<u32>(delta);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let lane = local % LANES;
    let group_column = local / LANES * COLUMNS;
let row_0 = lane + 0u * LANES;
    first_row = workgroup.x * TILE;
    let count = batch_count();

    for (var row = local; row < TILE; row += WORKGROUP) {
        chosen[row] = sample_at(this_step.first + min(first_row + row, count - 1u));
    }
    workgroupBarrier();
    for (var i = local; i < TILE * pitch_of(0u) / 4u; i += WORKGROUP) {
        let row = i % TILE;
        let column = i / TILE * 4u;
        var four = vec4<f32>();
four[0] = first_value(row, column + 0u);
four[1] = first_value(row, column + 1u);
four[2] = first_value(row, column + 2u);
four[3] = first_value(row, column + 3u);
        put(0u, row, column, four, true);
    }

    for (var layer = 0u; layer < LAYERS; layer++) {
        let pitch = pitch_of(layer + 1u);
        let depth = depth_of(layer);
        workgroupBarrier();
        let column = group_column;
        let weights = weights_of(layer) + column;
var sum_0_0 = vec4<f32>();
        let stride = pitch / 4u;
        var at = weights / 4u;
        for (var k = 0u; k < depth; k += AT_ONCE) {
let x_0_0 = tile[row_0 * TILE_FOURS + k / 4u + 0u];
let x_1_0 = tile[row_0 * TILE_FOURS + k / 4u + 1u];
let w_0_0_0 = parameters[at + (4u * 0u + 0u) * stride + 0u];
let w_0_1_0 = parameters[at + (4u * 0u + 1u) * stride + 0u];
let w_0_2_0 = parameters[at + (4u * 0u + 2u) * stride + 0u];
let w_0_3_0 = parameters[at + (4u * 0u + 3u) * stride + 0u];
let w_1_0_0 = parameters[at + (4u * 1u + 0u) * stride + 0u];
let w_1_1_0 = parameters[at + (4u * 1u + 1u) * stride + 0u];
let w_1_2_0 = parameters[at + (4u * 1u + 2u) * stride + 0u];
let w_1_3_0 = parameters[at + (4u * 1u + 3u) * stride + 0u];
sum_0_0 += x_0_0[0] * w_0_0_0;
sum_0_0 += x_0_0[1] * w_0_1_0;
sum_0_0 += x_0_0[2] * w_0_2_0;
sum_0_0 += x_0_0[3] * w_0_3_0;
sum_0_0 += x_1_0[0] * w_1_0_0;
sum_0_0 += x_1_0[1] * w_1_1_0;
sum_0_0 += x_1_0[2] * w_1_2_0;
sum_0_0 += x_1_0[3] * w_1_3_0;
            at += AT_ONCE * stride;
        }
        workgroupBarrier();
put_values(layer, row_0, column + 4u * 0u, sum_0_0);
    }
    workgroupBarrier();

    let scale = loss_scale();
    for (var row = local; row < TILE; row += WORKGROUP) {
        let row_loss = finish_row(row, scale * sample_weight(chosen[row])) / scale * loss_factor();
        row_losses[row] = select(0.0, row_loss, first_row + row < count);
        for (var j = 0u; j < pitch_of(LAYERS); j++) {
            tile[row * TILE_FOURS + j / 4u][j % 4u] = delta_of(row, j);
        }
    }
    add_row_losses(local);
    if local == 0u { losses[workgroup.x] = row_losses[0]; }

    for (var layer = LAYERS - 1u; layer > 0u; layer--) {
        let pitch = pitch_of(layer + 1u);
        let depth = width_of(layer);
        let column = group_column;
        let weights = weights_of(layer) + column * pitch;
var sum_0_0 = vec4<f32>();
        let stride = pitch / 4u;
        var at = weights / 4u;
        for (var k = 0u; k < depth; k += AT_ONCE) {
let x_0_0 = tile[row_0 * TILE_FOURS + k / 4u + 0u];
let x_1_0 = tile[row_0 * TILE_FOURS + k / 4u + 1u];
let w_0_0_0 = parameters[at + (4u * 0u + 0u) * stride + 0u];
let w_0_0_1 = parameters[at + (4u * 0u + 1u) * stride + 0u];
let w_0_0_2 = parameters[at + (4u * 0u + 2u) * stride + 0u];
let w_0_0_3 = parameters[at + (4u * 0u + 3u) * stride + 0u];
let w_1_0_0 = parameters[at + (4u * 0u + 0u) * stride + 1u];
let w_1_0_1 = parameters[at + (4u * 0u + 1u) * stride + 1u];
let w_1_0_2 = parameters[at + (4u * 0u + 2u) * stride + 1u];
let w_1_0_3 = parameters[at + (4u * 0u + 3u) * stride + 1u];
sum_0_0 += x_0_0[0] * vec4<f32>(w_0_0_0[0], w_0_0_1[0], w_0_0_2[0], w_0_0_3[0]);
sum_0_0 += x_0_0[1] * vec4<f32>(w_0_0_0[1], w_0_0_1[1], w_0_0_2[1], w_0_0_3[1]);
sum_0_0 += x_0_0[2] * vec4<f32>(w_0_0_0[2], w_0_0_1[2], w_0_0_2[2], w_0_0_3[2]);
sum_0_0 += x_0_0[3] * vec4<f32>(w_0_0_0[3], w_0_0_1[3], w_0_0_2[3], w_0_0_3[3]);
sum_0_0 += x_1_0[0] * vec4<f32>(w_1_0_0[0], w_1_0_1[0], w_1_0_2[0], w_1_0_3[0]);
sum_0_0 += x_1_0[1] * vec4<f32>(w_1_0_0[1], w_1_0_1[1], w_1_0_2[1], w_1_0_3[1]);
sum_0_0 += x_1_0[2] * vec4<f32>(w_1_0_0[2], w_1_0_1[2], w_1_0_2[2], w_1_0_3[2]);
sum_0_0 += x_1_0[3] * vec4<f32>(w_1_0_0[3], w_1_0_1[3], w_1_0_2[3], w_1_0_3[3]);
            at += AT_ONCE / 4u;
        }
        workgroupBarrier();
put_deltas(layer, row_0, column + 4u * 0u, sum_0_0);
        workgroupBarrier();
    }
    if overflowed { atomicMax(&status[OVERFLOW], this_step.number); }
}
