// Absolute error of a row relative to outputs and targets: Σⱼ scale·|d|/s, delta = scale·sign(d)/s,
// d = y[j] − t[j], s = (|y| + |t|)/2 + ε: the denominator counts as constant.      Twin: loss::smape
fn row_loss(row: u32, outputs: u32, scale: f32) -> f32 {
    var loss = 0.0;
    for (var j = 0u; j < outputs; j++) {
        let y = output_of(row, j);
        let t = target_of(row, j);
        let error = y - t;
        let size = 0.5 * (abs(y) + abs(t)) + ${epsilon};
        loss += scale * abs(error) / size;
        set_delta(row, j, scale * sign(error) / size);
    }
    return loss;
}
