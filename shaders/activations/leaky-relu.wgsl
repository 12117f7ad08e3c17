fn activation(z: f32) -> f32 { return select(z, ${slope} * z, z < 0.0); }
