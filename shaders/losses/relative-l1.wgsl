// Absolute error of a row relative to the outputs: Σⱼ scale·|d|/(|y| + ε), delta = scale·sign(d)/(|y| + ε),
// d = y[j] − t[j]: the denominator counts as constant.      Twin: loss::relative_l1
fn row_loss(row: u32, outputs: u32, scale: f32) -> f32 {
    var loss = 0.0;
    for (var j = 0u; j < outputs; j++) {
        let y = output_of(row, j);
        let error = y - target_of(row, j);
        let size = abs(y) + ${epsilon};
        loss += scale * abs(error) / size;
        set_delta(row, j, scale * sign(error) / size);
    }
    return loss;
}
