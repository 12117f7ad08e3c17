// Leaky ReLU: f(z) = z above 0, slope·z elsewhere.      Twin: activation::leaky_relu
fn activation(z: f32) -> f32 { return select(z, ${slope} * z, z < 0.0); }
