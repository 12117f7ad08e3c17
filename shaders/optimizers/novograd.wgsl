// Novograd: v ← β₂v + (1 − β₂)‖g‖², m ← β₁m + share·(g / (√v + ε) + decay·w), w ← w − rate·m; square is
// the squared norm of the gradient of the parameter's segment.      Twin: optimizer::novograd
fn updated(c: Constants, g: f32, w: f32, state: ptr<function, array<f32, STATES>>) -> f32 {
    let v = c.beta2 * (*state)[1] + c.one_minus_beta2 * c.square;
    let m = c.beta1 * (*state)[0] + c.share * (g / (root(v) + c.epsilon) + c.weight_decay * w);
    (*state)[0] = m;
    (*state)[1] = v;
    return w - c.rate * m;
}
