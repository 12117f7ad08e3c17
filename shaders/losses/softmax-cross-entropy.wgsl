// Softmax cross-entropy of a row from logits: Σⱼ scale·t[j]·(l − z[j]) with
// l = m + ln Σₖ e^(z[k] − m), m = maxₖ z[k]; delta = scale·(T·softmax(z)[j] − t[j]), T = Σⱼ t[j]; the
// gradient with respect to the logits z.      Twin: loss::softmax_cross_entropy
fn row_loss(row: u32, outputs: u32, scale: f32) -> f32 {
    var largest = output_of(row, 0u);
    var total = 0.0;
    for (var j = 0u; j < outputs; j++) {
        largest = max(largest, output_of(row, j));
        total += target_of(row, j);
    }
    var sum = 0.0;
    for (var j = 0u; j < outputs; j++) { sum += exp(output_of(row, j) - largest); }
    var loss = 0.0;
    for (var j = 0u; j < outputs; j++) {
        let z = output_of(row, j) - largest;
        let t = target_of(row, j);
        loss += scale * t * (log(sum) - z);
        set_delta(row, j, scale * (total * exp(z) / sum - t));
    }
    return loss;
}
