// The samples of a tile of rows, a template: what goes into the first layer, and what should come out of the last.

// The tile's first row in the batch.
var<private> first_row: u32;

// What level 0 holds: an input, or a wave of the inputs; then 1, then zeros.
fn first_value(row: u32, column: u32) -> f32 {
    let width = depth_of(0u) - ones_of(0u);
    if column >= width { return select(0.0, f32(ones_of(0u)), column == width); }
@if given
    // Other kernels have computed it, with the first numbers of all rows first.
    return frequencies[column * CAPACITY + min(first_row + row, batch_count() - 1u)];
@else
@if encoded
    var turns = 0.0;
    for (var j = 0u; j < INPUTS; j++) {
        turns += frequencies[column / 2u * INPUTS + j] * input_of(${memory}chosen[row], j);
    }
    if column % 2u == 0u { return sin_turns(turns); }
    return sin_turns(turns - round(turns) + 0.25);
@else
    return input_of(${memory}chosen[row], column);
@end
@end
}

@if computes_loss
fn target_of(row: u32, j: u32) -> f32 {
    return sample_target(${memory}chosen[row], j);
}
@end
