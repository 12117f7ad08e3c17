// Activation gradient in place: delta[i] ← delta[i]·f′, with f′ from needed[i]: the output, or the slope
// where the forward pass stored it.      Twin: reference::activation_gradient
// needed and delta are flat. One invocation an element. f′ comes from activations/NAME.wgsl.
struct Shape { count: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> needed: array<f32>;
@group(0) @binding(2) var<storage, read_write> delta: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_index(workgroup, workgroups, local);
    if i < shape.count { delta[i] *= activation_slope(needed[i]); }
}
