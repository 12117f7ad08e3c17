// Softmax of a row in place: z[j] ← exp(z[j] − m) / Σₖ exp(z[k] − m), m = maxₖ z[k].
// Twin: reference::softmax
fn row_softmax(row: u32, outputs: u32) {
    var largest = output_of(row, 0u);
    for (var j = 1u; j < outputs; j++) { largest = max(largest, output_of(row, j)); }
    var sum = 0.0;
    for (var j = 0u; j < outputs; j++) {
        let e = exp(output_of(row, j) - largest);
        set_output(row, j, e);
        sum += e;
    }
    for (var j = 0u; j < outputs; j++) { set_output(row, j, output_of(row, j) / sum); }
}
