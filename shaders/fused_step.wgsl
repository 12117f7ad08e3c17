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
@if packed
//
// Packed: values, slopes and deltas of hidden levels are f16 in storage, and those of level 0 and of the outputs
// f32. All that goes from layer to layer is f32, so that only gradients and slopes are computed from rounded numbers.
// The deltas are those of the loss before it is divided by the samples, times the loss scale. A number that is no
// finite f16 is noted in status[OVERFLOW].
@end

@group(0) @binding(1) var<storage, read> parameters: array<${number}>;
@group(0) @binding(4) var<storage, read> frequencies: array<f32>;
@group(0) @binding(5) var<storage, read_write> values: array<${stored}>;
@if computes_loss
@group(0) @binding(6) var<storage, read_write> deltas: array<${stored}>;
@group(0) @binding(7) var<storage, read_write> losses: array<f32>;
@if packed
@group(0) @binding(8) var<storage, read_write> status: array<atomic<u32>, STATUS>;
@end
@else
@group(0) @binding(6) var<storage, read_write> outputs: array<f32>;
@end

const TILE: u32 = LANES * ROWS;
const WORKGROUP: u32 = LANES * GROUPS;

// The sample in each row of the tile.
var<workgroup> chosen: array<u32, TILE>;
@if cooperative
// Values or deltas of the current level.
var<workgroup> tile: array<vec4<f32>, TILE * TILE_FOURS>;
@if computes_loss
var<workgroup> row_losses: array<f32, TILE>;
@end
@end

@if packed
// Whether a number of this invocation is no finite f16.
var<private> overflowed: bool;

// Four numbers in f16.
fn halved(four: vec4<f32>) -> vec2<u32> {
    overflowed = overflowed || !all(abs(four) <= vec4<f32>(LARGEST));
    return packed_four(four);
}

@end
// Four columns of a layer's outputs, from the weighted sums z.
fn put_values(layer: u32, row: u32, column: u32, z: vec4<f32>) {
    if column >= pitch_of(layer + 1u) { return; }
    let columns = column + vec4<u32>(0u, 1u, 2u, 3u);
    let width = vec4<u32>(width_of(layer));
    let behind = select(vec4<f32>(0.0), vec4<f32>(f32(ones_of(layer + 1u))), columns == width);
@if drops
    let scale = dropout_of(layer, row, columns);
    let y = activate(layer, z) * scale;
@else
    let y = activate(layer, z);
@end
    put(layer + 1u, row, column, select(behind, y, columns < width), true);
@if stores_slopes
    if !stores_slope(layer) { return; }
@if drops
    let slope = slope_of_sum(layer, z) * scale;
@else
    let slope = slope_of_sum(layer, z);
@end
    let slopes = select(vec4<f32>(0.0), slope, columns < width);
    let place = needed_of(layer + 1u, row) + column;
@if subgroup
    @each i: values[place + ${i}u] = slopes[${i}];
@else
@if packed
    values[place / 4u] = halved(slopes);
@else
    values[place / 4u] = slopes;
@end
@end
@end
}

@if training
// Four columns of the deltas of a level, from the gradient with respect to its values.
fn put_deltas(level: u32, row: u32, column: u32, gradient: vec4<f32>) {
    if column >= pitch_of(level) { return; }
    let columns = column + vec4<u32>(0u, 1u, 2u, 3u);
    let width = vec4<u32>(width_of(level - 1u));
    let place = needed_of(level, row) + column;
@if subgroup
    let needed = vec4<f32>(values[place], values[place + 1u], values[place + 2u], values[place + 3u]);
@else
@if packed
    let needed = unpacked(values[place / 4u]);
@else
    let needed = values[place / 4u];
@end
@end
    let delta = gradient * slope(level - 1u, needed);
    put(level, row, column, select(vec4<f32>(0.0), delta, columns < width), false);
}
@end

// Four columns of a row, to where the next layer and the next dispatch read them.
fn put(level: u32, row: u32, column: u32, four: vec4<f32>, is_value: bool) {
    let place = start_of(level, row) + column;
@if subgroup
@if training
    if is_value {
        @each i: values[place + ${i}u] = four[${i}];
    } else {
        @each i: deltas[place + ${i}u] = four[${i}];
    }
@else
    @each i: values[place + ${i}u] = four[${i}];
@end
@else
@if training
@if packed
    if level == 0u {
        values[(place + column) / 4u] = bitcast<vec2<u32>>(four.xy);
        values[(place + column) / 4u + 1u] = bitcast<vec2<u32>>(four.zw);
    } else if !is_value {
        deltas[place / 4u] = halved(four);
    } else if level < LAYERS {
        values[place / 4u] = halved(four);
    }
@else
    if is_value { values[place / 4u] = four; } else { deltas[place / 4u] = four; }
@end
@else
    values[place / 4u] = four;
@end
@end
@if cooperative
    tile[row * TILE_FOURS + column / 4u] = four;
@end
}

// The numbers of the output level in one row: what the functions of loss and softmax work on.
fn output_of(row: u32, j: u32) -> f32 {
@if cooperative
    return tile[row * TILE_FOURS + j / 4u][j % 4u];
@else
    return ${output};
@end
}

fn set_output(row: u32, j: u32, y: f32) {
@if cooperative
    tile[row * TILE_FOURS + j / 4u][j % 4u] = y;
@else
    ${output} = y;
@end
}

@if computes_loss
fn delta_of(row: u32, j: u32) -> f32 {
@if packed
    return bitcast<f32>(${output_delta});
@else
    return ${output_delta};
@end
}

fn set_delta(row: u32, j: u32, delta: f32) {
@if packed
    ${output_delta} = bitcast<u32>(delta);
@else
    ${output_delta} = delta;
@end
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
@if cooperative
    let lane = local % LANES;
    let group_column = local / LANES * COLUMNS;
@else
    let lane = local;
@end
@if subgroup
    let word = subgroup_lane % BROADCAST;
@end
    @each r: let row_${r} = lane + ${r}u * LANES;
    first_row = workgroup.x * TILE;
    let count = batch_count();

    for (var row = local; row < TILE; row += WORKGROUP) {
        chosen[row] = sample_at(this_step.first + min(first_row + row, count - 1u));
    }
    ${sync}
    for (var i = local; i < TILE * pitch_of(0u) / 4u; i += WORKGROUP) {
        let row = i % TILE;
        let column = i / TILE * 4u;
        var four = vec4<f32>();
        @each i: four[${i}] = first_value(row, column + ${i}u);
        put(0u, row, column, four, true);
    }

    for (var layer = 0u; layer < LAYERS; layer++) {
        let pitch = pitch_of(layer + 1u);
        let depth = depth_of(layer);
        ${sync}
@if cooperative
        let column = group_column;
@else
        @each r: let below_${r} = start_of(layer, row_${r});
        for (var column = 0u; column <= width_of(layer); column += COLUMNS) {
@end
        let weights = weights_of(layer) + column;
        @each r q: var sum_${r}_${q} = vec4<f32>();
@if subgroup
        for (var k = 0u; k < depth; k += AT_ONCE) {
            let at = weights + k * pitch + word;
            @each t g: let read_${t}_${g} = parameters[at + ${t}u * pitch + ${g}u * BROADCAST];
            @each t q: let w_${t}_${q} = ${broadcast(t, q)};
            @each t r: let x_${t}_${r} = ${input};
            @each t r q: sum_${r}_${q} += x_${t}_${r} * w_${t}_${q};
        }
@else
        let stride = pitch / 4u;
        var at = weights / 4u;
        for (var k = 0u; k < depth; k += AT_ONCE) {
            @each v r: let x_${v}_${r} = ${inputs};
@if crowded
            // Each parameter is read just before its products: a register less to hold it until then.
            @each q: let w_0_${q} = parameters[at + ${q}u];
            @each r q: sum_${r}_${q} += x_0_${r}[0] * w_0_${q};
            @each q: let w_1_${q} = parameters[at + stride + ${q}u];
            @each r q: sum_${r}_${q} += x_0_${r}[1] * w_1_${q};
            @each q: let w_2_${q} = parameters[at + 2u * stride + ${q}u];
            @each r q: sum_${r}_${q} += x_0_${r}[2] * w_2_${q};
            @each q: let w_3_${q} = parameters[at + 3u * stride + ${q}u];
            @each r q: sum_${r}_${q} += x_0_${r}[3] * w_3_${q};
@else
            @each v u q: let w_${v}_${u}_${q} = parameters[at + (4u * ${v}u + ${u}u) * stride + ${q}u];
            @each v u r q: sum_${r}_${q} += x_${v}_${r}[${u}] * w_${v}_${u}_${q};
@end
            at += AT_ONCE * stride;
        }
@end
        ${sync}
        @each r q: put_values(layer, row_${r}, column + 4u * ${q}u, sum_${r}_${q});
@if !cooperative
        }
@end
    }
    ${sync}
@if slopes_shared
    storageBarrier();
@end

@if computes_loss
@if !cooperative
    var loss = 0.0;
@end
@if packed
    let scale = loss_scale();
@end
    for (var row = local; row < TILE; row += WORKGROUP) {
@if packed
        let row_loss = finish_row(row, scale * sample_weight(chosen[row])) / scale * loss_factor();
@else
        let row_loss = finish_row(row, loss_factor() * sample_weight(chosen[row]));
@end
@if !cooperative
        if first_row + row < count { loss += row_loss; }
@else
        row_losses[row] = select(0.0, row_loss, first_row + row < count);
@if training
        for (var j = 0u; j < pitch_of(LAYERS); j++) {
            tile[row * TILE_FOURS + j / 4u][j % 4u] = delta_of(row, j);
        }
@end
@end
    }
@if cooperative
    add_row_losses(local);
    if local == 0u { losses[workgroup.x] = row_losses[0]; }
@else
    losses[workgroup.x * LANES + lane] = loss;
@end

@if training
    for (var layer = LAYERS - 1u; layer > 0u; layer--) {
        let pitch = pitch_of(layer + 1u);
        let depth = width_of(layer);
@if cooperative
        let column = group_column;
@else
        @each r: let above_${r} = start_of(layer + 1u, row_${r});
        for (var column = 0u; column < width_of(layer - 1u); column += COLUMNS) {
@end
        let weights = weights_of(layer) + column * pitch;
        @each r q: var sum_${r}_${q} = vec4<f32>();
@if subgroup
        for (var k = 0u; k < depth; k += AT_ONCE) {
            let at = weights + k + word * pitch;
            @each t g: let read_${t}_${g} = parameters[at + ${t}u + ${g}u * BROADCAST * pitch];
            @each t q: let w_${t}_${q} = ${broadcast(t, q)};
            @each t r: let x_${t}_${r} = ${delta};
            @each t r q: sum_${r}_${q} += x_${t}_${r} * w_${t}_${q};
        }
@else
        let stride = pitch / 4u;
        var at = weights / 4u;
        for (var k = 0u; k < depth; k += AT_ONCE) {
            @each v r: let x_${v}_${r} = ${deltas};
@if crowded
            @each i: let left_${i} = parameters[at + ${i}u * stride];
            @each u r: sum_${r}_0 += x_0_${r}[${u}] * vec4<f32>(left_0[${u}], left_1[${u}], left_2[${u}], left_3[${u}]);
            @each i: let right_${i} = parameters[at + (4u + ${i}u) * stride];
            @each u r: sum_${r}_1 += x_0_${r}[${u}] * vec4<f32>(right_0[${u}], right_1[${u}], right_2[${u}], right_3[${u}]);
@else
            @each v q i: let w_${v}_${q}_${i} = parameters[at + (4u * ${q}u + ${i}u) * stride + ${v}u];
            @each v u r q: sum_${r}_${q} += x_${v}_${r}[${u}] * vec4<f32>(w_${v}_${q}_0[${u}], w_${v}_${q}_1[${u}], w_${v}_${q}_2[${u}], w_${v}_${q}_3[${u}]);
@end
            at += AT_ONCE / 4u;
        }
@end
        ${sync}
        @each r q: put_deltas(layer, row_${r}, column + 4u * ${q}u, sum_${r}_${q});
@if !cooperative
        }
@end
        ${sync}
    }
@if packed
    if overflowed { atomicMax(&status[OVERFLOW], this_step.number); }
@end
@end
@else
    for (var row = local; row < TILE; row += WORKGROUP) {
        finish_row(row);
        if first_row + row < count {
            for (var j = 0u; j < OUTPUTS; j++) {
                outputs[(first_row + row) * OUTPUTS + j] = output_of(row, j);
            }
        }
    }
@end
}
