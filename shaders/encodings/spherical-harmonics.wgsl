// Y[l, m] of the direction 2·(x, y, z) − 1.      Twin: encoding::spherical_harmonics
const DEGREES: u32 = u32(${degree});

// The factors of the harmonics of one degree and order.
struct Term {
    // K·P(z) and its derivative by z.
    polar: vec2<f32>,
    // Real and imaginary part of (x + iy)ᵐ.
    waves: vec2<f32>,
    // The same of m·(x + iy)ᵐ⁻¹.
    slopes: vec2<f32>,
}

fn direction_of(j: u32) -> f32 { return 2.0 * x_of(j) - 1.0; }

// K, without the sign: √((2l + 1)/4π·(l − m)!/(l + m)!), times √2 for m > 0.
fn norm_of(l: u32, m: u32) -> f32 {
    var quotient = 1.0;
    for (var k = l - m + 1u; k <= l + m; k++) { quotient *= f32(k); }
    return sqrt(select(2.0, 1.0, m == 0u) * f32(2u * l + 1u) / (12.566371 * quotient));
}

fn term_of(l: u32, m: u32) -> Term {
    let x = direction_of(0u);
    let y = direction_of(1u);
    let z = direction_of(2u);
    var term: Term;
    term.waves = vec2<f32>(1.0, 0.0);
    var first = 1.0;
    for (var i = 0u; i < m; i++) {
        first *= -f32(2u * i + 1u);
        term.slopes = f32(i + 1u) * term.waves;
        term.waves = vec2<f32>(
            x * term.waves.x - y * term.waves.y,
            x * term.waves.y + y * term.waves.x,
        );
    }
    var before = vec2<f32>(0.0);
    var polar = vec2<f32>(first, 0.0);
    for (var i = m; i < l; i++) {
        let a = f32(2u * i + 1u) / f32(i + 1u - m);
        let b = f32(i + m) / f32(i + 1u - m);
        let value = a * z * polar.x - b * before.x;
        let slope = a * (polar.x + z * polar.y) - b * before.y;
        before = polar;
        polar = vec2<f32>(value, slope);
    }
    term.polar = norm_of(l, m) * polar;
    return term;
}

// The degree of a column: its square is the first column of the degree.
fn degree_of(column: u32) -> u32 {
    var l = 0u;
    while (l + 1u) * (l + 1u) <= column { l++; }
    return l;
}

fn encoded(column: u32) -> f32 {
    let l = degree_of(column);
    let center = l * l + l;
    if column >= center {
        let term = term_of(l, column - center);
        return term.polar.x * term.waves.x;
    }
    let term = term_of(l, center - column);
    return term.polar.x * term.waves.y;
}

fn encoded_slope(column: u32, input: u32) -> f32 {
    let l = degree_of(column);
    let center = l * l + l;
    let is_real = column >= center;
    let term = term_of(l, select(center - column, column - center, is_real));
    var slope = term.polar.y * select(term.waves.y, term.waves.x, is_real);
    if input == 0u { slope = term.polar.x * select(term.slopes.y, term.slopes.x, is_real); }
    if input == 1u { slope = term.polar.x * select(term.slopes.x, -term.slopes.y, is_real); }
    return 2.0 * slope;
}

fn columns_of(input: u32) -> vec2<u32> { return vec2<u32>(0u, DEGREES * DEGREES); }
