// NAdam: m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g²,
// w ← w − (gradient_step·g + mean_step·m) / (correction·√v + ε).      Twin: optimizer::nadam
fn updated(c: Constants, g: f32, w: f32, state: ptr<function, array<f32, STATES>>) -> f32 {
    let m = c.beta1 * (*state)[0] + c.one_minus_beta1 * g;
    let v = c.beta2 * (*state)[1] + c.one_minus_beta2 * g * g;
    (*state)[0] = m;
    (*state)[1] = v;
    return w - (c.gradient_step * g + c.mean_step * m) / (c.correction * root(v) + c.epsilon);
}
