// Stochastic gradient descent with momentum: v ← momentum·v + g, w ← w − rate·v, or with Nesterov
// w ← w − rate·(g + momentum·v).      Twin: optimizer::sgd
fn updated(c: Constants, g: f32, w: f32, state: ptr<function, array<f32, STATES>>) -> f32 {
    let v = c.momentum * (*state)[0] + g;
    (*state)[0] = v;
    return w - c.rate * select(v, g + c.momentum * v, c.nesterov != 0.0);
}
