// The exponential less 1: e^x − 1, to within a few units in the last place also near 0, where a
// polynomial avoids the difference of nearly equal numbers.      Twin: Number::exp_m1
fn exp_m1(x: f32) -> f32 {
    var p = 1.9944874e-4 * x + 1.3982186e-3;
    p = p * x + 8.333236e-3;
    p = p * x + 4.1665792e-2;
    p = p * x + 0.16666667;
    p = p * x + 0.5;
    return select(exp(x) - 1.0, p * (x * x) + x, abs(x) < 0.5);
}
