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

const TARGET_PITCH: u32 = OUTPUTS + 0u;
// Samples in rows of numbers. Where they have weights, a sample's is behind its targets.
@group(0) @binding(2) var<storage, read> table_inputs: array<f32>;
@group(0) @binding(3) var<storage, read> table_targets: array<f32>;

fn input_of(sample: u32, j: u32) -> f32 { return table_inputs[sample * INPUTS + j]; }
fn sample_target(sample: u32, j: u32) -> f32 { return table_targets[sample * TARGET_PITCH + j]; }
fn sample_weight(sample: u32) -> f32 { return 1.0; }
const INPUTS: u32 = 2u;
const OUTPUTS: u32 = 2u;
const COLUMNS: u32 = 6u;
const UNITS: u32 = 3u;
// The row of an invocation in a batch, and where its numbers are.
var<private> row: u32;

// The place of a column of the row where there are so many columns. Columns follow each other if shape.capacity is
// not 0: consecutive invocations, which have consecutive rows, then read and write consecutive numbers.
fn place_of(column: u32, width: u32) -> u32 {
    if shape.capacity == 0u { return row * width + column; }
    return column * shape.capacity + row;
}

// The number of the row's sample among those that input_of knows.
var<private> sample: u32;
fn input_at(j: u32) -> f32 { return input_of(sample, j); }
// The numbers that are added up are whole multiples of 2^-s: sums of whole numbers depend on no order. s follows from
// the largest number and from how many there are at most, 2^headroom, so that no sum leaves 63 bits: a number is less
// than 2^(E − 125), E being the largest one's exponent in its bits, since a weight can be rounded to a little more than
// 1. So it is less than 2^(62 − headroom) in units of 2^-s with s = 187 − headroom − E, and what is rounded away less
// than 2^(headroom − 60) of the largest.
fn shift_of(largest: u32) -> i32 {
    return 187 - i32(shape.headroom) - i32(largest >> 23u);
}

// Whether a number with these bits is infinite or NaN.
fn is_infinite(bits: u32) -> bool { return (bits & 0x7f800000u) == 0x7f800000u; }
fn x_of_0(j: u32) -> f32 { return input_at(0u + j); }
// A grid of features, a template.      Twins: reference::grid_encoding and its gradients
struct Level_0 {
    // What an input is multiplied by.
    scale: f32,
    // Entries between corners that are next to each other in each input, where the level is not hashed.
    strides: vec4<u32>,
    hashed: bool,
    // The first entry.
    first: u32,
    entries: u32,
}

// The cell that a place is in: the corner before it, and in each input the weight of the next one and its derivative.
// Inputs that the grid does not have are 0 in every corner, with the weight 1.
struct Cell_0 { before: vec4<u32>, weights: vec4<f32>, slopes: vec4<f32> }

fn level_of_0(level: u32) -> Level_0 {
    if level == 0u { return Level_0(2.0, vec4<u32>(1u, 3u, 0u, 0u), false, 0u, 16u); }
    if level == 1u { return Level_0(4.1, vec4<u32>(1u, 6u, 0u, 0u), true, 16u, 16u); }
    if level == 2u { return Level_0(7.67, vec4<u32>(1u, 9u, 0u, 0u), true, 32u, 16u); }
    return Level_0();
}

fn cell_of_0(level: Level_0) -> Cell_0 {
    var cell: Cell_0;
let place_0 = place_between_0(x_of_0(0u), level.scale);
let place_1 = place_between_0(x_of_0(1u), level.scale);
cell.before[0] = bitcast<u32>(place_0.before);
cell.before[1] = bitcast<u32>(place_1.before);
cell.weights[0] = weight_of_0(place_0.w);
cell.weights[1] = weight_of_0(place_1.w);
cell.slopes[0] = level.scale * slope_of_0(place_0.w);
cell.slopes[1] = level.scale * slope_of_0(place_1.w);
    return cell;
}

// A place between two corners of an input: the corner before it, and how far it is from there, from 0 to 1.
struct Place_0 { before: i32, w: f32 }

// The place x·scale + 1/2. In f32 the finest grids would have no digit of w left, and samples near a corner would be in
// other cells than in the other engines. So the product is one of whole numbers: of the mantissas, in two words.
fn place_between_0(x: f32, scale: f32) -> Place_0 {
    let bits_x = bitcast<u32>(x);
    let bits_s = bitcast<u32>(scale);
    let exponent_x = (bits_x >> 23u) & 0xffu;
    let exponent_s = (bits_s >> 23u) & 0xffu;
    // The bits of the product that are behind the point.
    let behind = 300 - i32(exponent_x) - i32(exponent_s);
    if behind < 17 || behind > 63 || exponent_s == 0u {
        // Far outside of the grid, or almost 0.
        let place = x * scale + 0.5;
        return Place_0(i32(floor(place)), place - floor(place));
    }
    let m = (bits_x & 0x7fffffu) | 0x800000u;
    let n = (bits_s & 0x7fffffu) | 0x800000u;
    let middle = (m >> 12u) * (n & 0xfffu) + (m & 0xfffu) * (n >> 12u);
    let first = (m >> 12u) * (n >> 12u);
    let summand = middle << 12u;
    let other = first << 24u;
    var low = (m & 0xfffu) * (n & 0xfffu) + summand;
    var high = (middle >> 20u) + (first >> 8u) + select(0u, 1u, low < summand);
    low += other;
    high += select(0u, 1u, low < other);
    if (bits_x >> 31u) == 1u {
        low = ~low + 1u;
        high = ~high + select(0u, 1u, low == 0u);
    }
    let k = u32(behind);
    if k < 32u {
        let half = 1u << (k - 1u);
        low += half;
        high += select(0u, 1u, low < half);
        let before = bitcast<i32>((high << (32u - k)) | (low >> k));
        return Place_0(before, f32(low & ((1u << k) - 1u)) * bitcast<f32>((127u - k) << 23u));
    }
    if k == 32u {
        low += 0x80000000u;
        high += select(0u, 1u, low < 0x80000000u);
    } else {
        high += 1u << (k - 33u);
    }
    let above = high & ((1u << (k - 32u)) - 1u);
    let w = f32(above) * 4294967296.0 + f32(low);
    return Place_0(bitcast<i32>(high) >> (k - 32u), w * bitcast<f32>((127u - k) << 23u));
}

// The weight of the next corner at the place w, in [0, 1], between two, and its derivative.
fn weight_of_0(w: f32) -> f32 { return w; }
fn slope_of_0(w: f32) -> f32 { return 1.0; }

// In which inputs a corner is the next one: its bits.
fn is_next_0(corner: u32) -> vec4<bool> {
    return ((vec4<u32>(corner) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u)) == vec4<u32>(1u);
}

// The weights of a corner in each input.
fn weights_of_0(cell: Cell_0, next: vec4<bool>) -> vec4<f32> {
    return select(1.0 - cell.weights, cell.weights, next);
}

// The first number of a corner in the grid's table.
fn place_in_table_0(level: Level_0, cell: Cell_0, next: vec4<bool>) -> u32 {
    let corner = cell.before + select(vec4<u32>(0u), vec4<u32>(1u), next);
    var number = 0u;
    if level.hashed {
        let mixed = corner * vec4<u32>(1u, 2654435761u, 805459861u, 3674653429u);
        number = (mixed.x ^ mixed.y ^ mixed.z ^ mixed.w) & (level.entries - 1u);
    } else {
        let parts = corner * level.strides;
        number = parts.x + parts.y + parts.z + parts.w;
        if number >= level.entries { number %= level.entries; }
    }
    return 0u + (level.first + number) * 2u;
}

// Adds the gradients of a level's features to those of the corners around.
fn scatter_unit_0(unit: u32) {
    let level = level_of_0(unit);
    let cell = cell_of_0(level);
    let column = 0u + unit * 2u;
let delta_0 = delta_at(column + 0u);
let delta_1 = delta_at(column + 1u);
    for (var corner = 0u; corner < 4u; corner++) {
        let next = is_next_0(corner);
        let w = weights_of_0(cell, next);
        let weight = w.x * w.y * w.z * w.w;
        let at = place_in_table_0(level, cell, next);
add(at + 0u, weight * delta_0);
add(at + 1u, weight * delta_1);
    }
}
fn scatter_any(unit: u32) {
    if unit < 3u { scatter_unit_0(unit - 0u); return; }
}
// The gradient of the tables of all grids, from that with respect to the columns of all encodings, as whole numbers of
// two words.      Twin: reference::grid_encoding_gradient
//
// A template, written for one network (src/engine/gpu/encodings.rs) with shared/place.wgsl, shared/fixed_point.wgsl and
// the functions of its grids. deltas is [rows, COLUMNS]. sums is [numbers of the tables, 2]: the low and the high word.
// largest is that of deltas. One invocation for a level of a sample, or several.
struct Shape { rows: u32, capacity: u32, headroom: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> deltas: array<f32>;
@group(0) @binding(4) var<storage, read> largest: array<u32>;
@group(0) @binding(5) var<storage, read_write> sums: array<atomic<u32>>;

fn delta_at(column: u32) -> f32 { return deltas[row * COLUMNS + column]; }

// Adds a number to a sum, rounded towards 0 to a multiple of 2^-s.
fn add(place: u32, number: f32) {
    let bits = bitcast<u32>(number) & 0x7fffffffu;
    // Only of a sample whose inputs are beyond f32, and so is its loss.
    if is_infinite(bits) { return; }
    let exponent = bits >> 23u;
    let mantissa = (bits & 0x7fffffu) | select(0x800000u, 0u, exponent == 0u);
    let shift = i32(max(exponent, 1u)) - 150 + shift_of(largest[0]);
    var low = 0u;
    var high = 0u;
    if shift >= 32 {
        high = mantissa << u32(shift - 32);
    } else if shift > 0 {
        low = mantissa << u32(shift);
        high = mantissa >> u32(32 - shift);
    } else if shift > -24 {
        low = mantissa >> u32(-shift);
    }
    if (low | high) == 0u { return; }
    if number < 0.0 {
        low = ~low + 1u;
        high = ~high + select(0u, 1u, low == 0u);
    }
    // What the low word was says whether it overflows. However many there are and in whichever order: the carries are
    // what the sum of the low words has above a word.
    let before = atomicAdd(&sums[2u * place], low);
    high += select(0u, 1u, before > 0xffffffffu - low);
    if high != 0u { atomicAdd(&sums[2u * place + 1u], high); }
}

@compute @workgroup_size(128)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    // Then scattered_gradient.wgsl returns NaN.
    if is_infinite(largest[0]) { return; }
    let stride = workgroups.x * 128u;
    for (row = workgroup.x * 128u + local; row < shape.rows; row += stride) {
        sample = sample_at(this_step.first + row);
        for (var unit = workgroup.y; unit < UNITS; unit += workgroups.y) { scatter_any(unit); }
    }
}
