override activation_parameter: f32;
fn activation(z: f32) -> f32 { return select(z, activation_parameter * z, z < 0.0); }
fn activation_derivative(y: f32) -> f32 { return select(activation_parameter, 1.0, y > 0.0); }
