// What fused_step.wgsl and fused_step_split.wgsl have in common: the samples of a tile, and where its rows are in
// `values` and `deltas`.

// The tile's first row in the batch.
var<private> first_row: u32;

// Where a row of the tile starts in a level of `values` or `deltas`.
fn start_of(level: u32, row: u32) -> u32 {
@if packed
    return values_of(level) + (first_row + row) * stored_pitch_of(level);
@else
    return values_of(level) + (first_row + row) * pitch_of(level);
@end
}

// What level 0 holds: an input, or a wave of the inputs; then 1, then zeros.
fn first_value(row: u32, column: u32) -> f32 {
    let width = depth_of(0u) - ones_of(0u);
    if column >= width { return select(0.0, f32(ones_of(0u)), column == width); }
@if encoded
    var turns = 0.0;
    for (var j = 0u; j < INPUTS; j++) {
        turns += frequencies[column / 2u * INPUTS + j] * input_of(chosen[row], j);
    }
    if column % 2u == 0u { return sin_turns(turns); }
    return sin_turns(turns - round(turns) + 0.25);
@else
    return input_of(chosen[row], column);
@end
}

@if drops
// What dropout multiplies four outputs of a layer by: 0, or 1 / (1 - rate).
fn dropout_of(layer: u32, row: u32, columns: vec4<u32>) -> vec4<f32> {
    let threshold = threshold_of(layer);
    if threshold == 0u { return vec4<f32>(1.0); }
    let mask = mask_of(layer, first_row + row);
    var kept = vec4<bool>();
    @each i: kept[${i}] = is_kept(mask, columns[${i}], threshold);
    return select(vec4<f32>(0.0), vec4<f32>(factor_of(layer)), kept);
}
@end

@if training
// Where what the backward pass needs of a row starts: in the slopes of a level that stores them, behind
// the values of all levels, else in its values.
fn needed_of(level: u32, row: u32) -> u32 {
@if stores_slopes
    if level > 0u && stores_slope(level - 1u) {
        return slopes_of(level) + (first_row + row) * pitch_of(level);
    }
@end
    return start_of(level, row);
}

// The same of one output.
fn needed_output(row: u32, j: u32) -> f32 {
@if stores_slopes
    if stores_slope(LAYERS - 1u) { return ${needed}; }
@end
    return output_of(row, j);
}
@end

@if computes_loss
fn target_of(row: u32, j: u32) -> f32 {
    return sample_target(chosen[row], j);
}
@end
