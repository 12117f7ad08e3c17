// The gradients of all weights and biases of all layers in one dispatch, split over the batch:
// gradient[slice][layer][i, j] = Σₛ values[s, i]·deltas[s, j] over the samples s of a slice.
// Twins: reference::matmul_tn and reference::bias_gradient
//
// A template with the layouts of fused_step.wgsl: the 1 behind the values of a level makes the bias
// a weight like any other. A workgroup computes a block of one layer: an invocation has ROWS
// columns j, LANES apart, and COLUMNS rows i in registers. The workgroup behind the last block adds up
// the losses of the batch, in a tree.

@group(0) @binding(1) var<storage, read> values: array<${stored}>;
@group(0) @binding(2) var<storage, read> deltas: array<${stored}>;
@group(0) @binding(3) var<storage, read> losses: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradient: array<${number}>;
@group(0) @binding(5) var<storage, read_write> sums: array<f32>;
@if packed
@group(0) @binding(6) var<storage, read_write> status: array<atomic<u32>, STATUS>;
@else
@group(0) @binding(6) var<storage, read_write> status: array<atomic<u32>, 2>;
@end

const WORKGROUP: u32 = LANES * GROUPS;

@if cooperative
// The sums of the losses that each invocation adds up.
var<workgroup> partial: array<f32, WORKGROUP>;
@end
@if packed

// The factor of the gradient of the scaled loss.
var<private> gradient_factor: f32;

// Four neighboring numbers in f32.
fn wide_value(place: u32) -> vec4<f32> {
    return vec4<f32>(bitcast<vec2<f32>>(values[place]), bitcast<vec2<f32>>(values[place + 1u]));
}

fn wide_delta(place: u32) -> vec4<f32> {
    return vec4<f32>(bitcast<vec2<f32>>(deltas[place]), bitcast<vec2<f32>>(deltas[place + 1u]));
}
@end

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
@if subgroup
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
@end
) {
    let slice = workgroup.y;
@if packed
    // Another workgroup may change the loss scale meanwhile, after a step that left f16. No update takes its gradient.
    gradient_factor = this_step.loss_factor / loss_scale();
@end
    if workgroup.x == BLOCKS {
@if cooperative
        if slice == 0u { add_losses(local, WORKGROUP); }
@else
        if slice == 0u && local == 0u { add_losses(0u, 1u); }
@end
        return;
    }
    let layer = layer_of_block(workgroup.x);
    let block = workgroup.x - first_block_of(layer);
    let pitch = pitch_of(layer + 1u);
    let across = (pitch + LANES * ROWS - 1u) / (LANES * ROWS);
@if subgroup
    let word = subgroup_lane % BROADCAST;
    let first_i = block / across * COLUMNS;
    let first_j = block % across * LANES * ROWS + local;
@else
    let first_i = (block / across * GROUPS + local / LANES) * COLUMNS;
    let first_j = (block % across * LANES + local % LANES) * ROWS;
@end
    let below = pitch_of(layer);
    let end = min((slice + 1u) * SLICE, batch_count());
    let to = slice * PARAMETERS + weights_of(layer);
    var s = slice * SLICE;
@if subgroup
    @each r: let j_${r} = first_j + ${r}u * LANES;
    @each r: let column_${r} = min(j_${r}, pitch - 1u);
    @each r q: var sum_${r}_${q} = vec4<f32>();
    var at = values_of(layer) + s * below + first_i + word;
    var row = values_of(layer + 1u) + s * pitch;
    for (; s + AT_ONCE <= end; s += AT_ONCE) {
        @each t g: let read_${t}_${g} = values[at + ${t}u * below + ${g}u * BROADCAST];
        @each t q: let w_${t}_${q} = ${broadcast(t, q)};
        @each t r: let x_${t}_${r} = deltas[row + ${t}u * pitch + column_${r}];
        @each t r q: sum_${r}_${q} += x_${t}_${r} * w_${t}_${q};
        at += AT_ONCE * below;
        row += AT_ONCE * pitch;
    }
    for (; s < end; s++) {
        @each g: let read_0_${g} = values[at + ${g}u * BROADCAST];
        @each q: let w_${q} = ${broadcast(0, q)};
        @each r: let x_${r} = deltas[row + column_${r}];
        @each r q: sum_${r}_${q} += x_${r} * w_${q};
        at += below;
        row += pitch;
    }
    @each r q: put(to, first_i + 4u * ${q}u, j_${r}, pitch, below, sum_${r}_${q});
}

fn put(to: u32, i: u32, j: u32, pitch: u32, below: u32, four: vec4<f32>) {
    if i >= below || j >= pitch { return; }
    @each i: gradient[to + (i + ${i}u) * pitch + j] = four[${i}];
}
@else
    @each p: let column_${p} = min(first_j + 4u * ${p}u, pitch - 4u) / 4u;
    @each q i p: var sum_${q}_${i}_${p} = vec4<f32>();
@if packed
    if layer == 0u {
${first_products}
    } else if layer + 1u == LAYERS {
${last_products}
    } else {
${products}
    }
@else
${products}
@end
    @each q i p: put(to, first_i + 4u * ${q}u + ${i}u, first_j + 4u * ${p}u, pitch, below, sum_${q}_${i}_${p});
}

fn put(to: u32, i: u32, j: u32, pitch: u32, below: u32, four: vec4<f32>) {
    if i >= below || j >= pitch { return; }
@if packed
    gradient[(to + i * pitch + j) / 4u] = four * gradient_factor;
@else
    gradient[(to + i * pitch + j) / 4u] = four;
@end
}
@end
