// Identity: f(z) = z.      Twin: activation::identity
fn activation(z: f32) -> f32 { return z; }
