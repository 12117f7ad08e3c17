//! `Choice`: the kernels of an engine, and whether it searches for their fastest shapes.

use super::mixed::layout::Tile;
use crate::engine::choice::{Kernels, Precision};

/// Which kernels an engine uses, and whether it looks for their fastest shapes.
#[derive(Clone, Copy, Default)]
pub(super) struct Choice {
    pub(super) kernels: Kernels,
    pub(super) precision: Precision,
    /// The tile of mixed precision, if not the one that suits the batch.
    pub(super) tile: Option<Tile>,
    pub(super) tune: bool,
}
