//! Mixed precision: products of f16 in matrices, with sums, parameters and optimizer state in f32.
//!
//! A training step is three dispatches, as with the fused kernels: `mixed_step`, `mixed_gradients` and
//! `update`, which also writes the f16 copies of the weights. The master parameters are in the layout of the
//! fused kernels, so that these evaluate and predict, in f32.

pub(super) mod check;
pub(super) mod layout;
pub(super) mod step;
pub(super) mod texts;
