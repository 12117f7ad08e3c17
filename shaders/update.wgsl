// One update of every parameter: g ← Σₛ gradient[s] + l2·w, then the optimizer's formula,
// `updated` of optimizers/NAME.wgsl.      Twin: reference::update
// gradient is [slices, count], parameters and previous are [count], state is [STATES, count]. One
// invocation for one parameter or a few.
// status holds the first steps whose loss (0) or update (1) was not finite: after them nothing is
// updated, so that previous then has the parameters from before that update.
@if surrounded
// With what surrounds the optimizer: before it the gradients of several batches are gathered and
// clipped, and the parameters are taken into their average; after it, the slow parameters follow. Their
// vectors are behind its states.
@end
struct Shape { count: u32, slices: u32, pieces: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(3) var<storage, read_write> states: array<f32>;
@group(0) @binding(4) var<storage, read_write> previous: array<f32>;
@if skips
@group(0) @binding(5) var<storage, read_write> status: array<atomic<u32>, STATUS>;
@else
@group(0) @binding(5) var<storage, read_write> status: array<atomic<u32>, 2>;
@end
@if norms
@group(0) @binding(6) var<storage, read> norms: array<Piece>;
@end
@if mixed
// The f16 copies of the weights, which follow the parameters.
@group(0) @binding(7) var<storage, read_write> copies: array<f16>;

// The factor of the gradient of the scaled loss.
var<private> gradient_factor: f32;
@end

// The root of a mean of squares, which counts as at least 2⁻¹¹⁶: a device may flush a smaller one
// to 0, and divided by a tiny ε alone, a gradient's mean would leap.
fn root(square: f32) -> f32 {
    return sqrt(max(square, 1.2037062e-35));
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    if atomicLoad(&status[0]) <= this_step.number || atomicLoad(&status[1]) < this_step.number { return; }
@if square
    var c = constants();
@else
    let c = constants();
@end
@if mixed
    gradient_factor = this_step.loss_factor / loss_scale();
@end
@if skips
    // A step in which a number left f16 is skipped: all parameters and all of their state stay.
    let skipped = atomicLoad(&status[SKIPPED]) == this_step.number;
@end
    let l2 = this_step.l2;
@if clips_norm
    let square = whole_square();
    let factor = clip_factor(square);
@end
    // Several parameters of an invocation are far apart: the constants are read once for all of them.
    let stride = workgroups.x * workgroups.y * 256u;
    for (var i = linear_index(workgroup, workgroups, local); i < shape.count; i += stride) {
@if skips
        if skipped {
            previous[i] = parameters[i];
            continue;
        }
@end
@if gathers
@if frozen
        let gathered = select(gathered_at(i), 0.0, is_frozen(i));
@else
        let gathered = gathered_at(i);
@end
        states[GATHERED * shape.count + i] = gathered;
        if this_step.updates == 0u { continue; }
        var g = clipped(gathered);
@else
@if surrounded
        var g = gradient_at(i);
@else
        var g = batch_gradient_at(i);
@end
@end
@if clips_norm
        g *= factor;
@end
        let old = parameters[i];
@if scattered
        if i >= SCATTERED && g == 0.0 {
            // What no sample of the batch touched keeps its value and its states, but follows what surrounds the
            // optimizer.
            previous[i] = old;
@if averages
            let average = states[AVERAGE * shape.count + i];
            states[AVERAGE * shape.count + i] = average + this_step.share * (old - average);
@end
@if follows
            if this_step.alpha > 0.0 {
                let slow = states[SLOW * shape.count + i];
                let w = slow + this_step.alpha * (old - slow);
                states[SLOW * shape.count + i] = w;
                parameters[i] = w;
            }
@end
            continue;
        }
        // They have no penalty.
        if i < SCATTERED { g += l2 * old; }
@else
        g += l2 * old;
@end
        var state: array<f32, STATES>;
        for (var s = 0u; s < STATES; s++) { state[s] = states[s * shape.count + i]; }
@if square
        c.square = segment_square(i);
@end
@if averages
        let average = states[AVERAGE * shape.count + i];
        states[AVERAGE * shape.count + i] = average + this_step.share * (old - average);
@end
@if frozen
        if is_frozen(i) {
            previous[i] = old;
            continue;
        }
@end
@if follows
        var w = updated(c, g, old, &state);
@else
        let w = updated(c, g, old, &state);
@end
@if follows
        if this_step.alpha > 0.0 {
            let slow = states[SLOW * shape.count + i];
            w = slow + this_step.alpha * (w - slow);
            states[SLOW * shape.count + i] = w;
        }
@end
        previous[i] = old;
        parameters[i] = w;
@if mixed
        put_copies(i, w);
@end
@if clips_norm
        // A gradient whose norm is not finite cannot be scaled.
        var finite = is_finite(w) && is_finite(square);
@else
        var finite = is_finite(w);
@end
        for (var s = 0u; s < STATES; s++) {
            states[s * shape.count + i] = state[s];
            // An infinite second moment would freeze the parameter without a word.
            finite = finite && is_finite(state[s]);
        }
        if !finite { atomicMin(&status[1], this_step.number); }
    }
}
