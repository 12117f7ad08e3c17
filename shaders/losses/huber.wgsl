// Huber's loss of a row: ½e² where |e| ≤ δ, δ(|e| − ½δ) beyond, e = y − t.      Twin: loss::huber
fn row_loss(row: u32, outputs: u32, scale: f32) -> f32 {
    var loss = 0.0;
    for (var j = 0u; j < outputs; j++) {
        let error = output_of(row, j) - target_of(row, j);
        // Comparisons, not clamp, so that NaN passes through.
        let above = select(error, ${delta}, error > ${delta});
        let slope = select(above, -${delta}, above < -${delta});
        loss += scale * slope * (error - 0.5 * slope);
        set_delta(row, j, scale * slope);
    }
    return loss;
}
