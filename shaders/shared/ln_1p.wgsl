// The logarithm of 1 + x: ln(1 + x) for x in [0, 1], to within a few units in the last place:
// 2·artanh(s) with s = x/(2 + x), an odd polynomial. WGSL's own log may be off by 5e-7 near 1.
// Twin: Number::ln_1p
fn ln_1p(x: f32) -> f32 {
    let s = x / (2.0 + x);
    let w = s * s;
    var p = 0.1342575 * w + 0.14118309;
    p = p * w + 0.2000378;
    p = p * w + 0.3333332;
    return 2.0 * s + 2.0 * s * (w * p);
}
