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
    @each i: let place_${i} = x_of(${i}u) * level.scale + 0.5;
    @each i: let before_${i} = floor(place_${i});
    @each i: cell.before[${i}] = bitcast<u32>(i32(before_${i}));
    @each i: cell.weights[${i}] = weight_of(place_${i} - before_${i});
    @each i: cell.slopes[${i}] = level.scale * slope_of(place_${i} - before_${i});
    return cell;
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
