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
const ROWS: u32 = 4u;
const COLUMNS: u32 = 4u;
const BROADCAST: u32 = 0u;
const CAPACITY: u32 = 1024u;
fn batch_count() -> u32 { return min(this_step.count, CAPACITY); }
fn loss_factor() -> f32 { return this_step.loss_factor; }
const INPUTS: u32 = 2u;
const OUTPUTS: u32 = 3u;
const LAYERS: u32 = 2u;
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
    if i < 2u { return 0u + (i - 0u) * 8192u; }
    return 24576u;
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
const OWN: u32 = 2u;
const STRIDE: u32 = 1u;
const TILE: u32 = 40u;
const LEVEL_0: u32 = 8u;
const LEVEL: u32 = 16u;
const DELTA_FOURS: u32 = 5u;
const FIRST_TERMS: u32 = 8u;
const FIRST_AT_ONCE: u32 = 1u;
const LAST_TERMS: u32 = 8u;
const LAST_AT_ONCE: u32 = 1u;
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
    return values_of(level) + (first_row + row) * pitch_of(level);
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
// The forward and backward pass of a tile of few samples in one dispatch, for small batches: the lanes of a
// subgroup split the sums.      Twins: reference::forward and reference::backward
//
// A template (src/template.rs), filled by src/engine/gpu/split.rs and specialize.rs. It begins with
// shared/pass.wgsl. Levels, values, deltas, parameters and the functions that describe the network are those of
// fused_step.wgsl.
//
// A group of LANES neighboring lanes owns four columns of every layer, for all ROWS samples of the tile. Lane l
// adds up the terms l, l + LANES, l + 2·LANES… of all these sums. So an invocation reads each of its parameters
// once for all samples, and all of a layer at the same time. Then the lanes add their sums up in log2(LANES)
// rounds. In each, a lane gives half of its sums to another and takes the other half of the other's. At the end
// a lane has OWN neighboring columns of one sample, of which it computes activation, dropout and slope.
//
// The parameters of the next layer are read before the lanes exchange their sums. They arrive while the lanes do
// that and wait for each other.
//
// Lanes are counted by local_invocation_index. WGSL does not promise that a subgroup's are neighbors in that
// order. The search compares the gradient with that of fused_step before it takes this kernel.

@group(0) @binding(1) var<storage, read> parameters: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> frequencies: array<f32>;
@group(0) @binding(5) var<storage, read_write> values: array<vec2<f32>>;
@group(0) @binding(6) var<storage, read_write> deltas: array<vec2<f32>>;
@group(0) @binding(7) var<storage, read_write> losses: array<f32>;

const WORKGROUP: u32 = LANES * GROUPS;

// The sample in each row of the tile.
var<workgroup> chosen: array<u32, ROWS>;
// Values, [column][row]: of level 0, then of the last odd and the last even level. Behind a level's columns are
// zeros, as many as the product above it reads.
var<workgroup> tile: array<vec4<f32>, TILE>;
// Deltas, [row][column], of the last odd and the last even level, with zeros behind.
var<workgroup> delta_tile: array<vec4<f32>, 2u * ROWS * DELTA_FOURS>;
var<workgroup> row_losses: array<f32, ROWS>;

// Where a level starts in `tile`, and in `delta_tile`.
fn tile_of(level: u32) -> u32 {
    return select(LEVEL_0 + level % 2u * LEVEL, 0u, level == 0u);
}

fn delta_tile_of(level: u32) -> u32 {
    return level % 2u * ROWS * DELTA_FOURS;
}

fn put(level: u32, row: u32, column: u32, value: f32) {
    tile[tile_of(level) + column * STRIDE + row / 4u][row % 4u] = value;
}

// OWN columns of a layer's outputs, from the weighted sums z, of which the others are not used.
fn put_values(layer: u32, row: u32, column: u32, z: vec4<f32>) {
    let level = layer + 1u;
    let columns = column + vec4<u32>(0u, 1u, 2u, 3u);
    let width = vec4<u32>(width_of(layer));
    let behind = select(vec4<f32>(0.0), vec4<f32>(f32(ones_of(level))), columns == width);
    let y = activate(layer, z);
    let four = select(behind, y, columns < width);
put(level, row, column + 0u, four[0]);
put(level, row, column + 1u, four[1]);
    if column >= pitch_of(level) { return; }
    values[(start_of(level, row) + column) / OWN] = four.xy;
}

// What the slopes of OWN columns of a level are computed from. The lane itself has written it.
fn needed_at(level: u32, row: u32, column: u32) -> vec4<f32> {
    let own = values[(needed_of(level, row) + column) / OWN];
    return vec4<f32>(own, own);
}

// OWN columns of the deltas of a level, from the gradient with respect to its values and what the slope is
// computed from.
fn put_deltas(level: u32, row: u32, column: u32, gradient: vec4<f32>, needed: vec4<f32>) {
    let columns = column + vec4<u32>(0u, 1u, 2u, 3u);
    let width = vec4<u32>(width_of(level - 1u));
    let delta = gradient * slope(level - 1u, needed);
    let four = select(vec4<f32>(0.0), delta, columns < width);
    let at = delta_tile_of(level) + row * DELTA_FOURS + column / 4u;
delta_tile[at][column % 4u + 0u] = four[0];
delta_tile[at][column % 4u + 1u] = four[1];
    if column >= pitch_of(level) { return; }
    deltas[(start_of(level, row) + column) / OWN] = four.xy;
}

// The numbers of the output level in one row: what the functions of loss and softmax work on.
fn output_of(row: u32, j: u32) -> f32 {
    return tile[tile_of(LAYERS) + j * STRIDE + row / 4u][row % 4u];
}

fn set_output(row: u32, j: u32, y: f32) {
    put(LAYERS, row, j, y);
}

fn delta_of(row: u32, j: u32) -> f32 {
    return delta_tile[delta_tile_of(LAYERS) + row * DELTA_FOURS + j / 4u][j % 4u];
}

fn set_delta(row: u32, j: u32, delta: f32) {
    delta_tile[delta_tile_of(LAYERS) + row * DELTA_FOURS + j / 4u][j % 4u] = delta;
}

fn add_up(lane: u32, s_0: vec4<f32>, s_1: vec4<f32>, s_2: vec4<f32>, s_3: vec4<f32>) -> vec4<f32> {
    let upper_4 = (lane & 4u) != 0u;
    let s_4_0 = select(s_0, s_2, upper_4) + subgroupShuffleXor(select(s_2, s_0, upper_4), 4u);
    let s_4_1 = select(s_1, s_3, upper_4) + subgroupShuffleXor(select(s_3, s_1, upper_4), 4u);
    let upper_2 = (lane & 2u) != 0u;
    let s_2_0 = select(s_4_0, s_4_1, upper_2) + subgroupShuffleXor(select(s_4_1, s_4_0, upper_2), 2u);
    let upper_1 = (lane & 1u) != 0u;
    let s_1_0 = select(s_2_0.xy, s_2_0.zw, upper_1) + subgroupShuffleXor(select(s_2_0.zw, s_2_0.xy, upper_1), 1u);
    return vec4<f32>(s_1_0, 0.0, 0.0);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let lane = local % LANES;
    let group = local / LANES;
    // What the lane has of the sums when they are added up.
    let row = lane / (LANES / ROWS);
    let column = 4u * group + lane % (LANES / ROWS) * OWN;
    first_row = workgroup.x * ROWS;
    let count = batch_count();

    for (var i = local; i < TILE; i += WORKGROUP) { tile[i] = vec4<f32>(); }
    for (var i = local; i < 2u * ROWS * DELTA_FOURS; i += WORKGROUP) { delta_tile[i] = vec4<f32>(); }
    if local < ROWS {
        chosen[local] = sample_at(this_step.first + min(first_row + local, count - 1u));
    }
    workgroupBarrier();
    for (var i = local; i < ROWS * pitch_of(0u) / 4u; i += WORKGROUP) {
        let its_row = i % ROWS;
        let first = i / ROWS * 4u;
        var four = vec4<f32>();
four[0] = first_value(its_row, first + 0u);
four[1] = first_value(its_row, first + 1u);
four[2] = first_value(its_row, first + 2u);
four[3] = first_value(its_row, first + 3u);
put(0u, its_row, first + 0u, four[0]);
put(0u, its_row, first + 1u, four[1]);
put(0u, its_row, first + 2u, four[2]);
put(0u, its_row, first + 3u, four[3]);
        let place = (start_of(0u, its_row) + first) / OWN;
values[place + 0u] = four.xy;
values[place + 1u] = four.zw;
    }
    workgroupBarrier();

    // The first layer, whose sums may have fewer terms or more, then the others. What is read at the last layer is
    // not used.
    var next = min(1u, LAYERS - 1u);
var sum_0 = vec4<f32>();
var sum_1 = vec4<f32>();
var sum_2 = vec4<f32>();
var sum_3 = vec4<f32>();
    for (var k = 0u; k < FIRST_TERMS; k += FIRST_AT_ONCE * LANES) {
        let start = (k + lane) * STRIDE;
        let stride = pitch_of(1u) / 4u;
let first_0 = parameters[(k + 0u * LANES + lane) * stride + group];
let x_0_0 = tile[start + 0u + 0u]; sum_0 += x_0_0[0] * first_0; sum_1 += x_0_0[1] * first_0; sum_2 += x_0_0[2] * first_0; sum_3 += x_0_0[3] * first_0; 
    }
    let next_stride = pitch_of(next + 1u) / 4u;
    let next_at = weights_of(next) / 4u + lane * next_stride + group;
var w_0 = parameters[next_at + 0u * next_stride];
var w_1 = parameters[next_at + 8u * next_stride];
    var z = add_up(lane, sum_0, sum_1, sum_2, sum_3);
    for (var layer = 1u; layer < LAYERS; layer++) {
        put_values(layer - 1u, row, column, z);
        workgroupBarrier();
        let start = tile_of(layer) + lane * STRIDE;
sum_0 = vec4<f32>();
sum_1 = vec4<f32>();
sum_2 = vec4<f32>();
sum_3 = vec4<f32>();
let x_0_0 = tile[start + 0u + 0u]; let x_1_0 = tile[start + 8u + 0u]; sum_0 += x_0_0[0] * w_0; sum_1 += x_0_0[1] * w_0; sum_2 += x_0_0[2] * w_0; sum_3 += x_0_0[3] * w_0; 
sum_0 += x_1_0[0] * w_1; sum_1 += x_1_0[1] * w_1; sum_2 += x_1_0[2] * w_1; sum_3 += x_1_0[3] * w_1; 
        next = min(layer + 1u, LAYERS - 1u);
        let next_stride = pitch_of(next + 1u) / 4u;
        let next_at = weights_of(next) / 4u + lane * next_stride + group;
w_0 = parameters[next_at + 0u * next_stride];
w_1 = parameters[next_at + 8u * next_stride];
        z = add_up(lane, sum_0, sum_1, sum_2, sum_3);
    }
    put_values(LAYERS - 1u, row, column, z);
    workgroupBarrier();

    next = max(LAYERS - 2u, 1u);
    let below_stride = pitch_of(next + 1u) / 4u;
    let below_at = weights_of(next) / 4u + 4u * group * below_stride;
    if local < ROWS {
        let row_loss = finish_row(local, loss_factor() * sample_weight(chosen[local]));
        row_losses[local] = select(0.0, row_loss, first_row + local < count);
    }
    workgroupBarrier();
    if local == 0u {
        var loss = row_losses[0];
        for (var i = 1u; i < ROWS; i++) { loss += row_losses[i]; }
        losses[workgroup.x] = loss;
    }
    for (var i = local; i < ROWS * pitch_of(LAYERS) / 4u; i += WORKGROUP) {
        let its_row = i % ROWS;
        let first = i / ROWS;
        let four = delta_tile[delta_tile_of(LAYERS) + its_row * DELTA_FOURS + first];
        let place = (start_of(LAYERS, its_row) + 4u * first) / OWN;
deltas[place + 0u] = four.xy;
deltas[place + 1u] = four.zw;
    }


    // Back through the last layer, then the others. What is read at the second layer is not used.
    var needed = needed_at(LAYERS - 1u, row, column);
sum_0 = vec4<f32>();
sum_1 = vec4<f32>();
sum_2 = vec4<f32>();
sum_3 = vec4<f32>();
    for (var k = 0u; k < LAST_TERMS; k += LAST_AT_ONCE * LANES) {
        let start = delta_tile_of(LAYERS) + k / 4u + lane / 4u;
        let stride = pitch_of(LAYERS) / 4u;
        let at = weights_of(LAYERS - 1u) / 4u + 4u * group * stride + k / 4u + lane / 4u;
let last_0 = vec4<f32>(parameters[at + 0u + 0u * stride][lane % 4u], parameters[at + 0u + 1u * stride][lane % 4u], parameters[at + 0u + 2u * stride][lane % 4u], parameters[at + 0u + 3u * stride][lane % 4u]);
sum_0 += delta_tile[start + 0u + 0u][lane % 4u] * last_0; sum_1 += delta_tile[start + 0u + 5u][lane % 4u] * last_0; sum_2 += delta_tile[start + 0u + 10u][lane % 4u] * last_0; sum_3 += delta_tile[start + 0u + 15u][lane % 4u] * last_0;
    }
    var gradient = add_up(lane, sum_0, sum_1, sum_2, sum_3);
    for (var layer = LAYERS - 2u; layer > 0u; layer--) {
        put_deltas(layer + 1u, row, column, gradient, needed);
        workgroupBarrier();
        needed = needed_at(layer, row, column);
        let start = delta_tile_of(layer + 1u);
sum_0 = vec4<f32>();
sum_1 = vec4<f32>();
sum_2 = vec4<f32>();
sum_3 = vec4<f32>();
        next = max(layer - 1u, 1u);
        let below_stride = pitch_of(next + 1u) / 4u;
        let below_at = weights_of(next) / 4u + 4u * group * below_stride;
        gradient = add_up(lane, sum_0, sum_1, sum_2, sum_3);
    }
    put_deltas(1u, row, column, gradient, needed);
}
