// Zero-one loss of a row: scale if the outputs are of another class than the targets. The class is the
// position of the first largest number; a single output is of class 1 above ${threshold}, a single target
// above 0.5. There is no gradient.      Twin: loss::zero_one
fn row_loss(row: u32, outputs: u32, scale: f32) -> f32 {
    var of_outputs = 0u;
    var of_targets = 0u;
    for (var j = 0u; j < outputs; j++) {
        if output_of(row, j) > output_of(row, of_outputs) { of_outputs = j; }
        if target_of(row, j) > target_of(row, of_targets) { of_targets = j; }
        set_delta(row, j, 0.0);
    }
    if outputs == 1u {
        of_outputs = u32(output_of(row, 0u) > ${threshold});
        of_targets = u32(target_of(row, 0u) > 0.5);
    }
    return select(0.0, scale, of_outputs != of_targets);
}
