// The gradient of parameter i in this batch: its slices, added one after the other. Four are read at a
// time, since each read alone would wait for memory.
fn batch_gradient_at(i: u32) -> f32 {
@if sliced
    let count = shape.count;
    var g = 0.0;
    var at = i;
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
    return g;
@else
    return gradient[i];
@end
}
