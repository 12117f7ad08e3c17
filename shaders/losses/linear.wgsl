// Linear loss of a row: Σⱼ scale·t[j]·y[j], delta = scale·t, the gradient with respect to the outputs y.
// Twin: loss::linear
fn row_loss(row: u32, outputs: u32, scale: f32) -> f32 {
    var loss = 0.0;
    for (var j = 0u; j < outputs; j++) {
        let t = target_of(row, j);
        loss += scale * t * output_of(row, j);
        set_delta(row, j, scale * t);
    }
    return loss;
}
