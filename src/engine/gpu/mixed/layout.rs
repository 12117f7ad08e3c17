//! The layout of the f16 numbers of a network, and the shape of the tiles that go through it.

use crate::engine::gpu::layout::Layout;
use crate::network::Network;

/// Invocations of a workgroup of the kernels with matrices. Every size of a subgroup divides it.
pub(in crate::engine::gpu) const WORKGROUP: usize = 256;

/// Rows of f16 numbers are multiples of this: the side of the largest matrix.
pub(in crate::engine::gpu) const BLOCK: usize = 16;

/// Numbers behind a row of a tile of f16, and of one of f32, so that neighboring rows start in different banks.
const TILE_SPACING: [usize; 2] = [8, 4];

/// Samples whose values and deltas `mixed_gradients` multiplies at a time.
pub(in crate::engine::gpu) const CHUNK: usize = 32;

/// How a batch is cut for the matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine::gpu) struct Tile {
    /// Rows and columns of a matrix: 8 or 16.
    pub(in crate::engine::gpu) matrix: u32,
    /// Samples of a workgroup, a multiple of 16.
    pub(in crate::engine::gpu) samples: u32,
    /// Whether the products of a layer of the most common width are written out. llvmpipe would compile
    /// them for minutes.
    pub(in crate::engine::gpu) unrolled: bool,
}

impl Tile {
    /// The tile for batches of `rows` samples in so many bytes of a workgroup's memory; `None` if there is
    /// no room for any. Few samples go in small tiles, so that there are workgroups for all of a GPU.
    pub(in crate::engine::gpu) fn new(
        network: &Network,
        rows: usize,
        matrix: u32,
        memory: usize,
        software: bool,
    ) -> Option<Self> {
        let most = match rows {
            ..2_000 => 16,
            2_000..20_000 => 32,
            _ => 64,
        };
        [64, 32, 16]
            .into_iter()
            .filter(|samples| *samples <= most)
            .map(|samples| Self { matrix, samples, unrolled: !software })
            .find(|tile| tile.memory(network) <= memory)
    }

    /// Bytes of a workgroup's memory that the kernels take, the larger of the two.
    fn memory(self, network: &Network) -> usize {
        let widest = network.layers().iter().map(|layer| layer.fan_out).max().unwrap_or(0);
        let longest = widest.next_multiple_of(BLOCK);
        let [tile_row, sum_row] = TILE_SPACING.map(|spacing| longest + spacing);
        let results = network.outputs().next_multiple_of(4);
        let step = self.samples as usize * (2 * tile_row + 4 * (sum_row + results + 2)) + 4;
        let ones = (self.matrix * self.matrix) as usize;
        step.max(2 * (2 * CHUNK * tile_row + ones) + 4 * (4 * WORKGROUP + 2))
    }
}

/// Where everything is on the device, for one network and so many rows of a batch.
#[derive(Clone, Debug)]
pub(in crate::engine::gpu) struct MixedLayout {
    /// Of the parameters and the inputs, in f32. Its rows fill whole tiles.
    pub(in crate::engine::gpu) base: Layout,
    pub(in crate::engine::gpu) tile: Tile,
    /// Samples over which `mixed_gradients` adds up before the optimizer does.
    pub(in crate::engine::gpu) slice: usize,
    /// From one row of a level to the next; 0 for the inputs.
    pub(in crate::engine::gpu) pitches: Vec<usize>,
    /// Where each layer's copy of the weights starts, and where they all end: then come the transposed copies.
    pub(in crate::engine::gpu) weights: Vec<usize>,
    /// Where the values of each level start; 0 for the inputs and the outputs, which are not stored.
    pub(in crate::engine::gpu) values: Vec<usize>,
    /// Where the deltas of each level start; 0 for the inputs.
    pub(in crate::engine::gpu) deltas: Vec<usize>,
    /// Numbers in values and deltas.
    pub(in crate::engine::gpu) numbers: usize,
    /// Where each layer's gradient starts, and where a slice ends.
    pub(in crate::engine::gpu) gradients: Vec<usize>,
}

/// Into how many slices a batch is cut at most, and the fewest and the most samples of one. More slices make
/// `update` slower, which adds up their gradients.
const SLICES: [usize; 3] = [32, 64, 4096];

impl MixedLayout {
    pub(in crate::engine::gpu) fn new(network: &Network, rows: usize, tile: Tile) -> Self {
        let base = Layout::new(network, rows.next_multiple_of(tile.samples as usize));
        let (layers, rows) = (base.layers(), base.rows);
        let mut pitches: Vec<usize> =
            base.widths.iter().map(|width| width.next_multiple_of(BLOCK)).collect();
        pitches[0] = 0;
        let mut end = 0;
        let mut place = |size: usize| {
            let start = end;
            end += size;
            start
        };
        let weights: Vec<usize> = (0..=layers)
            .map(|l| place(if l < layers { pitches[l] * pitches[l + 1] } else { 0 }))
            .collect();
        end = 0;
        let mut place = |size: usize| {
            let start = end;
            end += size;
            start
        };
        let inner = |level: usize| level > 0 && level < layers;
        let values: Vec<usize> = (0..=layers)
            .map(|level| if inner(level) { place(rows * pitches[level]) } else { 0 })
            .collect();
        let deltas: Vec<usize> = (0..=layers)
            .map(|level| if level > 0 { place(rows * pitches[level]) } else { 0 })
            .collect();
        let numbers = end;
        let mut end = 0;
        let gradients = (0..=layers)
            .map(|layer| {
                let start = end;
                if layer < layers {
                    let rows = match layer {
                        0 => base.depth(0),
                        _ => pitches[layer] + tile.matrix as usize,
                    };
                    end += rows * pitches[layer + 1];
                }
                start
            })
            .collect();
        let [most, least, largest] = SLICES;
        let slice = rows.div_ceil(most).clamp(least, largest).next_multiple_of(CHUNK);
        Self { base, tile, slice, pitches, weights, values, deltas, numbers, gradients }
    }

    pub(in crate::engine::gpu) fn layers(&self) -> usize {
        self.base.layers()
    }

    /// The longest row of a level above the inputs.
    pub(in crate::engine::gpu) fn longest(&self) -> usize {
        self.pitches.iter().copied().max().unwrap_or(BLOCK)
    }

    /// Invocations that have four numbers each of the longest row.
    pub(in crate::engine::gpu) fn lanes(&self) -> usize {
        (self.longest() / 4).next_power_of_two()
    }

    /// Numbers in one set of copies of the weights.
    pub(in crate::engine::gpu) fn copies(&self) -> usize {
        self.weights[self.layers()]
    }

    /// Numbers in the gradient of a slice.
    pub(in crate::engine::gpu) fn gradient(&self) -> usize {
        self.gradients[self.layers()]
    }

    pub(in crate::engine::gpu) fn slices(&self) -> usize {
        self.base.rows.div_ceil(self.slice)
    }

    /// Workgroups that compute the gradient of the first layer, each for four inputs.
    pub(in crate::engine::gpu) fn first_blocks(&self) -> usize {
        self.base.depth(0).div_ceil(4)
    }
}
