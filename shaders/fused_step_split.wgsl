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
@group(0) @binding(5) var<storage, read_write> values: array<${own_type}>;
@group(0) @binding(6) var<storage, read_write> deltas: array<${own_type}>;
@group(0) @binding(7) var<storage, read_write> losses: array<f32>;

const WORKGROUP: u32 = LANES * GROUPS;

// The sample in each row of the tile.
var<workgroup> chosen: array<u32, ROWS>;
// Values, [column][row]: of level 0, then of the last odd and the last even level. Behind a level's columns are
// zeros, as many as the product above it reads.
var<workgroup> tile: array<${tile_type}, TILE>;
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
    tile[tile_of(level) + column * STRIDE + row / ${in_tile}u][row % ${in_tile}u] = value;
}

// OWN columns of a layer's outputs, from the weighted sums z, of which the others are not used.
fn put_values(layer: u32, row: u32, column: u32, z: vec4<f32>) {
    let level = layer + 1u;
    let columns = column + vec4<u32>(0u, 1u, 2u, 3u);
    let width = vec4<u32>(width_of(layer));
    let behind = select(vec4<f32>(0.0), vec4<f32>(f32(ones_of(level))), columns == width);
@if drops
    let scale = dropout_of(layer, row, columns);
    let y = activate(layer, z) * scale;
@else
    let y = activate(layer, z);
@end
    let four = select(behind, y, columns < width);
    @each o: put(level, row, column + ${o}u, four[${o}]);
    if column >= pitch_of(level) { return; }
    values[(start_of(level, row) + column) / OWN] = ${own};
@if stores_slopes
    if !stores_slope(layer) { return; }
@if drops
    let slope = slope_of_sum(layer, z) * scale;
@else
    let slope = slope_of_sum(layer, z);
@end
    let slopes = select(vec4<f32>(0.0), slope, columns < width);
    values[(needed_of(level, row) + column) / OWN] = ${own_slopes};
@end
}

// What the slopes of OWN columns of a level are computed from. The lane itself has written it.
fn needed_at(level: u32, row: u32, column: u32) -> vec4<f32> {
    let own = values[(needed_of(level, row) + column) / OWN];
    return ${needed_four};
}

// OWN columns of the deltas of a level, from the gradient with respect to its values and what the slope is
// computed from.
fn put_deltas(level: u32, row: u32, column: u32, gradient: vec4<f32>, needed: vec4<f32>) {
    let columns = column + vec4<u32>(0u, 1u, 2u, 3u);
    let width = vec4<u32>(width_of(level - 1u));
    let delta = gradient * slope(level - 1u, needed);
    let four = select(vec4<f32>(0.0), delta, columns < width);
    let at = delta_tile_of(level) + row * DELTA_FOURS + column / 4u;
@if whole
    delta_tile[at] = four;
@else
    @each o: delta_tile[at][column % 4u + ${o}u] = four[${o}];
@end
    if column >= pitch_of(level) { return; }
    deltas[(start_of(level, row) + column) / OWN] = ${own};
}

// The numbers of the output level in one row: what the functions of loss and softmax work on.
fn output_of(row: u32, j: u32) -> f32 {
    return tile[tile_of(LAYERS) + j * STRIDE + row / ${in_tile}u][row % ${in_tile}u];
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

${add_up}

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

    for (var i = local; i < TILE; i += WORKGROUP) { tile[i] = ${tile_type}(); }
    for (var i = local; i < 2u * ROWS * DELTA_FOURS; i += WORKGROUP) { delta_tile[i] = vec4<f32>(); }
    if local < ROWS {
        chosen[local] = sample_at(this_step.first + min(first_row + local, count - 1u));
    }
    workgroupBarrier();
    for (var i = local; i < ROWS * pitch_of(0u) / 4u; i += WORKGROUP) {
        let its_row = i % ROWS;
        let first = i / ROWS * 4u;
        var four = vec4<f32>();
        @each i: four[${i}] = first_value(its_row, first + ${i}u);
        @each i: put(0u, its_row, first + ${i}u, four[${i}]);
        let place = (start_of(0u, its_row) + first) / OWN;
        @each e: values[place + ${e}u] = ${own_part(e)};
    }
    workgroupBarrier();

    // The first layer, whose sums may have fewer terms or more, then the others. What is read at the last layer is
    // not used.
    var next = min(1u, LAYERS - 1u);
    @each r: var sum_${r} = vec4<f32>();
    for (var k = 0u; k < FIRST_TERMS; k += FIRST_AT_ONCE * LANES) {
        let start = (k + lane) * STRIDE;
        let stride = pitch_of(1u) / 4u;
        @each f: let first_${f} = parameters[(k + ${f}u * LANES + lane) * stride + group];
        @each f: ${first_products(f)}
    }
    let next_stride = pitch_of(next + 1u) / 4u;
    let next_at = weights_of(next) / 4u + lane * next_stride + group;
    @each t: var w_${t} = ${read(t)};
    var z = add_up(lane, ${sums});
    for (var layer = 1u; layer < LAYERS; layer++) {
        put_values(layer - 1u, row, column, z);
        workgroupBarrier();
        let start = tile_of(layer) + lane * STRIDE;
        @each r: sum_${r} = vec4<f32>();
        @each t: ${products(t)}
        next = min(layer + 1u, LAYERS - 1u);
        let next_stride = pitch_of(next + 1u) / 4u;
        let next_at = weights_of(next) / 4u + lane * next_stride + group;
        @each t: w_${t} = ${read(t)};
        z = add_up(lane, ${sums});
    }
    put_values(LAYERS - 1u, row, column, z);
    workgroupBarrier();
@if slopes_shared
    storageBarrier();
@end

@if deep
    next = max(LAYERS - 2u, 1u);
    let below_stride = pitch_of(next + 1u) / 4u;
    let below_at = weights_of(next) / 4u + 4u * group * below_stride;
    @each b i: var four_${b}_${i} = ${read_four(b, i)};
    @each c: var single_${c} = ${read_single(c)};
@end
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
        @each e: deltas[place + ${e}u] = ${own_part(e)};
    }

@if deep

    // Back through the last layer, then the others. What is read at the second layer is not used.
    var needed = needed_at(LAYERS - 1u, row, column);
    @each r: sum_${r} = vec4<f32>();
    for (var k = 0u; k < LAST_TERMS; k += LAST_AT_ONCE * LANES) {
        let start = delta_tile_of(LAYERS) + k / 4u + lane / 4u;
        let stride = pitch_of(LAYERS) / 4u;
        let at = weights_of(LAYERS - 1u) / 4u + 4u * group * stride + k / 4u + lane / 4u;
        @each l: let last_${l} = ${read_last(l)};
        @each l: ${last_products(l)}
    }
    var gradient = add_up(lane, ${sums});
    for (var layer = LAYERS - 2u; layer > 0u; layer--) {
        put_deltas(layer + 1u, row, column, gradient, needed);
        workgroupBarrier();
        needed = needed_at(layer, row, column);
        let start = delta_tile_of(layer + 1u);
        @each r: sum_${r} = vec4<f32>();
        @each b: ${four_products(b)}
        @each c: ${single_products(c)}
        next = max(layer - 1u, 1u);
        let below_stride = pitch_of(next + 1u) / 4u;
        let below_at = weights_of(next) / 4u + 4u * group * below_stride;
        @each b i: four_${b}_${i} = ${read_four(b, i)};
        @each c: single_${c} = ${read_single(c)};
        gradient = add_up(lane, ${sums});
    }
    put_deltas(1u, row, column, gradient, needed);
@end
}
