// Stochastic gradient descent with momentum: g ← g + l2·w, v ← momentum·v + g, w ← w − rate·v, or
// with Nesterov w ← w − rate·(g + momentum·v).      Twin: reference::sgd
// parameters, gradient and velocity are flat. One invocation for a few parameters.
// status holds the first steps whose loss (0) or update (1) was not finite: after them nothing is
// updated, so that previous then has the parameters from before that update.
struct Shape { count: u32, slices: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(3) var<storage, read_write> velocity: array<f32>;
@group(0) @binding(4) var<storage, read_write> previous: array<f32>;
@group(0) @binding(5) var<storage, read_write> status: array<atomic<u32>, 2>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    if atomicLoad(&status[0]) <= this_step.number || atomicLoad(&status[1]) < this_step.number { return; }
    let rate = this_step.constants[0].x;
    let momentum = this_step.constants[0].y;
    let nesterov = this_step.constants[0].z != 0.0;
    let l2 = this_step.constants[0].w;
    // A few parameters an invocation, far apart: the constants are read once for all of them.
    let stride = workgroups.x * workgroups.y * 256u;
    for (var i = linear_index(workgroup, workgroups, local); i < shape.count; i += stride) {
        var g = 0.0;
        for (var slice = 0u; slice < shape.slices; slice++) { g += gradient[slice * shape.count + i]; }
        let old = parameters[i];
        g += l2 * old;
        let v = momentum * velocity[i] + g;
        let direction = select(v, g + momentum * v, nesterov);
        let w = old - rate * direction;
        previous[i] = old;
        velocity[i] = v;
        parameters[i] = w;
        if !is_finite(w) { atomicMin(&status[1], this_step.number); }
    }
}
