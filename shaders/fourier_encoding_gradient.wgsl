// The gradient of the inputs of a Fourier encoding:
// gradient[i, j] = Σ_f 2π·frequencies[f, j]·(encoded[i, 2f + 1]·delta[i, 2f] − encoded[i, 2f]·delta[i, 2f + 1]).
// Twin: reference::fourier_encoding_gradient
// encoded and delta are [batch, 2·features], frequencies is [features, inputs], gradient is
// [batch, inputs]. One invocation a number of gradient.
struct Shape { batch: u32, inputs: u32, features: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> encoded: array<f32>;
@group(0) @binding(2) var<storage, read> delta: array<f32>;
@group(0) @binding(3) var<storage, read> frequencies: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradient: array<f32>;

const TAU: f32 = 6.2831855;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_index(workgroup, workgroups, local);
    if i >= shape.batch * shape.inputs { return; }
    let first = i / shape.inputs * 2u * shape.features;
    let input = i % shape.inputs;
    var sum = 0.0;
    for (var f = 0u; f < shape.features; f++) {
        let wave = first + 2u * f;
        let slope = TAU * (encoded[wave + 1u] * delta[wave] - encoded[wave] * delta[wave + 1u]);
        sum += frequencies[f * shape.inputs + input] * slope;
    }
    gradient[i] = sum;
}
