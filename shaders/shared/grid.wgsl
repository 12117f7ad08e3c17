// A grid of features, a template.      Twins: reference::grid_encoding and its gradients
struct Level {
    // What an input is multiplied by.
    scale: f32,
    // Entries between corners that are next to each other in each input, where the level is not hashed.
    strides: vec4<u32>,
    hashed: bool,
    // The first entry.
    first: u32,
    entries: u32,
}

// The cell that a place is in: the corner before it, and in each input the weight of the next one and its derivative.
// Inputs that the grid does not have are 0 in every corner, with the weight 1.
struct Cell { before: vec4<u32>, weights: vec4<f32>, slopes: vec4<f32> }

fn level_of(level: u32) -> Level {
${levels}}

fn cell_of(level: Level) -> Cell {
    var cell: Cell;
    @each i: let place_${i} = place_between(x_of(${i}u), level.scale);
    @each i: cell.before[${i}] = bitcast<u32>(place_${i}.before);
    @each i: cell.weights[${i}] = weight_of(place_${i}.w);
    @each i: cell.slopes[${i}] = level.scale * slope_of(place_${i}.w);
    return cell;
}

// A place between two corners of an input: the corner before it, and how far it is from there, from 0 to 1.
struct Place { before: i32, w: f32 }

// The place x·scale + 1/2. In f32 the finest grids would have no digit of w left, and samples near a corner would be in
// other cells than in the other engines. So the product is one of whole numbers: of the mantissas, in two words.
fn place_between(x: f32, scale: f32) -> Place {
    let bits_x = bitcast<u32>(x);
    let bits_s = bitcast<u32>(scale);
    let exponent_x = (bits_x >> 23u) & 0xffu;
    let exponent_s = (bits_s >> 23u) & 0xffu;
    // The bits of the product that are behind the point.
    let behind = 300 - i32(exponent_x) - i32(exponent_s);
    if behind < 17 || behind > 63 || exponent_s == 0u {
        // Far outside of the grid, or almost 0.
        let place = x * scale + 0.5;
        return Place(i32(floor(place)), place - floor(place));
    }
    let m = (bits_x & 0x7fffffu) | 0x800000u;
    let n = (bits_s & 0x7fffffu) | 0x800000u;
    let middle = (m >> 12u) * (n & 0xfffu) + (m & 0xfffu) * (n >> 12u);
    let first = (m >> 12u) * (n >> 12u);
    let summand = middle << 12u;
    let other = first << 24u;
    var low = (m & 0xfffu) * (n & 0xfffu) + summand;
    var high = (middle >> 20u) + (first >> 8u) + select(0u, 1u, low < summand);
    low += other;
    high += select(0u, 1u, low < other);
    if (bits_x >> 31u) == 1u {
        low = ~low + 1u;
        high = ~high + select(0u, 1u, low == 0u);
    }
    let k = u32(behind);
    if k < 32u {
        let half = 1u << (k - 1u);
        low += half;
        high += select(0u, 1u, low < half);
        let before = bitcast<i32>((high << (32u - k)) | (low >> k));
        return Place(before, f32(low & ((1u << k) - 1u)) * bitcast<f32>((127u - k) << 23u));
    }
    if k == 32u {
        low += 0x80000000u;
        high += select(0u, 1u, low < 0x80000000u);
    } else {
        high += 1u << (k - 33u);
    }
    let above = high & ((1u << (k - 32u)) - 1u);
    let w = f32(above) * 4294967296.0 + f32(low);
    return Place(bitcast<i32>(high) >> (k - 32u), w * bitcast<f32>((127u - k) << 23u));
}

// The weight of the next corner at the place w, in [0, 1], between two, and its derivative.
fn weight_of(w: f32) -> f32 { return ${weight}; }
fn slope_of(w: f32) -> f32 { return ${slope}; }

// In which inputs a corner is the next one: its bits.
fn is_next(corner: u32) -> vec4<bool> {
    return ((vec4<u32>(corner) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u)) == vec4<u32>(1u);
}

// The weights of a corner in each input.
fn weights_of(cell: Cell, next: vec4<bool>) -> vec4<f32> {
    return select(1.0 - cell.weights, cell.weights, next);
}

// The first number of a corner in the grid's table.
fn place_in_table(level: Level, cell: Cell, next: vec4<bool>) -> u32 {
    let corner = cell.before + select(vec4<u32>(0u), vec4<u32>(1u), next);
    var number = 0u;
    if level.hashed {
        let mixed = corner * vec4<u32>(1u, 2654435761u, 805459861u, 3674653429u);
        number = (mixed.x ^ mixed.y ^ mixed.z ^ mixed.w) & (level.entries - 1u);
    } else {
        let parts = corner * level.strides;
        number = parts.x + parts.y + parts.z + parts.w;
        if number >= level.entries { number %= level.entries; }
    }
    return ${table}u + (level.first + number) * ${features}u;
}

@if encodes
// The features of a level.
fn encode_unit(unit: u32) {
    let level = level_of(unit);
    let cell = cell_of(level);
    @each f: var sum_${f} = 0.0;
    for (var corner = 0u; corner < ${corners}u; corner++) {
        let next = is_next(corner);
        let w = weights_of(cell, next);
        let weight = w.x * w.y * w.z * w.w;
        let at = shape.tables + place_in_table(level, cell, next);
        @each f: sum_${f} += weight * parameters[at + ${f}u];
    }
    let column = ${first}u + unit * ${features}u;
    @each f: put_column(column + ${f}u, sum_${f});
}
@end
@if scatters
// Adds the gradients of a level's features to those of the corners around.
fn scatter_unit(unit: u32) {
    let level = level_of(unit);
    let cell = cell_of(level);
    let column = ${first}u + unit * ${features}u;
    @each f: let delta_${f} = delta_at(column + ${f}u);
    for (var corner = 0u; corner < ${corners}u; corner++) {
        let next = is_next(corner);
        let w = weights_of(cell, next);
        let weight = w.x * w.y * w.z * w.w;
        let at = place_in_table(level, cell, next);
        @each f: add(at + ${f}u, weight * delta_${f});
    }
}
@end
@if returns
// The gradient of an input.
fn leaf_gradient(input: u32) -> f32 {
    var sum = 0.0;
    for (var unit = 0u; unit < ${units}u; unit++) {
        let level = level_of(unit);
        let cell = cell_of(level);
        let column = ${first}u + unit * ${features}u;
        @each f: let delta_${f} = delta_at(column + ${f}u);
        for (var corner = 0u; corner < ${corners}u; corner++) {
            let next = is_next(corner);
            var w = weights_of(cell, next);
            w[input] = select(-cell.slopes[input], cell.slopes[input], next[input]);
            let slope = w.x * w.y * w.z * w.w;
            let at = shape.tables + place_in_table(level, cell, next);
            var product = 0.0;
            @each f: product += delta_${f} * parameters[at + ${f}u];
            sum += slope * product;
        }
    }
    return sum;
}
@end
