// A picture's pixels as samples.      Twin: dataset::Pixels

// The pixel's center: x (j = 0) to the right, y (j = 1) down.
fn pixel_place(pixel: u32, j: u32, width: u32, scale: vec2<f32>, origin: vec2<f32>) -> f32 {
    if j == 0u { return f32(2u * (pixel % width) + 1u) * scale.x + origin.x; }
    return f32(2u * (pixel / width) + 1u) * scale.y + origin.y;
}

// A channel of 8 or 16 bits in a word, from a bit on, in [0, 1].
fn pixel_channel(word: u32, bit: u32, bits: u32) -> f32 {
    let maximum = (1u << bits) - 1u;
    return f32((word >> bit) & maximum) / f32(maximum);
}
