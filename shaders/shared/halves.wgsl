// The layer of a parameter, and its row and column there.
struct Place { layer: u32, row: u32, column: u32 }

fn place_of(i: u32) -> Place {
    let layer = layer_of_block(i);
    let pitch = parameter_pitch_of(layer + 1u);
    let inside = i - weights_of(layer);
    return Place(layer, inside / pitch, inside % pitch);
}

// The two f16 copies of a weight; the first layer and the biases have none.
fn put_halves(i: u32, w: f32) {
    let place = place_of(i);
    let layer = place.layer;
    if layer == 0u || place.row >= width_of(layer - 1u) || place.column >= width_of(layer) { return; }
    let at = 16u * half_blocks_of(layer);
    halves[at + place.column * pitch_of(layer) + place.row] = f16(w);
    halves[16u * BACK + at + place.row * pitch_of(layer + 1u) + place.column] = f16(w);
}
