// 4·|u − ⌊u⌋ − ½| − 1 with u = 2ᵏ⁻¹x + k/4 in octave k.      Twin: encoding::triangle_wave
const OCTAVES: u32 = u32(${octaves});

// u − ⌊u⌋. The first part of u is a product with a power of two and has no rounding error, so the whole turns are left
// out before the quarters are added.
fn phase_of(column: u32) -> f32 {
    let k = column % OCTAVES;
    let turns = x_of(column / OCTAVES) * bitcast<f32>((126u + k) << 23u);
    let phase = turns - floor(turns) + 0.25 * f32(k % 4u);
    return phase - floor(phase);
}

fn encoded(column: u32) -> f32 { return 4.0 * abs(phase_of(column) - 0.5) - 1.0; }

fn encoded_slope(column: u32, input: u32) -> f32 {
    let steep = bitcast<f32>((128u + column % OCTAVES) << 23u);
    return select(steep, -steep, phase_of(column) < 0.5);
}

fn columns_of(input: u32) -> vec2<u32> { return vec2<u32>(input, input + 1u) * OCTAVES; }
