// Squared error of a row relative to the outputs: Σⱼ scale·d²/(y² + ε), delta = scale·2d/(y² + ε),
// d = y[j] − t[j]: the denominator counts as constant.      Twin: loss::relative_l2
fn row_loss(row: u32, outputs: u32, scale: f32) -> f32 {
    var loss = 0.0;
    for (var j = 0u; j < outputs; j++) {
        let y = output_of(row, j);
        let error = y - target_of(row, j);
        let part = scale * error / (y * y + ${epsilon});
        loss += part * error;
        set_delta(row, j, part + part);
    }
    return loss;
}
