fn activation(z: f32) -> f32 { return exp(z); }
