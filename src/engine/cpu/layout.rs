//! Where the parameters stand in the engine: in blocks, each padded, transposed and owned.
//!
//! A block is a range of the rows of a layer's weights `[fan_in, fan_out]`; the last one of a
//! layer has its biases as one more row. Rows are as wide as whole cache lines, and whatever
//! stands beyond the layer's width is zero. A block is small enough that the threads share the
//! update evenly, and carries all that the update of its parameters needs.

use super::lines::{LINE, Lines, stride};
use crate::network::Network;
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// Rows of a block are a multiple of this, three of the longest vectors, unless it is the last.
const ROWS: usize = 48;

/// Blocks for each thread, about, where the layers are large enough.
const BLOCKS_PER_THREAD: usize = 4;

/// Some rows of a layer's parameters.
pub(super) struct Block {
    #[cfg(test)]
    layer: usize,
    /// Which of the layer's inputs its rows belong to.
    pub(super) inputs: Range<usize>,
    /// Whether the biases follow.
    pub(super) has_biases: bool,
    /// Numbers of a row that count.
    pub(super) width: usize,
    /// From row to row.
    pub(super) stride: usize,
    /// `[inputs (+ 1), width]`.
    pub(super) values: Lines,
    /// The weights as `[width, inputs]`; nothing where nobody asks for it.
    pub(super) transposed: Lines,
    /// From row to row of `transposed`.
    pub(super) transposed_stride: usize,
    /// The values before the last update, or room for the next.
    pub(super) other: Lines,
    /// The optimizer's two numbers for each parameter.
    pub(super) state: [Lines; 2],
}

impl Block {
    /// Rows, that of the biases included.
    pub(super) fn rows(&self) -> usize {
        self.inputs.len() + usize::from(self.has_biases)
    }

    /// The biases; nothing where they are in another block.
    pub(super) fn biases(&self) -> &[f32] {
        &self.values[self.inputs.len() * self.stride..]
    }

    /// Copies the weights into their transpose, a square of whole cache lines at a time; padding
    /// becomes padding. To be inlined where there are vector instructions.
    #[inline(always)]
    pub(super) fn transpose(&mut self) {
        if self.transposed.is_empty() {
            return;
        }
        let (rows, width) = (self.inputs.len(), self.width);
        let (values, transposed) = (&*self.values, &mut *self.transposed);
        for top in (0..rows).step_by(LINE) {
            for left in (0..width).step_by(LINE) {
                let mut square = [[0.0; LINE]; LINE];
                for i in 0..LINE.min(rows - top) {
                    let from = &values[(top + i) * self.stride + left..][..LINE];
                    for j in 0..LINE {
                        square[j][i] = from[j];
                    }
                }
                for (j, square) in square.iter().enumerate().take(width - left) {
                    let start = (left + j) * self.transposed_stride + top;
                    transposed[start..][..LINE].copy_from_slice(square);
                }
            }
        }
    }
}

/// [`Block::transpose`] where there are vector instructions.
struct Transpose<'a>(&'a mut Block);

impl WithSimd for Transpose<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.0.transpose();
    }
}

/// What the blocks are for, and so what stands in them beside the parameters.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Purpose {
    Training,
    Prediction,
}

/// How a network's parameters are cut into blocks: layer by layer, from the first row on.
pub(super) struct Layout {
    /// Layer, inputs and columns of each block.
    cuts: Vec<(usize, Range<usize>, usize)>,
    /// The blocks of each layer.
    pub(super) layers: Vec<Range<usize>>,
}

impl Layout {
    /// For so many threads.
    pub(super) fn of(network: &Network, threads: usize) -> Self {
        let share = network.parameters().len() / (threads * BLOCKS_PER_THREAD);
        let (mut cuts, mut layers) = (Vec::new(), Vec::new());
        for (l, layer) in network.layers().iter().enumerate() {
            let first = cuts.len();
            let parts = if threads == 1 { 1 } else { layer.parameters() / share.max(1) };
            let rows = layer.fan_in.div_ceil(parts.max(1)).next_multiple_of(ROWS);
            for start in (0..layer.fan_in).step_by(rows) {
                cuts.push((l, start..(start + rows).min(layer.fan_in), layer.fan_out));
            }
            layers.push(first..cuts.len());
        }
        Self { cuts, layers }
    }

    /// Number of blocks.
    pub(super) fn len(&self) -> usize {
        self.cuts.len()
    }

    fn has_biases(&self, block: usize) -> bool {
        self.layers[self.cuts[block].0].end == block + 1
    }

    /// Numbers of a block's parameters with their padding.
    pub(super) fn size(&self, block: usize) -> usize {
        let (_, inputs, width) = &self.cuts[block];
        (inputs.len() + usize::from(self.has_biases(block))) * stride(*width)
    }

    /// Numbers of a block's transposed weights. Nobody asks for the gradient of the network's
    /// inputs, so the first layer has none.
    fn transposed_size(&self, block: usize) -> usize {
        let (layer, inputs, width) = &self.cuts[block];
        if *layer == 0 { 0 } else { width * stride(inputs.len()) }
    }

    /// Numbers that the blocks and a gradient for each thread take in training.
    pub(super) fn numbers(&self, threads: usize) -> usize {
        (0..self.len())
            .map(|b| self.size(b).saturating_mul(4 + threads) + self.transposed_size(b))
            .fold(0, usize::saturating_add)
    }

    /// The blocks with a network's parameters in them.
    pub(super) fn blocks(&self, network: &Network, purpose: Purpose) -> Vec<Block> {
        let room = |numbers| Lines::zeros(if purpose == Purpose::Training { numbers } else { 0 });
        let block = |(b, (layer, inputs, width)): (usize, &(usize, Range<usize>, usize))| {
            let mut block = Block {
                #[cfg(test)]
                layer: *layer,
                inputs: inputs.clone(),
                has_biases: self.has_biases(b),
                width: *width,
                stride: stride(*width),
                values: Lines::zeros(self.size(b)),
                transposed: room(self.transposed_size(b)),
                transposed_stride: stride(inputs.len()),
                other: room(self.size(b)),
                state: [room(self.size(b)), room(self.size(b))],
            };
            let from = network.weights(*layer)[inputs.start * width..].chunks_exact(*width);
            let biases = network.biases(*layer);
            let rows = from.take(inputs.len()).chain(block.has_biases.then_some(biases));
            for (to, from) in block.values.chunks_exact_mut(block.stride).zip(rows) {
                to.iter_mut().zip(from).for_each(|(to, from)| *to = *from as f32);
            }
            Arch::new().dispatch(Transpose(&mut block));
            block
        };
        self.cuts.iter().enumerate().map(block).collect()
    }
}

/// Adds the parameters of a block to `flat`; the blocks in their order make
/// [`Network::parameters`].
pub(super) fn flatten(block: &Block, flat: &mut Vec<f64>) {
    for row in block.values.chunks_exact(block.stride).take(block.rows()) {
        flat.extend(row[..block.width].iter().map(|p| f64::from(*p)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Activation;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blocks_hold_all_parameters_in_order(
            widths in prop::collection::vec(1_usize..300, 2..5),
            threads in 1_usize..20,
        ) {
            let (inputs, outputs) = (widths[0], widths[widths.len() - 1]);
            let mut network = Network::builder(inputs)
                .hidden(&widths[1..widths.len() - 1], Activation::Relu)
                .output(outputs, Activation::Identity)
                .build()
                .expect("a network");
            let numbers: Vec<f64> = (0..network.parameters().len()).map(|i| (i + 1) as f64).collect();
            network.set_parameters(&numbers).expect("finite");
            let layout = Layout::of(&network, threads);
            let blocks = layout.blocks(&network, Purpose::Training);
            let mut flat = Vec::new();
            for (b, block) in blocks.iter().enumerate() {
                flatten(block, &mut flat);
                prop_assert_eq!(layout.size(b), block.values.len());
                prop_assert_eq!(block.biases().is_empty(), !block.has_biases);
                for (r, row) in block.values.chunks_exact(block.stride).enumerate() {
                    prop_assert!(row[block.width..].iter().all(|p| *p == 0.0));
                    if block.layer == 0 || r == block.inputs.len() {
                        continue;
                    }
                    for (j, p) in row[..block.width].iter().enumerate() {
                        prop_assert_eq!(block.transposed[j * block.transposed_stride + r], *p);
                    }
                }
                if block.layer > 0 {
                    for row in block.transposed.chunks_exact(block.transposed_stride) {
                        prop_assert!(row[block.inputs.len()..].iter().all(|p| *p == 0.0));
                    }
                }
            }
            prop_assert_eq!(flat, numbers);
        }
    }
}
