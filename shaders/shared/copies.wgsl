// The layer of a parameter, and its row and column there.
struct Place { layer: u32, row: u32, column: u32 }

fn place_of_parameter(i: u32) -> Place {
    let layer = layer_of_block(i);
    let pitch = parameter_pitch_of(layer + 1u);
    let inside = i - weights_of(layer);
    return Place(layer, inside / pitch, inside % pitch);
}

// The two f16 copies of a weight; the first layer and the biases have none. They are for the way forward and the
// way back, cut into matrices of T by T that lie in one piece: a device then reads few lines of its cache for each. Next
// to each other are those along the dimension that a product adds up over.
fn put_copies(i: u32, w: f32) {
    let place = place_of_parameter(i);
    let layer = place.layer;
    if layer == 0u || place.row >= width_of(layer - 1u) || place.column >= width_of(layer) { return; }
    let at = 16u * copy_blocks_of(layer);
    copies[at + in_blocks(place.column, place.row, pitch_of(layer))] = f16(w);
    copies[16u * BACK + at + in_blocks(place.row, place.column, pitch_of(layer + 1u))] = f16(w);
}

// Where an element of a matrix with rows of `pitch` numbers is when it is cut into blocks of T by T.
fn in_blocks(row: u32, column: u32, pitch: u32) -> u32 {
    return row / T * T * pitch + column / T * T * T + row % T * T + column % T;
}
