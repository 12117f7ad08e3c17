// Adagrad: s ← s + g², w ← w − rate·g / (√s + ε).      Twin: optimizer::adagrad
fn updated(c: Constants, g: f32, w: f32, state: ptr<function, array<f32, STATES>>) -> f32 {
    let s = (*state)[0] + g * g;
    (*state)[0] = s;
    return w - c.rate * g / (root(s) + c.epsilon);
}
