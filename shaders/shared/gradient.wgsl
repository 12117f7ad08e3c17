// The gradient that an update takes, gathered and clipped, and the squared norms of a gradient.
@if gathers
// The gradient of parameter i in this batch and in those gathered before.      Twin: reference::gather_gradients
fn gathered_at(i: u32) -> f32 {
    let before = states[GATHERED * shape.count + i];
    return this_step.gather_kept * before + this_step.gather_part * batch_gradient_at(i);
}
@end

// A number of the gradient, clipped by value.
fn clipped(number: f32) -> f32 {
    var g = number;
@if clips_value
    // NaN stays NaN, which clamp need not keep.
    if (bitcast<u32>(g) & 0x7fffffffu) <= 0x7f800000u {
        g = clamp(g, -this_step.clip_value, this_step.clip_value);
    }
@end
    return g;
}

// The gradient of parameter i that an update takes, clipped by value.
fn gradient_at(i: u32) -> f32 {
@if gathers
    return clipped(gathered_at(i));
@else
    return clipped(batch_gradient_at(i));
@end
}

// The squared norms of a gradient. Each segment of the parameters (a layer's weights, or its biases)
// consists of pieces, whose sums the kernel gradient_norms computes.
struct Piece {
    // Its parameters.
    first: u32,
    end: u32,
    // Its segment, counted from 0.
    segment: u32,
    // Σ g² before the gradient is clipped by its norm.
    whole: f32,
    // Σ g² of the optimizer's gradient: clipped, with the L2 penalty.
    given: f32,
}

@if norms
// Σ g² of all parameters, piece by piece.
fn whole_square() -> f32 {
    var sum = 0.0;
    for (var p = 0u; p < shape.pieces; p++) { sum += norms[p].whole; }
    return sum;
}

// The factor of a gradient with which its norm is at most the limit.
fn clip_factor(square: f32) -> f32 {
    return min(1.0, this_step.clip_norm / (sqrt(square) + 1e-6));
}

// Σ g² of the optimizer's gradient, over the segment of parameter i.
fn segment_square(i: u32) -> f32 {
    var sum = 0.0;
    var segment = 0u;
    for (var p = 0u; p < shape.pieces; p++) {
        if norms[p].segment != segment {
            if i < norms[p].first { break; }
            segment = norms[p].segment;
            sum = 0.0;
        }
        sum += norms[p].given;
    }
    return sum;
}
@end
