// Samples that are the pixels of a picture. Where they have no weights, nothing reads `pixel_weights`.
@group(0) @binding(2) var<storage, read> pixels: array<u32>;
@group(0) @binding(3) var<storage, read> pixel_weights: array<f32>;

fn input_of(sample: u32, j: u32) -> f32 {
    return pixel_place(sample, j, PICTURE_WIDTH, PICTURE_SCALE, PICTURE_ORIGIN);
}

fn sample_target(sample: u32, j: u32) -> f32 {
    let bit = j * PICTURE_BITS;
    return pixel_channel(pixels[sample * PICTURE_PITCH + bit / 32u], bit % 32u, PICTURE_BITS);
}
