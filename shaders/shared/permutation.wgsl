// The order of samples: the sample at a position of the epoch's order. Of a part of a dataset, the number
// of the sample in the whole.      Twin: dataset::Dataset::sample_at
fn sample_at(position: u32) -> u32 {
    return permuted(this_step.part_first + permuted(position, this_step.order), this_step.part);
}

// A keyed permutation of order.x numbers: order.y is half the bits of their Feistel network, the rest
// its keys. Without bits every number keeps its place.      Twin: permutation::Permutation
fn permuted(position: u32, order: vec4<u32>) -> u32 {
    if order.y == 0u { return position; }
    if order.x <= 16u { return exchanged(position, order); }
    var value = encrypt(position, order);
    while value >= order.x { value = encrypt(value, order); }
    return select(value, value ^ (order.z >> 31u), value < 2u);
}

// The position of few numbers followed through exchanges of each with one up to it.
fn exchanged(position: u32, order: vec4<u32>) -> u32 {
    var value = position;
    for (var last = 1u; last < order.x; last++) {
        // The upper 24 bits of a hash, as a fraction of last + 1.
        let other = ((mix_bits(round_key(last, order)) >> 8u) * (last + 1u)) >> 24u;
        if value == last { value = other; } else if value == other { value = last; }
    }
    return value;
}

// A Feistel network of six rounds over twice half_bits bits.
fn encrypt(value: u32, order: vec4<u32>) -> u32 {
    let half_bits = order.y;
    let mask = (1u << half_bits) - 1u;
    var left = value >> half_bits;
    var right = value & mask;
    for (var round = 0u; round < 6u; round++) {
        let next = left ^ (mix_bits(right ^ round_key(round, order)) & mask);
        left = right;
        right = next;
    }
    return (left << half_bits) | right;
}

fn round_key(round: u32, order: vec4<u32>) -> u32 {
    return select(order.z, order.w, (round & 1u) == 1u) + round * 0x9e3779b9u;
}

fn mix_bits(seed: u32) -> u32 {
    var x = seed;
    x = (x ^ (x >> 16u)) * 0x7feb352du;
    x = (x ^ (x >> 15u)) * 0x846ca68bu;
    return x ^ (x >> 16u);
}
