// The words of the status buffer of a run in mixed precision, behind the first two.
// The logarithm of the loss scale to base 2.
const SCALE: u32 = 2u;
// The last step in which a value or delta was no finite f16.
const OVERFLOW: u32 = 3u;
// How many steps were skipped one after the other, and the last of them.
const SKIPPED_IN_ROW: u32 = 4u;
const SKIPPED: u32 = 5u;
const STATUS: u32 = 6u;

// What the deltas are multiplied by: a power of two.
fn delta_scale() -> f32 {
    return bitcast<f32>(u32(127 + bitcast<i32>(atomicLoad(&status[SCALE]))) << 23u);
}
