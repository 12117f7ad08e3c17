// Softmax gradient of a row in place: delta[j] ← y[j]·(delta[j] − Σₖ delta[k]·y[k]), y the softmax's
// outputs.      Twin: reference::softmax_gradient
fn row_softmax_gradient(row: u32, outputs: u32) {
    var dot = 0.0;
    for (var j = 0u; j < outputs; j++) { dot += delta_of(row, j) * output_of(row, j); }
    for (var j = 0u; j < outputs; j++) {
        set_delta(row, j, output_of(row, j) * (delta_of(row, j) - dot));
    }
}
