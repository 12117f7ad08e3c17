// The gradient of parameter i in this batch: its slices, added one after the other. Four are read at a
// time, since each read alone would wait for memory.
@if mixed
// In mixed precision the slices are gradients of the scaled loss, in the layout of mixed_gradients.wgsl. What is
// returned is not scaled, and 0 for padding.
@end
fn batch_gradient_at(i: u32) -> f32 {
@if mixed
    let place = place_of_parameter(i);
    let layer = place.layer;
    let bias_row = depth_of(layer) - ones_of(layer);
    if place.column >= width_of(layer) || place.row >= depth_of(layer) { return 0.0; }
    // The row of biases is behind the padding of the weights, but not in the first layer.
    let row = select(place.row, pitch_of(layer), layer > 0u && place.row == bias_row);
    let count = GRADIENT;
    var at = gradients_of(layer) + row * pitch_of(layer + 1u) + place.column;
    var g = 0.0;
@else
@if scattered
    // Behind all slices of the others.
    if i >= SCATTERED { return gradient[shape.slices * SCATTERED + (i - SCATTERED)]; }
@end
@if sliced
@if scattered
    let count = SCATTERED;
@else
    let count = shape.count;
@end
    var g = 0.0;
    var at = i;
@end
@end
@if sliced
    for (var left = shape.slices; left >= 4u; left -= 4u) {
        let first = gradient[at];
        let second = gradient[at + count];
        let third = gradient[at + 2u * count];
        let fourth = gradient[at + 3u * count];
        g += first;
        g += second;
        g += third;
        g += fourth;
        at += 4u * count;
    }
    if (shape.slices & 2u) != 0u {
        let first = gradient[at];
        let second = gradient[at + count];
        g += first;
        g += second;
        at += 2u * count;
    }
    if (shape.slices & 1u) != 0u { g += gradient[at]; }
@if mixed
    return g * gradient_factor;
@else
    return g;
@end
@else
    return gradient[i];
@end
}
