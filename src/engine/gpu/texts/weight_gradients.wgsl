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
    if i < 2u { return 0u + (i - 0u) * 8192u; }
    return 24576u;
}
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

@group(0) @binding(1) var<storage, read> values: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> deltas: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> losses: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradient: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> sums: array<f32>;
@group(0) @binding(6) var<storage, read_write> status: array<atomic<u32>, 2>;

const WORKGROUP: u32 = LANES * GROUPS;

// The sums of the losses that each invocation adds up.
var<workgroup> partial: array<f32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let slice = workgroup.y;
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
    let along = below / 4u;
    let beside = pitch / 4u;
    var at = (values_of(layer) + s * below + first_i) / 4u;
    var row = (values_of(layer + 1u) + s * pitch) / 4u;
    // AT_ONCE is 2 here: what is read for both is waited for once, and at most one is left.
    for (; s + AT_ONCE <= end; s += AT_ONCE) {
let w_0_0 = values[at + 0u * along + 0u];
let w_0_1 = values[at + 0u * along + 1u];
let w_1_0 = values[at + 1u * along + 0u];
let w_1_1 = values[at + 1u * along + 1u];
let x_0_0 = deltas[row + 0u * beside + column_0];
let x_0_1 = deltas[row + 0u * beside + column_1];
let x_1_0 = deltas[row + 1u * beside + column_0];
let x_1_1 = deltas[row + 1u * beside + column_1];
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
let w_0 = values[at + 0u];
let w_1 = values[at + 1u];
let x_0 = deltas[row + column_0];
let x_1 = deltas[row + column_1];
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
    gradient[(to + i * pitch + j) / 4u] = four;
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
}
