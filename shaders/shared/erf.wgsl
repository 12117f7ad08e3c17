// The error function: to within a few units in the last place an odd polynomial near 0, 1 less an
// exponential of a polynomial beyond; from 4 on it is 1.      Twin: cpu::lanes
fn erf(x: f32) -> f32 {
    let size = abs(x);
    let s = x * x;
    var near = -5.967617e-4;
    near = near * s + 4.9911942e-3;
    near = near * s - 2.6768135e-2;
    near = near * s + 1.12819925e-1;
    near = near * s - 3.7612536e-1;
    near = near * s + 1.2837917e-1;
    let t = select(size, 4.0, size > 4.0);
    var far = -1.7285347e-5 * t + 3.83197e-4;
    far = far * (t * t) + (-3.8839644e-3 * t + 2.4254622e-2);
    far = far * t - 1.0677788e-1;
    far = far * t - 6.348467e-1;
    far = far * t - 1.2871751e-1;
    far = 1.0 - exp(far * t - t);
    return select(select(far, -far, x < 0.0), near * x + x, size < 0.9277344);
}
