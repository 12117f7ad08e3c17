// The gradient of the tables of all grids from the sums of grid_gradient.wgsl, which are 0 afterwards:
// gradient[first + i] ← sums[i]·2^-s, or added to what is there.      Twin: reference::grid_encoding_gradient
// NaN if a number that should have been added was not finite, so that the update is undone. One invocation a number.
struct Shape { count: u32, first: u32, accumulate: u32, headroom: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read_write> sums: array<u32>;
@group(0) @binding(2) var<storage, read> largest: array<u32>;
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;

// 2^exponent, for normal numbers.
fn power_of_two(exponent: i32) -> f32 { return bitcast<f32>(u32(exponent + 127) << 23u); }

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_index(workgroup, workgroups, local);
    if i >= shape.count { return; }
    var low = sums[2u * i];
    var high = sums[2u * i + 1u];
    var sum = 0.0;
    if is_infinite(largest[0]) {
        sum = bitcast<f32>(largest[0] | 0x400000u);
    } else if (low | high) != 0u {
        sums[2u * i] = 0u;
        sums[2u * i + 1u] = 0u;
        let is_negative = (high >> 31u) == 1u;
        if is_negative {
            low = ~low + 1u;
            high = ~high + select(0u, 1u, low == 0u);
        }
        // In two factors, since 2^-s alone may not be a normal number.
        let shift = shift_of(largest[0]);
        let half = shift / 2;
        sum = (f32(high) * 4294967296.0 + f32(low)) * power_of_two(-half) * power_of_two(half - shift);
        if is_negative { sum = -sum; }
    }
    let place = shape.first + i;
    if shape.accumulate == 1u { sum += gradient[place]; }
    gradient[place] = sum;
}
