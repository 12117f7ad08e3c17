// FINER: f(z) = sin(omega·(|z| + 1)·z).      Twin: activation::finer
#import sine
// The angle in turns, omega·(|z| + 1)·z/2π.
fn finer_turns(z: f32) -> f32 { return (${omega} * 0.15915494309189535) * (abs(z) + 1.0) * z; }
fn activation(z: f32) -> f32 { return sin_turns(finer_turns(z)); }
fn activation_slope(z: f32) -> f32 {
    let u = finer_turns(z);
    return ${omega} * (2.0 * abs(z) + 1.0) * sin_turns(u - round(u) + 0.25);
}
