// The largest size of some numbers, as the bits of an f32: largest[0] ← max(largest[0], max |deltas[i]|). The bits of
// positive numbers are ordered as the numbers, and those of infinity and NaN are above all others. A maximum depends on
// no order.      Twin: the maximum in the test
struct Shape { count: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> deltas: array<f32>;
@group(0) @binding(2) var<storage, read_write> largest: array<atomic<u32>>;

var<workgroup> most: array<u32, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    var own = 0u;
    let stride = workgroups.x * 256u;
    for (var i = workgroup.x * 256u + local; i < shape.count; i += stride) {
        own = max(own, bitcast<u32>(deltas[i]) & 0x7fffffffu);
    }
    most[local] = own;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if local < half { most[local] = max(most[local], most[local + half]); }
        workgroupBarrier();
    }
    if local == 0u { atomicMax(&largest[0], most[0]); }
}
