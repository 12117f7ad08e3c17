//! The layout of the parameters: padded blocks with transposed copies, each owned by one thread.
//!
//! A block is a range of the rows of a layer's weights `[fan_in, fan_out]`; the last one of a
//! layer has its biases as one more row, if the layer has any. Rows are as wide as whole cache lines, and whatever
//! is beyond the layer's width is zero. Most layers are one block; some are cut, so that the
//! threads share the update evenly. A block carries all that the update of its parameters needs.

use super::grids::{TableLevel, table_levels};
use super::kernel::FOUR;
use super::lines::{LINE, Lines, stride};
use super::vectors;
use crate::network::Network;
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// Rows of a block are a multiple of this, the longest vector, unless it is the last.
const ROWS: usize = LINE;

/// The layer of a block that is a level of a grid: none.
pub(super) const TABLE: usize = usize::MAX;

/// Some rows of a layer's parameters, or a level of a grid, which is one row of layer [`TABLE`].
pub(super) struct Block {
    pub(super) layer: usize,
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
    /// The weights as `[width, inputs]`; nothing where no product needs it.
    pub(super) transposed: Lines,
    /// From row to row of `transposed`.
    pub(super) transposed_stride: usize,
    /// The values before the last update, or room for the next.
    pub(super) other: Lines,
    /// The optimizer's state of each parameter, a vector of it after the other.
    pub(super) states: Vec<Lines>,
}

/// The parameters of a block at some moment, and each vector of their state.
#[derive(Default)]
pub(super) struct Kept(Vec<Vec<f32>>);

impl Block {
    /// Whether it is a level of a grid.
    pub(super) fn is_table(&self) -> bool {
        self.layer == TABLE
    }

    /// Rows, that of the biases included.
    pub(super) fn rows(&self) -> usize {
        self.inputs.len() + usize::from(self.has_biases)
    }

    /// The biases; nothing where they are in another block.
    pub(super) fn biases(&self) -> &[f32] {
        &self.values[self.inputs.len() * self.stride..]
    }

    /// Copies the parameters and their state.
    pub(super) fn keep(&self, kept: &mut Kept) {
        kept.0.resize_with(1 + self.states.len(), Vec::new);
        let lines = std::iter::once(&self.values).chain(&self.states);
        for (kept, lines) in kept.0.iter_mut().zip(lines) {
            kept.clear();
            kept.extend_from_slice(lines);
        }
    }

    /// Has the parameters and their state be what was kept, if anything was.
    pub(super) fn go_back(&mut self, kept: &Kept) {
        let lines = std::iter::once(&mut self.values).chain(&mut self.states);
        for (lines, kept) in lines.zip(&kept.0) {
            lines.copy_from_slice(kept);
        }
        self.transpose_with(vectors::available());
    }

    /// Sets the parameters and each vector of their state to the numbers at the beginning of some flat
    /// vectors, which then begin behind them.
    pub(super) fn set(&mut self, flat: &mut [&[f64]]) {
        let (rows, width) = (self.rows(), self.width);
        let lines = std::iter::once(&mut self.values).chain(&mut self.states);
        for (lines, flat) in lines.zip(flat) {
            let (own, rest) = flat.split_at(rows * width);
            for (row, own) in lines.chunks_exact_mut(self.stride).zip(own.chunks_exact(width)) {
                row.iter_mut().zip(own).for_each(|(to, from)| *to = *from as f32);
            }
            *flat = rest;
        }
        self.transpose_with(vectors::available());
    }

    /// Replaces the parameters by the numbers at the beginning of a flat vector, which then begins behind
    /// them, or, without a vector, restores the parameters. They are kept where the next update writes, so
    /// no step may come between the two calls.
    pub(super) fn exchange(&mut self, flat: Option<&mut &[f64]>) {
        if let Some(flat) = flat {
            let (own, rest) = flat.split_at(self.rows() * self.width);
            let rows = self.other.chunks_exact_mut(self.stride);
            for (row, own) in rows.zip(own.chunks_exact(self.width)) {
                row.iter_mut().zip(own).for_each(|(to, from)| *to = *from as f32);
            }
            *flat = rest;
        }
        std::mem::swap(&mut self.values, &mut self.other);
        self.transpose_with(vectors::available());
    }

    /// Writes the numbers at the beginning of a flat vector, which then begins behind them, to lines of the
    /// block's layout.
    pub(super) fn unflatten(&self, flat: &mut &[f64], lines: &mut Lines) {
        let (own, rest) = flat.split_at(self.rows() * self.width);
        let rows = lines.chunks_exact_mut(self.stride);
        for (row, own) in rows.zip(own.chunks_exact(self.width)) {
            row.iter_mut().zip(own).for_each(|(to, from)| *to = *from as f32);
        }
        *flat = rest;
    }

    /// An update that changes no parameter. The moving average, in a place among the states, moves towards
    /// the parameters by a share of the difference, if there is one.
    pub(super) fn stay(&mut self, average: Option<(usize, f64)>) {
        self.other.copy_from_slice(&self.values);
        if let Some((place, share)) = average {
            let rows = self.rows() * self.stride;
            let average = self.states[place].iter_mut().take(rows);
            average.zip(&*self.values).for_each(|(a, w)| *a += share as f32 * (w - *a));
        }
    }

    /// Takes the last update back.
    pub(super) fn undo(&mut self) {
        std::mem::swap(&mut self.values, &mut self.other);
        self.transpose_with(vectors::available());
    }

    /// Takes the last update of a table back, which changed the lines that are marked.
    pub(super) fn undo_lines(&mut self, touched: &[u8]) {
        let lines = self.values.chunks_exact_mut(LINE).zip(self.other.chunks_exact(LINE));
        for ((line, before), _) in lines.zip(touched).filter(|(_, touched)| **touched != 0) {
            line.copy_from_slice(before);
        }
    }

    /// A new copy of the transposed weights, `[width, inputs]`.
    pub(super) fn turned(&self) -> Lines {
        let mut turned = Lines::zeros(self.width * self.transposed_stride);
        vectors::available().dispatch(Turn(self, &mut turned));
        turned
    }

    /// Copies the weights into their transpose, if the block has one.
    pub(super) fn transpose_with(&mut self, arch: Arch) {
        if !self.transposed.is_empty() {
            arch.dispatch(Transpose(self));
        }
    }

    /// The same, to be inlined where there are vector instructions.
    #[inline(always)]
    fn transpose<S: Simd>(&mut self, simd: S) {
        let mut transposed = std::mem::take(&mut self.transposed);
        self.turn(simd, &mut transposed);
        self.transposed = transposed;
    }

    /// Writes the transposed weights; padding becomes padding.
    #[inline(always)]
    fn turn<S: Simd>(&self, simd: S, transposed: &mut Lines) {
        let (rows, width) = (self.inputs.len(), self.width);
        let (values, transposed) = (&*self.values, &mut **transposed);
        if S::F32_LANES < FOUR {
            for (i, row) in values.chunks_exact(self.stride).take(rows).enumerate() {
                for (j, value) in row[..width].iter().enumerate() {
                    transposed[j * self.transposed_stride + i] = *value;
                }
            }
            return;
        }
        let fours: &[[f32; FOUR]] = bytemuck::cast_slice(values);
        let (vectors, _) = S::as_mut_simd_f32s(transposed);
        let (pitch, vector_pitch) = (self.stride / FOUR, self.transposed_stride / S::F32_LANES);
        for top in (0..rows).step_by(S::F32_LANES) {
            for left in (0..width).step_by(FOUR) {
                // Four numbers of every fourth row each; then, within each four, turned.
                let mut lines = [simd.splat_f32s(0.0); FOUR];
                for i in 0..FOUR {
                    let mut parts = [[0.0_f32; FOUR]; LINE / FOUR];
                    for n in 0..S::F32_LANES / FOUR {
                        let row = top + n * FOUR + i;
                        if row < rows {
                            parts[n] = fours[row * pitch + left / FOUR];
                        }
                    }
                    let parts = &parts[..S::F32_LANES / FOUR];
                    lines[i] = bytemuck::pod_read_unaligned(bytemuck::cast_slice(parts));
                }
                let columns: [S::f32s; FOUR] = simd.deinterleave_shfl_f32s(lines);
                for j in 0..FOUR.min(width - left) {
                    vectors[(left + j) * vector_pitch + top / S::F32_LANES] = columns[j];
                }
            }
        }
    }
}

/// [`Block::transpose_with`] where there are vector instructions.
struct Transpose<'a>(&'a mut Block);

impl WithSimd for Transpose<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.0.transpose(simd);
    }
}

/// [`Block::turn`] where there are vector instructions.
struct Turn<'a>(&'a Block, &'a mut Lines);

impl WithSimd for Turn<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.0.turn(simd, self.1);
    }
}

/// What the blocks are for, and so what they contain beside the parameters.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Purpose {
    Training,
    /// A forward and a backward pass without an update.
    Gradients,
    Prediction,
}

impl Purpose {
    /// Whether there is a backward pass.
    pub(super) fn goes_back(self) -> bool {
        self != Self::Prediction
    }
}

/// How a network's parameters are cut into blocks: layer by layer, from the first row on.
pub(super) struct Layout {
    /// Layer, inputs and columns of each block.
    cuts: Vec<(usize, Range<usize>, usize)>,
    /// Whether each layer has biases.
    biases: Vec<bool>,
    /// The blocks of each layer.
    pub(super) layers: Vec<Range<usize>>,
    /// How many blocks are levels of grids. They come first.
    pub(super) tables: usize,
}

impl Layout {
    /// For so many threads: cut where one's equal share of all parameters ends and the next one's
    /// begins, to within some rows, so that most layers stay whole.
    pub(super) fn of(network: &Network, threads: usize) -> Self {
        let before = network.encoding_parameters();
        let all = network.count() - before;
        let mut ends = (1..threads).map(|thread| before + all * thread / threads).peekable();
        let levels = table_levels(network);
        let of_level = |own: &TableLevel| own.level.entries as usize * own.grid.features;
        let mut cuts: Vec<_> = levels.iter().map(|own| (TABLE, 0..1, of_level(own))).collect();
        let (tables, mut layers) = (cuts.len(), Vec::new());
        for (l, layer) in network.layers().iter().enumerate() {
            let (first, mut start) = (cuts.len(), 0);
            let weights = &network.weight_segment(l).range;
            let after = network.bias_segment(l).map_or(weights.end, |biases| biases.range.end);
            while let Some(end) = ends.next_if(|end| *end < after) {
                // To the nearest multiple, so that the blocks share no vector of the layer below.
                let rows = (end - weights.start) / layer.fan_out;
                let row = (rows + ROWS / 2) / ROWS * ROWS;
                if start < row && row < layer.fan_in {
                    cuts.push((l, start..row, layer.fan_out));
                    start = row;
                }
            }
            cuts.push((l, start..layer.fan_in, layer.fan_out));
            layers.push(first..cuts.len());
        }
        let biases = network.layers().iter().map(|layer| layer.bias).collect();
        Self { cuts, biases, layers, tables }
    }

    /// Number of blocks.
    pub(super) fn len(&self) -> usize {
        self.cuts.len()
    }

    fn has_biases(&self, block: usize) -> bool {
        let layer = self.cuts[block].0;
        layer != TABLE && self.biases[layer] && self.layers[layer].end == block + 1
    }

    /// Numbers of a block's parameters with their padding.
    pub(super) fn size(&self, block: usize) -> usize {
        let (_, inputs, width) = &self.cuts[block];
        (inputs.len() + usize::from(self.has_biases(block))) * stride(*width)
    }

    /// Numbers of a block's transposed weights. Training needs the gradient of the first layer's inputs only if the
    /// encoding has parameters, so without them that layer has none.
    fn transposed_size(&self, block: usize) -> usize {
        let (layer, inputs, width) = &self.cuts[block];
        let needed = match *layer {
            TABLE => false,
            0 => self.tables > 0,
            _ => true,
        };
        if needed { width * stride(inputs.len()) } else { 0 }
    }

    /// Numbers that the blocks, so many states and so many gradients take in training.
    pub(super) fn numbers(&self, states: usize, gradients: usize) -> usize {
        (0..self.len())
            .map(|b| self.size(b).saturating_mul(2 + states + gradients) + self.transposed_size(b))
            .fold(0, usize::saturating_add)
    }

    /// The same without what only training needs.
    pub(super) fn prediction_numbers(&self) -> usize {
        (0..self.len()).map(|b| self.size(b)).fold(0, usize::saturating_add)
    }

    /// Numbers of the blocks that are levels of grids.
    pub(super) fn table_numbers(&self) -> usize {
        (0..self.tables).map(|b| self.size(b)).fold(0, usize::saturating_add)
    }

    /// The blocks with a network's parameters in them, and in training with a vector of the
    /// optimizer's state for each of `states`, filled with that number.
    pub(super) fn blocks(&self, network: &Network, purpose: Purpose, states: &[f64]) -> Vec<Block> {
        let room = |wanted, numbers| Lines::zeros(if wanted { numbers } else { 0 });
        let updates = purpose == Purpose::Training;
        let filled = |numbers, value: f64| {
            let mut lines = room(updates, numbers);
            if value != 0.0 {
                lines.fill(value as f32);
            }
            lines
        };
        let block = |(b, (layer, inputs, width)): (usize, &(usize, Range<usize>, usize))| {
            let mut block = Block {
                layer: *layer,
                inputs: inputs.clone(),
                has_biases: self.has_biases(b),
                width: *width,
                stride: stride(*width),
                values: Lines::zeros(self.size(b)),
                transposed: room(purpose.goes_back(), self.transposed_size(b)),
                transposed_stride: stride(inputs.len()),
                other: room(updates, self.size(b)),
                states: states.iter().map(|value| filled(self.size(b), *value)).collect(),
            };
            if *layer == TABLE {
                let before = self.cuts[..b].iter().map(|(_, _, width)| width).sum::<usize>();
                let own = &network.parameters()[before..before + width];
                block.values.iter_mut().zip(own).for_each(|(to, from)| *to = *from as f32);
                return block;
            }
            let from = network.weights(*layer)[inputs.start * width..].chunks_exact(*width);
            let biases = network.biases(*layer);
            let rows = from.take(inputs.len()).chain(block.has_biases.then_some(biases));
            for (to, from) in block.values.chunks_exact_mut(block.stride).zip(rows) {
                to.iter_mut().zip(from).for_each(|(to, from)| *to = *from as f32);
            }
            block.transpose_with(vectors::available());
            block
        };
        self.cuts.iter().enumerate().map(block).collect()
    }
}

/// Adds the parameters of a block to `flat`; the blocks in their order make
/// [`Network::parameters`].
pub(super) fn flatten(block: &Block, flat: &mut Vec<f64>) {
    flatten_lines(block, &block.values, flat);
}

/// The same of other numbers of the parameters.
pub(super) fn flatten_lines(block: &Block, lines: &Lines, flat: &mut Vec<f64>) {
    for row in lines.chunks_exact(block.stride).take(block.rows()) {
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
            biases in prop::collection::vec(any::<bool>(), 4),
            threads in 1_usize..20,
        ) {
            let mut builder = Network::builder(widths[0]);
            for (width, bias) in widths[1..].iter().zip(biases) {
                builder = builder.layer(*width, Activation::Relu, bias);
            }
            let mut network = builder.build().expect("a network");
            let numbers: Vec<f64> = (0..network.parameters().len()).map(|i| (i + 1) as f64).collect();
            network.set_parameters(&numbers).expect("finite");
            let layout = Layout::of(&network, threads);
            let blocks = layout.blocks(&network, Purpose::Training, &[0.0; 2]);
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
