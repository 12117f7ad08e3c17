//! The constants of a training step, as the kernels read them.

pub(super) use super::arguments::StepData;

use crate::permutation::Permutation;

impl StepData {
    /// A pass over the first `count` samples in their order.
    pub(super) fn in_order(count: usize) -> Self {
        let still = Permutation::identity(count).words();
        Self { order: still, part: still, count: count as u32, ..bytemuck::Zeroable::zeroed() }
    }
}
