// Binary cross-entropy from logits: losses[i] = scale·Σⱼ [max(z, 0) − z·t + ln(1 + e^−|z|)],
// delta = scale·(σ(z) − t), the gradient with respect to the logits z.
// Twin: reference::binary_cross_entropy
// z, t and delta are [batch, outputs], losses is [batch]. One invocation a row.
struct Shape { batch: u32, outputs: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> t: array<f32>;
@group(0) @binding(3) var<storage, read_write> losses: array<f32>;
@group(0) @binding(4) var<storage, read_write> delta: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_index(workgroup, workgroups, local);
    if i >= shape.batch { return; }
    let row = i * shape.outputs;
    var loss = 0.0;
    for (var j = row; j < row + shape.outputs; j++) {
        let e = exp(-abs(z[j]));
        loss += shape.scale * (max(z[j], 0.0) - z[j] * t[j] + log(1.0 + e));
        let sigmoid = select(1.0, e, z[j] < 0.0) / (1.0 + e);
        delta[j] = shape.scale * (sigmoid - t[j]);
    }
    losses[i] = loss;
}
