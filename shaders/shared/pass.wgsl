// What fused_step.wgsl and fused_step_split.wgsl have in common besides tile_samples.wgsl: where the rows of a tile are
// in `values` and `deltas`.

// Where a row of the tile starts in a level of `values` or `deltas`.
fn start_of(level: u32, row: u32) -> u32 {
@if packed
    return values_of(level) + (first_row + row) * stored_pitch_of(level);
@else
    return values_of(level) + (first_row + row) * pitch_of(level);
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
