// Adam and AdamW: g ← g + l2·w, m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g²,
// w ← keep·w − step_size·m / (correction·√v + ε).      Twin: reference::adam
// parameters, gradient, first (m) and second (v) are flat. One invocation for a few parameters.
// status holds the first steps whose loss (0) or update (1) was not finite: after them nothing is
// updated, so that previous then has the parameters from before that update.
struct Shape { count: u32, slices: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(3) var<storage, read_write> first: array<f32>;
@group(0) @binding(4) var<storage, read_write> second: array<f32>;
@group(0) @binding(5) var<storage, read_write> previous: array<f32>;
@group(0) @binding(6) var<storage, read_write> status: array<atomic<u32>, 2>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    if atomicLoad(&status[0]) <= this_step.number || atomicLoad(&status[1]) < this_step.number { return; }
    let step_size = this_step.constants[0].x;
    let beta1 = this_step.constants[0].y;
    let one_minus_beta1 = this_step.constants[0].z;
    let beta2 = this_step.constants[0].w;
    let one_minus_beta2 = this_step.constants[1].x;
    let correction = this_step.constants[1].y;
    let epsilon = this_step.constants[1].z;
    let keep = this_step.constants[1].w;
    let l2 = this_step.constants[2].x;
    // A few parameters an invocation, far apart: the constants are read once for all of them.
    let stride = workgroups.x * workgroups.y * 256u;
    for (var i = linear_index(workgroup, workgroups, local); i < shape.count; i += stride) {
        var g = 0.0;
        for (var slice = 0u; slice < shape.slices; slice++) { g += gradient[slice * shape.count + i]; }
        let old = parameters[i];
        g += l2 * old;
        let m = beta1 * first[i] + one_minus_beta1 * g;
        let v = beta2 * second[i] + one_minus_beta2 * g * g;
        let w = keep * old - step_size * m / (correction * sqrt(v) + epsilon);
        previous[i] = old;
        first[i] = m;
        second[i] = v;
        parameters[i] = w;
        if !is_finite(w) || !is_finite(v) { atomicMin(&status[1], this_step.number); }
    }
}
