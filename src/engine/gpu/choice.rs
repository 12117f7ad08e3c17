//! `Choice`: the kernels of an engine, and whether it searches for their fastest shapes.

use crate::engine::choice::Kernels;

/// Which kernels an engine uses, and whether it looks for their fastest shapes.
#[derive(Clone, Copy, Default)]
pub(super) struct Choice {
    pub(super) kernels: Kernels,
    pub(super) tune: bool,
}
