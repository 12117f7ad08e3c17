// Activation in place with its slopes: slopes[i] ← f′(z[i]), z[i] ← f(z[i]).
// Twins: reference::activation and reference::activation_slopes
// z and slopes are flat. One invocation an element. f and f′ come from activations/NAME.wgsl.
struct Shape { count: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read_write> z: array<f32>;
@group(0) @binding(2) var<storage, read_write> slopes: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_index(workgroup, workgroups, local);
    if i >= shape.count { return; }
    let sum = z[i];
    slopes[i] = activation_slope(sum);
    z[i] = activation(sum);
}
