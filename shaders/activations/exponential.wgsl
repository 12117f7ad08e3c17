// Exponential: f(z) = e^z.      Twin: activation::exponential
fn activation(z: f32) -> f32 { return exp(z); }
