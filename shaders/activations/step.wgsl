// Step: f(z) = 1 if z ≥ 0, else 0.      Twin: activation::step
fn activation(z: f32) -> f32 { return select(0.0, 1.0, z >= 0.0); }
