// A picture's pixels as samples.      Twin: dataset::Pixels

// The pixel's center: x (j = 0) to the right, y (j = 1) down.
fn pixel_place(pixel: u32, j: u32, width: u32, scale: vec2<f32>, origin: vec2<f32>) -> f32 {
    if j == 0u { return f32(2u * (pixel % width) + 1u) * scale.x + origin.x; }
    return f32(2u * (pixel / width) + 1u) * scale.y + origin.y;
}

// One of the four channels of 8 bits in a word, in [0, 1].
fn pixel_channel(word: u32, j: u32) -> f32 {
    return f32((word >> (8u * j)) & 255u) / 255.0;
}
