// Softmax cross-entropy from logits: losses[i] = scale·Σⱼ t[j]·(l − z[j]) with
// l = m + ln Σₖ e^(z[k] − m), m = maxₖ z[k]; delta = scale·(T·softmax(z)[j] − t[j]), T = Σⱼ t[j]; the
// gradient with respect to the logits z.      Twin: reference::softmax_cross_entropy
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
    var largest = z[row];
    var total = 0.0;
    for (var j = row; j < row + shape.outputs; j++) {
        largest = max(largest, z[j]);
        total += t[j];
    }
    var sum = 0.0;
    for (var j = row; j < row + shape.outputs; j++) { sum += exp(z[j] - largest); }
    var loss = 0.0;
    for (var j = row; j < row + shape.outputs; j++) {
        loss += shape.scale * t[j] * (log(sum) - (z[j] - largest));
        delta[j] = shape.scale * (total * exp(z[j] - largest) / sum - t[j]);
    }
    losses[i] = loss;
}
