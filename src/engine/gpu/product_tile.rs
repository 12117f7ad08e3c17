//! The two tiles of the layerwise matrix products.

/// How a workgroup of a matrix product computes its part of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProductTile {
    /// Each invocation reads what it needs, and none waits for another: for software adapters.
    Registers,
    /// The invocations read for each other, into the workgroup's memory: for GPUs.
    Workgroup,
}

impl ProductTile {
    pub(super) const ALL: [Self; 2] = [Self::Registers, Self::Workgroup];

    /// The one for a device that computes on the CPU, or for a GPU.
    pub(super) fn of(software: bool) -> Self {
        if software { Self::Registers } else { Self::Workgroup }
    }

    /// A name that its kernels have, and the other's have not.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Registers => "in registers",
            Self::Workgroup => "in workgroup memory",
        }
    }

    /// What a product is put together with.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Registers => include_str!("../../../shaders/shared/tile_registers.wgsl"),
            Self::Workgroup => include_str!("../../../shaders/shared/tile_workgroup.wgsl"),
        }
    }

    /// Workgroups for a result `[rows, columns]`: across, and down.
    pub(super) fn workgroups(self, rows: usize, columns: usize) -> [usize; 2] {
        let [tile_rows, tile_columns] = match self {
            Self::Registers => [128, 8],
            Self::Workgroup => [64, 64],
        };
        [columns.div_ceil(tile_columns), rows.div_ceil(tile_rows)]
    }

    /// In how many slices the gradients of so many samples are computed, for a result of `largest` at
    /// most in a layer and so many parameters in all: enough for all cores of a GPU.
    pub(super) fn slices(self, samples: usize, largest: [usize; 2], parameters: usize) -> usize {
        if self == Self::Registers {
            return 1;
        }
        let [across, down] = self.workgroups(largest[0], largest[1]);
        let wanted = WORKGROUPS.div_ceil((across * down).max(1));
        let room = SLICES_BYTES / (4 * parameters.max(1));
        wanted.min(samples / LEAST_SLICED).min(room).clamp(1, MOST_SLICES)
    }
}

/// Workgroups that keep a large GPU busy.
const WORKGROUPS: usize = 512;

/// The most slices of a gradient.
const MOST_SLICES: usize = 64;

/// The fewest samples in a slice that are worth its part of the gradient.
const LEAST_SLICED: usize = 64;

/// The most bytes of a gradient in more slices than one.
const SLICES_BYTES: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_fill_a_gpu_and_their_memory_is_bounded() {
        let slices = |samples, width: usize, parameters| {
            ProductTile::Workgroup.slices(samples, [width, width], parameters)
        };
        let ten_of_100 = 91_503;
        assert_eq!(
            [1, 63, 200, 1_000, 10_000, 1 << 20].map(|samples| slices(samples, 100, ten_of_100)),
            [1, 1, 3, 15, 64, 64]
        );
        // 64 tiles for each slice; then 9.5 MB for each.
        assert_eq!(slices(10_000, 512, 600_000), 8);
        assert_eq!(slices(10_000, 512, 2_366_979), 7);
        assert_eq!(slices(10_000, 4_096, 100_000_000), 1);
        assert_eq!(ProductTile::Registers.slices(10_000, [100, 100], ten_of_100), 1);
    }
}
