fn activation(z: f32) -> f32 { return z; }
fn activation_derivative(y: f32) -> f32 { return 1.0; }
