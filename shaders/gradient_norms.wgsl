// Squared norms of a gradient that consists of slices. norms[p].whole ← Σ g² over piece p of the parameters.
// In a second dispatch, norms[p].given ← the same of the gradient that the optimizer gets: clipped, and with
// the L2 penalty.      Twin: reference::gradient_norms
// gradient is [slices, count], parameters are [count]; states is bound if the gradients of several batches
// are accumulated. One workgroup a piece: each invocation adds
// every 256th square, then the partial sums meet in a tree, in the same order on every run.
struct Shape { count: u32, slices: u32, pieces: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read> parameters: array<f32>;
@group(0) @binding(3) var<storage, read_write> norms: array<Piece>;
@if gathers
@group(0) @binding(4) var<storage, read> states: array<f32>;
@end

var<workgroup> partial: array<f32, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let piece = norms[workgroup.x];
@if given
@if clips_norm
    let factor = clip_factor(whole_square());
@end
@end
    var sum = 0.0;
    for (var i = piece.first + local; i < piece.end; i += 256u) {
        var g = gradient_at(i);
@if given
@if clips_norm
        g *= factor;
@end
@if scattered
        if i < SCATTERED { g += this_step.l2 * parameters[i]; }
@else
        g += this_step.l2 * parameters[i];
@end
@end
        sum += g * g;
    }
    partial[local] = sum;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if local < half { partial[local] += partial[local + half]; }
        workgroupBarrier();
    }
    if local == 0u {
@if given
        norms[workgroup.x].given = partial[0];
@else
        norms[workgroup.x].whole = partial[0];
@end
    }
}
