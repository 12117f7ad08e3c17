// The words of the status buffer of a run that stores f16 numbers, behind the first two.
// The logarithm of the loss scale to base 2.
const SCALE: u32 = 2u;
// The last step in which a value or delta was no finite f16.
const OVERFLOW: u32 = 3u;
// How many steps were skipped one after the other, and the last of them.
const SKIPPED_IN_ROW: u32 = 4u;
const SKIPPED: u32 = 5u;
const STATUS: u32 = 6u;

// The largest finite f16.
const LARGEST: f32 = 65504.0;

// How many steps in a row may be skipped before the run counts as diverged.
const MOST_SKIPPED: u32 = 10u;

// What the deltas are multiplied by: a power of two.
fn loss_scale() -> f32 {
    return bitcast<f32>(u32(127 + bitcast<i32>(atomicLoad(&status[SCALE]))) << 23u);
}

// After a step whose values or deltas left f16, its update is skipped and the loss scale is halved.
fn scale_deltas() {
    if atomicLoad(&status[OVERFLOW]) != this_step.number {
        atomicStore(&status[SKIPPED_IN_ROW], 0u);
        return;
    }
    let skipped = atomicLoad(&status[SKIPPED_IN_ROW]) + 1u;
    atomicStore(&status[SKIPPED_IN_ROW], skipped);
    atomicStore(&status[SKIPPED], this_step.number);
    atomicStore(&status[SCALE], bitcast<u32>(max(bitcast<i32>(atomicLoad(&status[SCALE])) - 1, -100)));
    if skipped >= MOST_SKIPPED { atomicMin(&status[1], this_step.number); }
}
