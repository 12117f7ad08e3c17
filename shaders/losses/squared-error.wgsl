// Squared error of a row: Σⱼ scale·(y[j] − t[j])², delta = scale·2(y − t), the gradient with respect to
// the outputs y.      Twin: loss::mean_squared_error
fn row_loss(row: u32, outputs: u32, scale: f32) -> f32 {
    var loss = 0.0;
    for (var j = 0u; j < outputs; j++) {
        let error = output_of(row, j) - target_of(row, j);
        loss += scale * error * error;
        set_delta(row, j, scale * 2.0 * error);
    }
    return loss;
}
