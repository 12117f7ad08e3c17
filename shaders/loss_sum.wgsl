// Loss of a batch: Σᵢ losses[i], into the step's slot.      Twin: reference::loss_sum
// losses is [batch]; sums has a slot for each step of a submission. With accumulate, the batch is a
// further part of the step's; with last, it is the last part, and a sum that is not finite is
// noted in status[0] as the first step that diverged.
// One workgroup: each invocation adds every 256th loss, in blocks, then the partial sums meet in a
// tree, in the same order on every run.
struct Shape { batch: u32, accumulate: u32, last: u32 }

@group(0) @binding(0) var<storage, read> shape: Shape;
@group(0) @binding(1) var<storage, read> losses: array<f32>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;
@group(0) @binding(3) var<storage, read_write> status: array<atomic<u32>, 2>;

// Losses of a block of an invocation.
const BLOCK: u32 = 64u;

var<workgroup> partial: array<f32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) local: u32) {
    var sum = 0.0;
    for (var first = local; first < shape.batch; first += 256u * BLOCK) {
        var block = 0.0;
        let end = min(first + 256u * BLOCK, shape.batch);
        for (var i = first; i < end; i += 256u) { block += losses[i]; }
        sum += block;
    }
    partial[local] = sum;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if local < half { partial[local] += partial[local + half]; }
        workgroupBarrier();
    }
    if local == 0u {
        var loss = partial[0];
        if shape.accumulate != 0u { loss += sums[this_step.slot]; }
        sums[this_step.slot] = loss;
        if shape.last != 0u && !is_finite(loss) { atomicMin(&status[0], this_step.number); }
    }
}
