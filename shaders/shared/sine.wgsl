// The sine of turns: sin(2πu), by its Taylor series to the 13th power within a quarter turn, where it is
// off by less than 1e-8. WGSL's own sin may be off by 5e-4.
fn sin_turns(u: f32) -> f32 {
    let r = u - round(u);
    // sin(π − a) = sin(a) folds half a turn to a quarter.
    let folded = select(r, sign(r) * 0.5 - r, abs(r) > 0.25);
    let a = 6.2831855 * folded;
    let s = a * a;
    let tail = 2.7557319e-6 + s * (-2.5052108e-8 + s * 1.6059044e-10);
    return a * (1.0 + s * (-0.16666667 + s * (8.3333333e-3 + s * (-1.9841270e-4 + s * tail))));
}
