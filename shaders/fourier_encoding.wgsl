// Fourier encoding: out[i, 2f] = sin(2πu), out[i, 2f + 1] = cos(2πu), u = Σⱼ frequencies[f, j]·x[i, j].
// Twin: reference::fourier_encoding
// x is [batch, inputs], frequencies is [features, inputs], out is [batch, 2·features]. One
// invocation a wave.
struct Shape { batch: u32, inputs: u32, features: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> frequencies: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_index(workgroup, workgroups, local);
    if i >= shape.batch * shape.features { return; }
    let sample = i / shape.features;
    let feature = i % shape.features;
    var turns = 0.0;
    for (var j = 0u; j < shape.inputs; j++) {
        turns += frequencies[feature * shape.inputs + j] * x[sample * shape.inputs + j];
    }
    out[2u * i] = sin_turns(turns);
    out[2u * i + 1u] = sin_turns(turns - round(turns) + 0.25);
}
