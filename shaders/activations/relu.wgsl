// ReLU: f(z) = max(0, z).      Twin: activation::relu
// Written so that NaN passes through, which max(z, 0) may hide.
fn activation(z: f32) -> f32 { return select(z, 0.0, z < 0.0); }
