// The loss of each row and its gradient: one invocation a row of y (outputs or logits), t (targets) and
// delta, all [batch, outputs]; losses is [batch]. `row_loss` comes from losses/NAME.wgsl. `weight_of`
// gives the weight of a sample: from weights, [batch], where samples have weights, else 1.
// Twin: reference::loss
struct Shape { batch: u32, outputs: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> t: array<f32>;
@group(0) @binding(3) var<storage, read_write> losses: array<f32>;
@group(0) @binding(4) var<storage, read_write> delta: array<f32>;

fn output_of(row: u32, j: u32) -> f32 { return y[row * shape.outputs + j]; }
fn target_of(row: u32, j: u32) -> f32 { return t[row * shape.outputs + j]; }
fn set_delta(row: u32, j: u32, value: f32) { delta[row * shape.outputs + j] = value; }

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = linear_index(workgroup, workgroups, local);
    if row >= shape.batch { return; }
    losses[row] = weighted_loss(row, shape.outputs, shape.scale * weight_of(row));
}
