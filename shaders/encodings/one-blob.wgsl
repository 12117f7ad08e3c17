// C((j + 1)/bins − x) − C(j/bins − x) in bin j, with C the integral of the quartic kernel, wrapped around.
// Twin: encoding::one_blob
const BINS: u32 = u32(${bins});

// The integral of the kernel up to a distance from its center.
fn integral(distance: f32) -> f32 {
    let u = distance * ${bins};
    let square = u * u;
    let inner = square * (square * 0.2 - 0.6666667) + 1.0;
    return clamp(u * 0.9375 * inner + 0.5, 0.0, 1.0);
}

// The kernel at a distance from its center.
fn kernel(distance: f32) -> f32 {
    let u = distance * ${bins};
    let inside = max(1.0 - u * u, 0.0);
    return inside * inside * (${bins} * 0.9375);
}

// From input `input` to the left edge of bin j.
fn distance_to(j: u32, input: u32) -> f32 { return f32(j) / ${bins} - x_of(input); }

// The integral, over the bump and those that wrapped around.
fn integrals(d: f32) -> f32 { return integral(d) + integral(d - 1.0) + integral(d + 1.0); }

fn kernels(d: f32) -> f32 { return kernel(d) + kernel(d - 1.0) + kernel(d + 1.0); }

fn encoded(column: u32) -> f32 {
    let input = column / BINS;
    let j = column % BINS;
    return integrals(distance_to(j + 1u, input)) - integrals(distance_to(j, input));
}

fn encoded_slope(column: u32, input: u32) -> f32 {
    let j = column % BINS;
    return kernels(distance_to(j, input)) - kernels(distance_to(j + 1u, input));
}

fn columns_of(input: u32) -> vec2<u32> { return vec2<u32>(input, input + 1u) * BINS; }
