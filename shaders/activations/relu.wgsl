// Written so that NaN passes through, which max(z, 0) may hide.
fn activation(z: f32) -> f32 { return select(z, 0.0, z < 0.0); }
fn activation_derivative(y: f32) -> f32 { return select(0.0, 1.0, y > 0.0); }
