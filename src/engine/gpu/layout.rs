//! The layout of a network's buffers for the fused kernels.

use super::shape::Shape;
use crate::network::Network;
use std::ops::Range;

/// Numbers between two rows are a multiple of this: whole vectors, on every device.
pub(super) const ALIGNMENT: usize = 8;

/// Where everything is on the device, for one network and so many rows of a batch.
///
/// In a *packed* layout the values and deltas of hidden levels, and all slopes, are f16. Level 0 and the output level
/// are f32. The places of all of them are counted in f16 numbers.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) rows: usize,
    /// Numbers of each level: what goes into the first layer, what each layer puts out.
    pub(super) widths: Vec<usize>,
    /// From one row of a level to the next: its numbers, a 1 (a 0 below a layer without biases), and zeros
    /// up to a multiple of 8.
    pub(super) pitches: Vec<usize>,
    /// Where each layer's parameters start, and where they all end.
    pub(super) weights: Vec<usize>,
    /// Whether each layer has biases.
    pub(super) biases: Vec<bool>,
    /// Where each level's values start, and where they all end.
    pub(super) values: Vec<usize>,
    /// Where the slopes of each level start, behind all values; 0 for a level that stores none.
    pub(super) slopes: Vec<usize>,
    /// Where values and slopes end.
    end: usize,
    packed: bool,
    /// Inputs of each wave of an encoding; 0 without one.
    pub(super) encoded_inputs: usize,
    /// Whether other kernels compute level 0, which has the rows of this layout, column by column.
    pub(super) is_given: bool,
    /// The parameters of the encoding, behind those of the layers.
    tables: Vec<Range<usize>>,
}

impl Layout {
    pub(super) fn new(network: &Network, rows: usize) -> Self {
        Self::with(network, rows, false)
    }

    /// The packed layout.
    pub(super) fn packed(network: &Network, rows: usize) -> Self {
        Self::with(network, rows, true)
    }

    fn with(network: &Network, rows: usize, packed: bool) -> Self {
        let inputs = network.encoding().outputs(network.inputs());
        let outputs = network.layers().iter().map(|layer| layer.fan_out);
        let widths: Vec<usize> = std::iter::once(inputs).chain(outputs).collect();
        let pitches: Vec<usize> =
            widths.iter().map(|width| (width + 1).next_multiple_of(ALIGNMENT)).collect();
        let sums = |sizes: &mut dyn Iterator<Item = usize>| {
            let mut end = 0;
            let mut starts = vec![0];
            starts.extend(sizes.map(|size| {
                end += size;
                end
            }));
            starts
        };
        let weights = sums(&mut pitches.windows(2).map(|pair| pair[0] * pair[1]));
        let stored = stored_pitches(&pitches, packed);
        let values = sums(&mut stored.iter().map(|p| rows * p));
        let mut end = values[widths.len()];
        let mut slopes = vec![0];
        for (layer, pitch) in network.layers().iter().zip(&pitches[1..]) {
            let stored = layer.stores_slope();
            slopes.push(if stored { end } else { 0 });
            end += if stored { rows * pitch } else { 0 };
        }
        let is_given = network.encoding().is_general();
        let encoded = !is_given && !network.encoding().is_identity();
        let encoded_inputs = if encoded { network.inputs() } else { 0 };
        let first = weights[widths.len() - 1];
        let tables = network.tables().map(|table| first + table.start..first + table.end).collect();
        let biases = network.layers().iter().map(|layer| layer.bias).collect();
        Self {
            rows,
            widths,
            pitches,
            weights,
            biases,
            values,
            slopes,
            end,
            packed,
            encoded_inputs,
            is_given,
            tables,
        }
    }

    /// From one row of a level to the next in the buffers of values and deltas.
    pub(super) fn stored_pitches(&self) -> Vec<usize> {
        stored_pitches(&self.pitches, self.packed)
    }

    pub(super) fn layers(&self) -> usize {
        self.widths.len() - 1
    }

    /// Numbers in the parameters of all layers.
    pub(super) fn parameters(&self) -> usize {
        self.weights[self.layers()]
    }

    /// The same with those of the encoding.
    pub(super) fn all_parameters(&self) -> usize {
        self.tables.last().map_or(self.parameters(), |table| table.end)
    }

    /// Numbers in the parameters of the encoding.
    pub(super) fn tables(&self) -> usize {
        self.all_parameters() - self.parameters()
    }

    /// Where the parameters of the encoding begin, if it has any.
    pub(super) fn scattered(&self) -> Option<usize> {
        self.tables.first().map(|table| table.start)
    }

    /// Words in the values and slopes of all levels.
    pub(super) fn all_values(&self) -> usize {
        if self.packed { self.end.div_ceil(2) } else { self.end }
    }

    /// Words in a row of all levels.
    fn row(&self) -> usize {
        let stored: usize = self.stored_pitches().iter().sum();
        if self.packed { stored / 2 } else { stored }
    }

    /// Numbers behind the end of a buffer that a block's edge may read, and that no result depends on.
    pub(super) fn slack(&self) -> usize {
        (self.longest() + 256) * self.widest()
    }

    /// The longest row above level 0.
    pub(super) fn widest(&self) -> usize {
        self.pitches[1..].iter().copied().max().unwrap_or(ALIGNMENT)
    }

    /// The place of every parameter of `network`, whose layout this is, in its flat order.
    pub(super) fn places(&self, network: &Network) -> Vec<usize> {
        let mut places = vec![0; network.count()];
        let tables = self.tables.iter().cloned().flatten();
        places.iter_mut().zip(tables).for_each(|(place, table)| *place = table);
        for layer in 0..self.layers() {
            let (first, pitch, width) =
                (self.weights[layer], self.pitches[layer + 1], self.widths[layer + 1]);
            // The biases are the row behind the weights.
            let weights = (network.weight_segment(layer), first);
            let biases = network.bias_segment(layer);
            let biases = biases.map(|biases| (biases, first + self.widths[layer] * pitch));
            for (segment, first) in std::iter::once(weights).chain(biases) {
                for (i, place) in places[segment.range.clone()].iter_mut().enumerate() {
                    *place = first + i / width * pitch + i % width;
                }
            }
        }
        places
    }

    /// Rows of a layer's parameters: its inputs, and one of biases if there are any.
    pub(super) fn depth(&self, layer: usize) -> usize {
        self.widths[layer] + usize::from(self.biases[layer])
    }

    /// The parameters that belong together: the weights of the first layer, its biases, and so on, then the tables of
    /// the encoding. The zeros behind the biases are among them.
    pub(super) fn segments(&self) -> Vec<Range<usize>> {
        let of_layer = |layer: usize| {
            let (first, end) = (self.weights[layer], self.weights[layer + 1]);
            let biases = first + self.widths[layer] * self.pitches[layer + 1];
            [first..biases, biases..end]
        };
        (0..self.layers()).flat_map(of_layer).chain(self.tables.iter().cloned()).collect()
    }

    /// The parameters of frozen layers.
    pub(super) fn frozen(&self, network: &Network) -> Vec<Range<usize>> {
        let layers = network.layers().iter().enumerate().filter(|(_, layer)| layer.frozen);
        layers.map(|(layer, _)| self.weights[layer]..self.weights[layer + 1]).collect()
    }

    /// The longest row of any level.
    pub(super) fn longest(&self) -> usize {
        self.pitches.iter().copied().max().unwrap_or(ALIGNMENT)
    }

    /// Weights of all layers, and of the first.
    fn products(&self) -> (f64, f64) {
        let each: Vec<usize> = self.widths.windows(2).map(|pair| pair[0] * pair[1]).collect();
        (each.iter().sum::<usize>() as f64, each[0] as f64)
    }

    /// Operations of a pass of `count` samples forward, and back, and the words it has to read and
    /// write.
    pub(super) fn pass_cost(&self, count: usize, back: bool) -> (f64, f64) {
        let ((all, first), rows) = (self.products(), count as f64);
        let values = rows * self.row() as f64;
        if back {
            (2.0 * rows * (2.0 * all - first), self.parameters() as f64 + 2.0 * values)
        } else {
            (2.0 * rows * all, self.parameters() as f64 + values)
        }
    }

    /// Operations of the gradients of `count` samples in so many slices, and the words they have to
    /// read and write.
    pub(super) fn gradient_cost(&self, count: usize, slices: usize) -> (f64, f64) {
        let values = (count * self.row()) as f64;
        let gradients = (slices * self.parameters()) as f64;
        (2.0 * count as f64 * self.products().0, 2.0 * values + gradients)
    }

    /// Blocks of a layer's gradient.
    pub(super) fn blocks(&self, layer: usize, shape: Shape) -> usize {
        let across = self.pitches[layer + 1].div_ceil((shape.lanes * shape.rows) as usize);
        let rows = self.depth(layer);
        across * rows.div_ceil((shape.groups * shape.columns) as usize)
    }

    /// Blocks of all layers' gradients.
    pub(super) fn all_blocks(&self, shape: Shape) -> usize {
        (0..self.layers()).map(|layer| self.blocks(layer, shape)).sum()
    }
}

/// From one row of a level to the next in the buffers of values and deltas, for levels with these pitches. In a packed
/// layout an f32 number takes the place of two f16 numbers.
fn stored_pitches(pitches: &[usize], packed: bool) -> Vec<usize> {
    let last = pitches.len() - 1;
    let wide = |level| packed && (level == 0 || level == last);
    let stored = pitches.iter().enumerate();
    stored.map(|(level, pitch)| if wide(level) { 2 * pitch } else { *pitch }).collect()
}
