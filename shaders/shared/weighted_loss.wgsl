// The loss of a row times the weight that is in `scale`, and its gradient: both 0 for a weight of 0,
// whatever the loss. Without this case, a driver that multiplies in another order would turn a loss that
// overflows into a NaN.
fn weighted_loss(row: u32, outputs: u32, scale: f32) -> f32 {
    if scale == 0.0 {
        for (var j = 0u; j < outputs; j++) { set_delta(row, j, 0.0); }
        return 0.0;
    }
    return row_loss(row, outputs, scale);
}
