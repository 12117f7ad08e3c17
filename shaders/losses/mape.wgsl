// Absolute error of a row relative to the targets: Σⱼ scale·|d|/(|t| + ε), delta = scale·sign(d)/(|t| + ε),
// d = y[j] − t[j].      Twin: loss::mape
fn row_loss(row: u32, outputs: u32, scale: f32) -> f32 {
    var loss = 0.0;
    for (var j = 0u; j < outputs; j++) {
        let t = target_of(row, j);
        let error = output_of(row, j) - t;
        let size = abs(t) + ${epsilon};
        loss += scale * abs(error) / size;
        set_delta(row, j, scale * sign(error) / size);
    }
    return loss;
}
