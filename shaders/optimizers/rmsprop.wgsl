// RMSprop: v ← αv + (1 − α)g², m ← αm + mean_share·g, b ← momentum·b + g / (√(v − m²) + ε),
// w ← w − rate·b.      Twin: optimizer::rmsprop
fn updated(c: Constants, g: f32, w: f32, state: ptr<function, array<f32, STATES>>) -> f32 {
    let v = c.alpha * (*state)[0] + c.one_minus_alpha * g * g;
    let m = c.alpha * (*state)[1] + c.mean_share * g;
    // Rounding may make the variance of equal gradients negative; the root counts it as 0.
    let b = c.momentum * (*state)[2] + g / (root(v - m * m) + c.epsilon);
    (*state)[0] = v;
    (*state)[1] = m;
    (*state)[2] = b;
    return w - c.rate * b;
}
