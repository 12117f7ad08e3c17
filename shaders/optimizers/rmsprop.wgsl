// RMSprop: v ← αv + (1 − α)g², w ← w − rate·g / (√v + ε).      Twin: optimizer::rmsprop
fn updated(c: Constants, g: f32, w: f32, state: ptr<function, array<f32, STATES>>) -> f32 {
    let v = c.alpha * (*state)[0] + c.one_minus_alpha * g * g;
    (*state)[0] = v;
    return w - c.rate * g / (root(v) + c.epsilon);
}
