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
const LANES: u32 = 13u;
const GROUPS: u32 = 2u;
const ROWS: u32 = 8u;
const COLUMNS: u32 = 8u;
const BROADCAST: u32 = 0u;
const CAPACITY: u32 = 1024u;
fn batch_count() -> u32 { return min(this_step.count, CAPACITY); }
fn loss_factor() -> f32 { return this_step.loss_factor; }
const BLOCKS: u32 = 2u;
const SLICE: u32 = 64u;
const PARAMETERS: u32 = 256u;
const AT_ONCE: u32 = 2u;
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
const LAYERS: u32 = 2u;
fn first_block_of(i: u32) -> u32 {
    return 0u + (i - 0u) * 1u;
}
fn layer_of_block(block: u32) -> u32 {
    return 0u + (block - 0u) / 1u;
}
fn loss_count() -> u32 { return (batch_count() + 7u) / 8u * 1u; }
// The gradients of all weights and biases of all layers in one dispatch, split over the batch:
// gradient[slice][layer][i, j] = Σₛ values[s, i]·deltas[s, j] over the samples s of a slice.
// Twins: reference::matmul_tn and reference::bias_gradient
//
// A template with the layouts of fused_step.wgsl: the 1 behind the values of a level makes the bias
// a weight like any other. A workgroup computes a block of one layer: an invocation has ROWS
// columns j, LANES apart, and COLUMNS rows i in registers. The workgroup behind the last block adds up
// the losses of the batch, in a tree.

@group(0) @binding(1) var<storage, read> values: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> deltas: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> losses: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradient: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> sums: array<f32>;
@group(0) @binding(6) var<storage, read_write> status: array<atomic<u32>, STATUS>;

const WORKGROUP: u32 = LANES * GROUPS;

// The sums of the losses that each invocation adds up.
var<workgroup> partial: array<f32, WORKGROUP>;

// The factor of the gradient of the scaled loss.
var<private> gradient_factor: f32;

// Four neighboring numbers in f32.
fn wide_value(place: u32) -> vec4<f32> {
    return vec4<f32>(bitcast<vec2<f32>>(values[place]), bitcast<vec2<f32>>(values[place + 1u]));
}

fn wide_delta(place: u32) -> vec4<f32> {
    return vec4<f32>(bitcast<vec2<f32>>(deltas[place]), bitcast<vec2<f32>>(deltas[place + 1u]));
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let slice = workgroup.y;
    // Another workgroup may change the loss scale meanwhile, after a step that left f16. No update takes its gradient.
    gradient_factor = this_step.loss_factor / loss_scale();
    if workgroup.x == BLOCKS {
        if slice == 0u { add_losses(local, WORKGROUP); }
        return;
    }
    let layer = layer_of_block(workgroup.x);
    let block = workgroup.x - first_block_of(layer);
    let pitch = pitch_of(layer + 1u);
    let across = (pitch + LANES * ROWS - 1u) / (LANES * ROWS);
    let first_i = (block / across * GROUPS + local / LANES) * COLUMNS;
    let first_j = (block % across * LANES + local % LANES) * ROWS;
    let below = pitch_of(layer);
    let end = min((slice + 1u) * SLICE, batch_count());
    let to = slice * PARAMETERS + weights_of(layer);
    var s = slice * SLICE;
let column_0 = min(first_j + 4u * 0u, pitch - 4u) / 4u;
let column_1 = min(first_j + 4u * 1u, pitch - 4u) / 4u;
var sum_0_0_0 = vec4<f32>();
var sum_0_0_1 = vec4<f32>();
var sum_0_1_0 = vec4<f32>();
var sum_0_1_1 = vec4<f32>();
var sum_0_2_0 = vec4<f32>();
var sum_0_2_1 = vec4<f32>();
var sum_0_3_0 = vec4<f32>();
var sum_0_3_1 = vec4<f32>();
var sum_1_0_0 = vec4<f32>();
var sum_1_0_1 = vec4<f32>();
var sum_1_1_0 = vec4<f32>();
var sum_1_1_1 = vec4<f32>();
var sum_1_2_0 = vec4<f32>();
var sum_1_2_1 = vec4<f32>();
var sum_1_3_0 = vec4<f32>();
var sum_1_3_1 = vec4<f32>();
    if layer == 0u {
    let along = below / 2u;
    let beside = pitch / 4u;
    var at = values_of(layer) / 4u + (s * below + first_i) / 2u;
    var row = (values_of(layer + 1u) + s * pitch) / 4u;
    // AT_ONCE is 2 here: what is read for both is waited for once, and at most one is left.
    for (; s + AT_ONCE <= end; s += AT_ONCE) {
let w_0_0 = wide_value(at + 0u * along + 2u * 0u);
let w_0_1 = wide_value(at + 0u * along + 2u * 1u);
let w_1_0 = wide_value(at + 1u * along + 2u * 0u);
let w_1_1 = wide_value(at + 1u * along + 2u * 1u);
let x_0_0 = unpacked(deltas[row + 0u * beside + column_0]);
let x_0_1 = unpacked(deltas[row + 0u * beside + column_1]);
let x_1_0 = unpacked(deltas[row + 1u * beside + column_0]);
let x_1_1 = unpacked(deltas[row + 1u * beside + column_1]);
sum_0_0_0 += w_0_0[0] * x_0_0;
sum_0_0_1 += w_0_0[0] * x_0_1;
sum_0_1_0 += w_0_0[1] * x_0_0;
sum_0_1_1 += w_0_0[1] * x_0_1;
sum_0_2_0 += w_0_0[2] * x_0_0;
sum_0_2_1 += w_0_0[2] * x_0_1;
sum_0_3_0 += w_0_0[3] * x_0_0;
sum_0_3_1 += w_0_0[3] * x_0_1;
sum_1_0_0 += w_0_1[0] * x_0_0;
sum_1_0_1 += w_0_1[0] * x_0_1;
sum_1_1_0 += w_0_1[1] * x_0_0;
sum_1_1_1 += w_0_1[1] * x_0_1;
sum_1_2_0 += w_0_1[2] * x_0_0;
sum_1_2_1 += w_0_1[2] * x_0_1;
sum_1_3_0 += w_0_1[3] * x_0_0;
sum_1_3_1 += w_0_1[3] * x_0_1;
sum_0_0_0 += w_1_0[0] * x_1_0;
sum_0_0_1 += w_1_0[0] * x_1_1;
sum_0_1_0 += w_1_0[1] * x_1_0;
sum_0_1_1 += w_1_0[1] * x_1_1;
sum_0_2_0 += w_1_0[2] * x_1_0;
sum_0_2_1 += w_1_0[2] * x_1_1;
sum_0_3_0 += w_1_0[3] * x_1_0;
sum_0_3_1 += w_1_0[3] * x_1_1;
sum_1_0_0 += w_1_1[0] * x_1_0;
sum_1_0_1 += w_1_1[0] * x_1_1;
sum_1_1_0 += w_1_1[1] * x_1_0;
sum_1_1_1 += w_1_1[1] * x_1_1;
sum_1_2_0 += w_1_1[2] * x_1_0;
sum_1_2_1 += w_1_1[2] * x_1_1;
sum_1_3_0 += w_1_1[3] * x_1_0;
sum_1_3_1 += w_1_1[3] * x_1_1;
        at += AT_ONCE * along;
        row += AT_ONCE * beside;
    }
    if s < end {
let w_0 = wide_value(at + 2u * 0u);
let w_1 = wide_value(at + 2u * 1u);
let x_0 = unpacked(deltas[row + column_0]);
let x_1 = unpacked(deltas[row + column_1]);
sum_0_0_0 += w_0[0] * x_0;
sum_0_0_1 += w_0[0] * x_1;
sum_0_1_0 += w_0[1] * x_0;
sum_0_1_1 += w_0[1] * x_1;
sum_0_2_0 += w_0[2] * x_0;
sum_0_2_1 += w_0[2] * x_1;
sum_0_3_0 += w_0[3] * x_0;
sum_0_3_1 += w_0[3] * x_1;
sum_1_0_0 += w_1[0] * x_0;
sum_1_0_1 += w_1[0] * x_1;
sum_1_1_0 += w_1[1] * x_0;
sum_1_1_1 += w_1[1] * x_1;
sum_1_2_0 += w_1[2] * x_0;
sum_1_2_1 += w_1[2] * x_1;
sum_1_3_0 += w_1[3] * x_0;
sum_1_3_1 += w_1[3] * x_1;
    }
    } else if layer + 1u == LAYERS {
    let along = below / 4u;
    let beside = pitch / 2u;
    var at = (values_of(layer) + s * below + first_i) / 4u;
    var row = values_of(layer + 1u) / 4u + (s * pitch) / 2u;
    // AT_ONCE is 2 here: what is read for both is waited for once, and at most one is left.
    for (; s + AT_ONCE <= end; s += AT_ONCE) {
let w_0_0 = unpacked(values[at + 0u * along + 0u]);
let w_0_1 = unpacked(values[at + 0u * along + 1u]);
let w_1_0 = unpacked(values[at + 1u * along + 0u]);
let w_1_1 = unpacked(values[at + 1u * along + 1u]);
let x_0_0 = wide_delta(row + 0u * beside + 2u * column_0);
let x_0_1 = wide_delta(row + 0u * beside + 2u * column_1);
let x_1_0 = wide_delta(row + 1u * beside + 2u * column_0);
let x_1_1 = wide_delta(row + 1u * beside + 2u * column_1);
sum_0_0_0 += w_0_0[0] * x_0_0;
sum_0_0_1 += w_0_0[0] * x_0_1;
sum_0_1_0 += w_0_0[1] * x_0_0;
sum_0_1_1 += w_0_0[1] * x_0_1;
sum_0_2_0 += w_0_0[2] * x_0_0;
sum_0_2_1 += w_0_0[2] * x_0_1;
sum_0_3_0 += w_0_0[3] * x_0_0;
sum_0_3_1 += w_0_0[3] * x_0_1;
sum_1_0_0 += w_0_1[0] * x_0_0;
sum_1_0_1 += w_0_1[0] * x_0_1;
sum_1_1_0 += w_0_1[1] * x_0_0;
sum_1_1_1 += w_0_1[1] * x_0_1;
sum_1_2_0 += w_0_1[2] * x_0_0;
sum_1_2_1 += w_0_1[2] * x_0_1;
sum_1_3_0 += w_0_1[3] * x_0_0;
sum_1_3_1 += w_0_1[3] * x_0_1;
sum_0_0_0 += w_1_0[0] * x_1_0;
sum_0_0_1 += w_1_0[0] * x_1_1;
sum_0_1_0 += w_1_0[1] * x_1_0;
sum_0_1_1 += w_1_0[1] * x_1_1;
sum_0_2_0 += w_1_0[2] * x_1_0;
sum_0_2_1 += w_1_0[2] * x_1_1;
sum_0_3_0 += w_1_0[3] * x_1_0;
sum_0_3_1 += w_1_0[3] * x_1_1;
sum_1_0_0 += w_1_1[0] * x_1_0;
sum_1_0_1 += w_1_1[0] * x_1_1;
sum_1_1_0 += w_1_1[1] * x_1_0;
sum_1_1_1 += w_1_1[1] * x_1_1;
sum_1_2_0 += w_1_1[2] * x_1_0;
sum_1_2_1 += w_1_1[2] * x_1_1;
sum_1_3_0 += w_1_1[3] * x_1_0;
sum_1_3_1 += w_1_1[3] * x_1_1;
        at += AT_ONCE * along;
        row += AT_ONCE * beside;
    }
    if s < end {
let w_0 = unpacked(values[at + 0u]);
let w_1 = unpacked(values[at + 1u]);
let x_0 = wide_delta(row + 2u * column_0);
let x_1 = wide_delta(row + 2u * column_1);
sum_0_0_0 += w_0[0] * x_0;
sum_0_0_1 += w_0[0] * x_1;
sum_0_1_0 += w_0[1] * x_0;
sum_0_1_1 += w_0[1] * x_1;
sum_0_2_0 += w_0[2] * x_0;
sum_0_2_1 += w_0[2] * x_1;
sum_0_3_0 += w_0[3] * x_0;
sum_0_3_1 += w_0[3] * x_1;
sum_1_0_0 += w_1[0] * x_0;
sum_1_0_1 += w_1[0] * x_1;
sum_1_1_0 += w_1[1] * x_0;
sum_1_1_1 += w_1[1] * x_1;
sum_1_2_0 += w_1[2] * x_0;
sum_1_2_1 += w_1[2] * x_1;
sum_1_3_0 += w_1[3] * x_0;
sum_1_3_1 += w_1[3] * x_1;
    }
    } else {
    let along = below / 4u;
    let beside = pitch / 4u;
    var at = (values_of(layer) + s * below + first_i) / 4u;
    var row = (values_of(layer + 1u) + s * pitch) / 4u;
    // AT_ONCE is 2 here: what is read for both is waited for once, and at most one is left.
    for (; s + AT_ONCE <= end; s += AT_ONCE) {
let w_0_0 = unpacked(values[at + 0u * along + 0u]);
let w_0_1 = unpacked(values[at + 0u * along + 1u]);
let w_1_0 = unpacked(values[at + 1u * along + 0u]);
let w_1_1 = unpacked(values[at + 1u * along + 1u]);
let x_0_0 = unpacked(deltas[row + 0u * beside + column_0]);
let x_0_1 = unpacked(deltas[row + 0u * beside + column_1]);
let x_1_0 = unpacked(deltas[row + 1u * beside + column_0]);
let x_1_1 = unpacked(deltas[row + 1u * beside + column_1]);
sum_0_0_0 += w_0_0[0] * x_0_0;
sum_0_0_1 += w_0_0[0] * x_0_1;
sum_0_1_0 += w_0_0[1] * x_0_0;
sum_0_1_1 += w_0_0[1] * x_0_1;
sum_0_2_0 += w_0_0[2] * x_0_0;
sum_0_2_1 += w_0_0[2] * x_0_1;
sum_0_3_0 += w_0_0[3] * x_0_0;
sum_0_3_1 += w_0_0[3] * x_0_1;
sum_1_0_0 += w_0_1[0] * x_0_0;
sum_1_0_1 += w_0_1[0] * x_0_1;
sum_1_1_0 += w_0_1[1] * x_0_0;
sum_1_1_1 += w_0_1[1] * x_0_1;
sum_1_2_0 += w_0_1[2] * x_0_0;
sum_1_2_1 += w_0_1[2] * x_0_1;
sum_1_3_0 += w_0_1[3] * x_0_0;
sum_1_3_1 += w_0_1[3] * x_0_1;
sum_0_0_0 += w_1_0[0] * x_1_0;
sum_0_0_1 += w_1_0[0] * x_1_1;
sum_0_1_0 += w_1_0[1] * x_1_0;
sum_0_1_1 += w_1_0[1] * x_1_1;
sum_0_2_0 += w_1_0[2] * x_1_0;
sum_0_2_1 += w_1_0[2] * x_1_1;
sum_0_3_0 += w_1_0[3] * x_1_0;
sum_0_3_1 += w_1_0[3] * x_1_1;
sum_1_0_0 += w_1_1[0] * x_1_0;
sum_1_0_1 += w_1_1[0] * x_1_1;
sum_1_1_0 += w_1_1[1] * x_1_0;
sum_1_1_1 += w_1_1[1] * x_1_1;
sum_1_2_0 += w_1_1[2] * x_1_0;
sum_1_2_1 += w_1_1[2] * x_1_1;
sum_1_3_0 += w_1_1[3] * x_1_0;
sum_1_3_1 += w_1_1[3] * x_1_1;
        at += AT_ONCE * along;
        row += AT_ONCE * beside;
    }
    if s < end {
let w_0 = unpacked(values[at + 0u]);
let w_1 = unpacked(values[at + 1u]);
let x_0 = unpacked(deltas[row + column_0]);
let x_1 = unpacked(deltas[row + column_1]);
sum_0_0_0 += w_0[0] * x_0;
sum_0_0_1 += w_0[0] * x_1;
sum_0_1_0 += w_0[1] * x_0;
sum_0_1_1 += w_0[1] * x_1;
sum_0_2_0 += w_0[2] * x_0;
sum_0_2_1 += w_0[2] * x_1;
sum_0_3_0 += w_0[3] * x_0;
sum_0_3_1 += w_0[3] * x_1;
sum_1_0_0 += w_1[0] * x_0;
sum_1_0_1 += w_1[0] * x_1;
sum_1_1_0 += w_1[1] * x_0;
sum_1_1_1 += w_1[1] * x_1;
sum_1_2_0 += w_1[2] * x_0;
sum_1_2_1 += w_1[2] * x_1;
sum_1_3_0 += w_1[3] * x_0;
sum_1_3_1 += w_1[3] * x_1;
    }
    }
put(to, first_i + 4u * 0u + 0u, first_j + 4u * 0u, pitch, below, sum_0_0_0);
put(to, first_i + 4u * 0u + 0u, first_j + 4u * 1u, pitch, below, sum_0_0_1);
put(to, first_i + 4u * 0u + 1u, first_j + 4u * 0u, pitch, below, sum_0_1_0);
put(to, first_i + 4u * 0u + 1u, first_j + 4u * 1u, pitch, below, sum_0_1_1);
put(to, first_i + 4u * 0u + 2u, first_j + 4u * 0u, pitch, below, sum_0_2_0);
put(to, first_i + 4u * 0u + 2u, first_j + 4u * 1u, pitch, below, sum_0_2_1);
put(to, first_i + 4u * 0u + 3u, first_j + 4u * 0u, pitch, below, sum_0_3_0);
put(to, first_i + 4u * 0u + 3u, first_j + 4u * 1u, pitch, below, sum_0_3_1);
put(to, first_i + 4u * 1u + 0u, first_j + 4u * 0u, pitch, below, sum_1_0_0);
put(to, first_i + 4u * 1u + 0u, first_j + 4u * 1u, pitch, below, sum_1_0_1);
put(to, first_i + 4u * 1u + 1u, first_j + 4u * 0u, pitch, below, sum_1_1_0);
put(to, first_i + 4u * 1u + 1u, first_j + 4u * 1u, pitch, below, sum_1_1_1);
put(to, first_i + 4u * 1u + 2u, first_j + 4u * 0u, pitch, below, sum_1_2_0);
put(to, first_i + 4u * 1u + 2u, first_j + 4u * 1u, pitch, below, sum_1_2_1);
put(to, first_i + 4u * 1u + 3u, first_j + 4u * 0u, pitch, below, sum_1_3_0);
put(to, first_i + 4u * 1u + 3u, first_j + 4u * 1u, pitch, below, sum_1_3_1);
}

fn put(to: u32, i: u32, j: u32, pitch: u32, below: u32, four: vec4<f32>) {
    if i >= below || j >= pitch { return; }
    gradient[(to + i * pitch + j) / 4u] = four * gradient_factor;
}
// The workgroup that adds up the losses of a batch, a template.

// Losses of a block of an invocation.
const BLOCK: u32 = 64u;

// The loss of the batch, to the step's slot; one that is not finite is noted in status[0] as the
// first step that diverged. Each of some invocations adds every such loss, in blocks, then the partial
// sums meet in a tree, in the same order on every run.
fn add_losses(local: u32, invocations: u32) {
    var loss = 0.0;
    let stride = invocations * BLOCK;
    for (var first = local; first < loss_count(); first += stride) {
        var block = 0.0;
        let end = min(first + stride, loss_count());
        for (var i = first; i < end; i += invocations) { block += losses[i]; }
        loss += block;
    }
    partial[local] = loss;
    workgroupBarrier();
    for (var count = WORKGROUP; count > 1u; count = (count + 1u) / 2u) {
        let half = (count + 1u) / 2u;
        if local + half < count { partial[local] += partial[local + half]; }
        workgroupBarrier();
    }
    if local > 0u { return; }
    loss = partial[0];
    sums[this_step.slot] = loss;
    if !is_finite(loss) { atomicMin(&status[0], this_step.number); }
    scale_deltas();
}
