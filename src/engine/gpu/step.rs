//! What the kernels read of a step.

use crate::permutation::Permutation;

/// What a step finds in its slice of the buffer of steps; `Step` in `shaders/shared/step.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct StepData {
    pub(super) order: [u32; 4],
    pub(super) part: [u32; 4],
    pub(super) first: u32,
    pub(super) slot: u32,
    pub(super) number: u32,
    pub(super) count: u32,
    pub(super) constants: [[f32; 4]; 3],
    pub(super) loss_scale: f32,
    pub(super) part_first: u32,
    pub(super) l2: f32,
    pub(super) clip_value: f32,
    pub(super) clip_norm: f32,
    pub(super) alpha: f32,
    pub(super) share: f32,
    pub(super) gather_kept: f32,
    pub(super) gather_part: f32,
    pub(super) updates: u32,
    pub(super) masks: [u32; 2],
    /// Up to the next slice.
    pub(super) unused: [u32; 28],
}

impl StepData {
    /// A pass over the first `count` samples as they stand.
    pub(super) fn in_order(count: usize) -> Self {
        let still = Permutation::identity(count).words();
        Self { order: still, part: still, count: count as u32, ..bytemuck::Zeroable::zeroed() }
    }
}
