// Logarithm of the hyperbolic cosine of a row's errors: Σⱼ scale·ln cosh d, delta = scale·tanh d, with
// d = y[j] − t[j]; from m = e^−|d| − 1, so that nothing overflows: ln(1 + m²/(2e^−|d|)), which is accurate
// near 0, and |d| − ln 2 + ln(1 + e^−2|d|) from 1 on.      Twin: loss::log_cosh
#import exp_m1
#import ln_1p
fn row_loss(row: u32, outputs: u32, scale: f32) -> f32 {
    var loss = 0.0;
    for (var j = 0u; j < outputs; j++) {
        let error = output_of(row, j) - target_of(row, j);
        let size = abs(error);
        let m = exp_m1(-size);
        let e = 1.0 + m;
        let is_near = size < 1.0;
        let x = select(e * e, m * m / (2.0 * e), is_near);
        loss += scale * (ln_1p(x) + select(size - 0.6931472, 0.0, is_near));
        // 1 − e².
        let rest = -m * (2.0 + m);
        set_delta(row, j, scale * sign(error) * rest / (2.0 - rest));
    }
    return loss;
}
