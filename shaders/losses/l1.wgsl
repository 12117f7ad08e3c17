// Absolute error of a row: Σⱼ scale·|y[j] − t[j]|, delta = scale·sign(y − t), 0 at 0.      Twin: loss::l1
fn row_loss(row: u32, outputs: u32, scale: f32) -> f32 {
    var loss = 0.0;
    for (var j = 0u; j < outputs; j++) {
        let error = output_of(row, j) - target_of(row, j);
        loss += scale * abs(error);
        set_delta(row, j, scale * sign(error));
    }
    return loss;
}
