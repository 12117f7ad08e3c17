// Likelihood of counts of a row: Σⱼ scale·(e^y − t·y), delta = scale·(e^y − t), for outputs y[j] that are
// logarithms of rates; else Σⱼ scale·(y − t·ln r), delta = scale·(1 − t/r), r = y + 1e-8.
// Twin: loss::poisson
fn row_loss(row: u32, outputs: u32, scale: f32) -> f32 {
    var loss = 0.0;
    for (var j = 0u; j < outputs; j++) {
        let y = output_of(row, j);
        let t = target_of(row, j);
        if ${log_input} {
            let rate = exp(y);
            loss += scale * (rate - t * y);
            set_delta(row, j, scale * (rate - t));
        } else {
            // A rate below 0 counts as 0, whose logarithm is −∞. NaN passes through.
            let sum = y + 1e-8;
            let rate = select(sum, 0.0, sum < 0.0);
            loss += scale * (y - t * log(rate));
            set_delta(row, j, scale * (1.0 - t / rate));
        }
    }
    return loss;
}
