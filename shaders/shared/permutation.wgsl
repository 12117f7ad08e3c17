// The sample at a position of the epoch's order; where the dataset is a part of another, its number
// there.      Twin: dataset::Dataset::sample_at
fn sample_at(position: u32) -> u32 {
    return permuted(this_step.part_first + permuted(position, this_step.order), this_step.part);
}

// A keyed permutation of order.x numbers: order.y is half the bits of their Feistel network, the rest
// its keys. Without bits nothing moves.      Twin: permutation::Permutation
fn permuted(position: u32, order: vec4<u32>) -> u32 {
    if order.y == 0u { return position; }
    var value = encrypt(position, order);
    while value >= order.x { value = encrypt(value, order); }
    return value;
}

// A Feistel network of six rounds over twice half_bits bits.
fn encrypt(value: u32, order: vec4<u32>) -> u32 {
    let half_bits = order.y;
    let mask = (1u << half_bits) - 1u;
    var left = value >> half_bits;
    var right = value & mask;
    for (var round = 0u; round < 6u; round++) {
        let key = select(order.z, order.w, (round & 1u) == 1u) + round * 0x9e3779b9u;
        let next = left ^ (mix_bits(right ^ key) & mask);
        left = right;
        right = next;
    }
    return (left << half_bits) | right;
}

fn mix_bits(seed: u32) -> u32 {
    var x = seed;
    x = (x ^ (x >> 16u)) * 0x7feb352du;
    x = (x ^ (x >> 15u)) * 0x846ca68bu;
    return x ^ (x >> 16u);
}
