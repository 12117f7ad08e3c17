// Squareplus: f(z) = (z + √(z² + b))/2.      Twin: activation::squareplus
// √(z² + b), and f(z) − max(z, 0) = b/2/(|z| + √(z² + b)), which does not subtract nearly equal numbers.
fn squareplus_parts(z: f32) -> vec2<f32> {
    let root = sqrt(z * z + ${b});
    return vec2<f32>(root, 0.5 * ${b} / (abs(z) + root));
}
fn activation(z: f32) -> f32 { return select(z, 0.0, z < 0.0) + squareplus_parts(z).y; }
fn activation_slope(z: f32) -> f32 {
    let parts = squareplus_parts(z);
    let small = parts.y / parts.x;
    return select(1.0 - small, small, z < 0.0);
}
