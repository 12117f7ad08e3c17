// AMSGrad: m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², x ← max(x, v),
// w ← w − step_size·m / (correction·√x + ε).      Twin: optimizer::amsgrad
fn updated(c: Constants, g: f32, w: f32, state: ptr<function, array<f32, STATES>>) -> f32 {
    let m = c.beta1 * (*state)[0] + c.one_minus_beta1 * g;
    let v = c.beta2 * (*state)[1] + c.one_minus_beta2 * g * g;
    let x = max((*state)[2], v);
    (*state)[0] = m;
    (*state)[1] = v;
    (*state)[2] = x;
    return w - c.step_size * m / (c.correction * root(x) + c.epsilon);
}
