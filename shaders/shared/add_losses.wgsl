// The workgroup that adds up the losses of a batch, a template.

// Losses of a block of an invocation.
const BLOCK: u32 = 64u;

// The loss of the batch, to the step's slot; one that is not finite is noted in status[0] as the
// first step that diverged. Each of some invocations adds every such loss, in blocks, then the partial
// sums meet in a tree, in the same order on every run.
fn add_losses(local: u32, invocations: u32) {
    var loss = 0.0;
    let stride = invocations * BLOCK;
    for (var first = local; first < loss_count(); first += stride) {
        var block = 0.0;
        let end = min(first + stride, loss_count());
        for (var i = first; i < end; i += invocations) { block += losses[i]; }
        loss += block;
    }
@if cooperative
    ${own_sum} = loss;
    workgroupBarrier();
    for (var count = WORKGROUP; count > 1u; count = (count + 1u) / 2u) {
        let half = (count + 1u) / 2u;
        if local + half < count { ${own_sum} += ${other_sum}; }
        workgroupBarrier();
    }
    if local > 0u { return; }
    loss = ${whole_sum};
@end
    sums[this_step.slot] = loss;
    if !is_finite(loss) { atomicMin(&status[0], this_step.number); }
@if scaled
    scale_deltas();
@end
}
