// AdaBound: m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g²,
// w ← w − clamp(step_size / (√v + ε), low, high)·m.      Twin: optimizer::adabound
fn updated(c: Constants, g: f32, w: f32, state: ptr<function, array<f32, STATES>>) -> f32 {
    let m = c.beta1 * (*state)[0] + c.one_minus_beta1 * g;
    let v = c.beta2 * (*state)[1] + c.one_minus_beta2 * g * g;
    (*state)[0] = m;
    (*state)[1] = v;
    return w - clamp(c.step_size / (root(v) + c.epsilon), c.low, c.high) * m;
}
