// Squared error of a row relative to the luminance of its outputs: Σⱼ scale·d²/(L² + ε),
// delta = scale·2d/(L² + ε), d = y[j] − t[j], L = 0.299y[0] + 0.587y[1] + 0.114y[2] plus the same of the
// next three where there are six or more: the denominator counts as constant.
// Twin: loss::relative_l2_luminance
fn row_loss(row: u32, outputs: u32, scale: f32) -> f32 {
    var luminance = 0.0;
    for (var first = 0u; first < select(3u, 6u, outputs >= 6u); first += 3u) {
        luminance += 0.299 * output_of(row, first) + 0.587 * output_of(row, first + 1u)
            + 0.114 * output_of(row, first + 2u);
    }
    let size = luminance * luminance + ${epsilon};
    var loss = 0.0;
    for (var j = 0u; j < outputs; j++) {
        let error = output_of(row, j) - target_of(row, j);
        let part = scale * error / size;
        loss += part * error;
        set_delta(row, j, part + part);
    }
    return loss;
}
