// Values, slopes and deltas of hidden levels as f16, four in two words. Packing is part of WGSL and needs no f16 of the
// device. A number that is no f16 becomes one of its two neighbors.      Twin: reference::round_f16
fn packed_four(four: vec4<f32>) -> vec2<u32> {
    return vec2<u32>(pack2x16float(four.xy), pack2x16float(four.zw));
}

fn unpacked(words: vec2<u32>) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}
