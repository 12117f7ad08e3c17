// Binary cross-entropy of a row from logits: Σⱼ scale·[max(z, 0) − z·t + ln(1 + e^−|z|)],
// delta = scale·(σ(z) − t), the gradient with respect to the logits z.
// Twin: loss::binary_cross_entropy
fn row_loss(row: u32, outputs: u32, scale: f32) -> f32 {
    var loss = 0.0;
    for (var j = 0u; j < outputs; j++) {
        let z = output_of(row, j);
        let t = target_of(row, j);
        let e = exp(-abs(z));
        loss += scale * (max(z, 0.0) - z * t + log(1.0 + e));
        let sigmoid = select(1.0, e, z < 0.0) / (1.0 + e);
        set_delta(row, j, scale * (sigmoid - t));
    }
    return loss;
}
