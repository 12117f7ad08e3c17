// The gradient of the tables of all grids, from that with respect to the columns of all encodings, as whole numbers of
// two words.      Twin: reference::grid_encoding_gradient
//
// A template, written for one network (src/engine/gpu/encodings.rs) with shared/place.wgsl, shared/fixed_point.wgsl and
// the functions of its grids. deltas is [rows, COLUMNS]. sums is [numbers of the tables, 2]: the low and the high word.
// largest is that of deltas. One invocation for a level of a sample, or several.
struct Shape { rows: u32, capacity: u32, headroom: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> deltas: array<f32>;
@group(0) @binding(4) var<storage, read> largest: array<u32>;
@group(0) @binding(5) var<storage, read_write> sums: array<atomic<u32>>;

fn delta_at(column: u32) -> f32 { return deltas[row * COLUMNS + column]; }

// Adds a number to a sum, rounded towards 0 to a multiple of 2^-s.
fn add(place: u32, number: f32) {
    let bits = bitcast<u32>(number) & 0x7fffffffu;
    // Only of a sample whose inputs are beyond f32, and so is its loss.
    if is_infinite(bits) { return; }
    let exponent = bits >> 23u;
    let mantissa = (bits & 0x7fffffu) | select(0x800000u, 0u, exponent == 0u);
    let shift = i32(max(exponent, 1u)) - 150 + shift_of(largest[0]);
    var low = 0u;
    var high = 0u;
    if shift >= 32 {
        high = mantissa << u32(shift - 32);
    } else if shift > 0 {
        low = mantissa << u32(shift);
        high = mantissa >> u32(32 - shift);
    } else if shift > -24 {
        low = mantissa >> u32(-shift);
    }
    if (low | high) == 0u { return; }
    if number < 0.0 {
        low = ~low + 1u;
        high = ~high + select(0u, 1u, low == 0u);
    }
    // What the low word was says whether it overflows. However many there are and in whichever order: the carries are
    // what the sum of the low words has above a word.
    let before = atomicAdd(&sums[2u * place], low);
    high += select(0u, 1u, before > 0xffffffffu - low);
    if high != 0u { atomicAdd(&sums[2u * place + 1u], high); }
}

@compute @workgroup_size(${workgroup})
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    // Then scattered_gradient.wgsl returns NaN.
    if is_infinite(largest[0]) { return; }
    let stride = workgroups.x * ${workgroup}u;
    for (row = workgroup.x * ${workgroup}u + local; row < shape.rows; row += stride) {
        sample = ${sample};
        for (var unit = workgroup.y; unit < UNITS; unit += workgroups.y) { scatter_any(unit); }
    }
}
