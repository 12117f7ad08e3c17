// Lion: w ← keep·w − rate·sign(β₁m + (1 − β₁)g), m ← β₂m + (1 − β₂)g.      Twin: optimizer::lion
fn updated(c: Constants, g: f32, w: f32, state: ptr<function, array<f32, STATES>>) -> f32 {
    let blend = c.beta1 * (*state)[0] + c.one_minus_beta1 * g;
    (*state)[0] = c.beta2 * (*state)[0] + c.one_minus_beta2 * g;
    return c.keep * w - c.rate * sign(blend);
}
