// ELU: f(z) = z above 0, alpha·(e^z − 1) elsewhere.      Twin: activation::elu
#import exp_m1
fn activation(z: f32) -> f32 { return select(z, ${alpha} * exp_m1(z), z < 0.0); }
fn activation_slope(z: f32) -> f32 { return select(${alpha} * exp(z), 1.0, z > 0.0); }
