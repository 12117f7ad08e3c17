// Sine: f(z) = sin(omega·z).      Twin: activation::sine
#import sine
// The angle in turns, omega·z/2π.
fn sine_turns(z: f32) -> f32 { return (${omega} * 0.15915494309189535) * z; }
fn activation(z: f32) -> f32 { return sin_turns(sine_turns(z)); }
fn activation_slope(z: f32) -> f32 {
    let u = sine_turns(z);
    return ${omega} * sin_turns(u - round(u) + 0.25);
}
