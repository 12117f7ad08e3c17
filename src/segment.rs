//! `Segment`: named parts of the flat parameter vector.
//!
//! Everything that asks where some parameters are asks here.

use crate::initialization::Initialization;
use crate::input_encoding::Leaf;
use crate::layer::Layer;
use std::ops::Range;

/// Some parameters of a network that belong together, such as the weights of a layer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Segment {
    /// Its name in files: `layers.0.weight`.
    pub name: String,
    /// Its sizes as they are in memory, the last one contiguous: `[fan_in, fan_out]` for weights,
    /// `[fan_out]` for biases, `[entries, features]` for a grid.
    pub shape: Vec<usize>,
    /// Where it is in [`Network::parameters`](crate::Network::parameters).
    pub range: Range<usize>,
    /// What its initial numbers were drawn from.
    pub initialization: Initialization,
    /// Which of its numbers a sample needs.
    pub kind: SegmentKind,
}

/// Which numbers of a segment a sample needs, and so how its gradient comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SegmentKind {
    /// All of them: the gradient is a product of matrices or a sum of rows.
    Dense,
    /// A few, which depend on the sample, as the entries of a table: the gradient is added up entry by
    /// entry.
    Scattered,
}

/// All segments of a network, in the order of the flat vector: the tables of the encoding, then layer by layer
/// the weights and the biases.
#[derive(Clone, Debug)]
pub(crate) struct SegmentTable {
    all: Vec<Segment>,
    /// The positions in `all` of each layer's weights, and of its biases if it has any.
    layers: Vec<(usize, Option<usize>)>,
}

impl SegmentTable {
    /// Those of some encodings and layers; `initializations` are those of each layer's weights and biases.
    pub(crate) fn new(
        encodings: &[Leaf],
        layers: &[Layer],
        initializations: &[[Initialization; 2]],
    ) -> Self {
        let mut segments = Self { all: Vec::new(), layers: Vec::new() };
        for (number, leaf) in encodings.iter().enumerate() {
            if let Some(grid) = leaf.grid() {
                segments.all.push(Segment {
                    name: table_name(number),
                    shape: vec![leaf.table.len() / grid.features, grid.features],
                    range: leaf.table.clone(),
                    // Müller et al. 2022, section 4.
                    initialization: Initialization::within(1e-4),
                    kind: SegmentKind::Scattered,
                });
            }
        }
        for (l, (layer, [weights, biases])) in layers.iter().zip(initializations).enumerate() {
            let shape = vec![layer.fan_in, layer.fan_out];
            let weights = segments.push(weight_name(l), shape, *weights);
            let shape = vec![layer.fan_out];
            let biases = layer.bias.then(|| segments.push(bias_name(l), shape, *biases));
            segments.layers.push((weights, biases));
        }
        segments
    }

    /// Adds a dense segment behind the others; its position.
    fn push(&mut self, name: String, shape: Vec<usize>, initialization: Initialization) -> usize {
        let start = self.len();
        let range = start..start + shape.iter().product::<usize>();
        let kind = SegmentKind::Dense;
        self.all.push(Segment { name, shape, range, initialization, kind });
        self.all.len() - 1
    }

    /// Numbers in all segments.
    pub(crate) fn len(&self) -> usize {
        self.all.last().map_or(0, |segment| segment.range.end)
    }

    pub(crate) fn all(&self) -> &[Segment] {
        &self.all
    }

    /// Numbers in the segments of the encoding, which come first.
    pub(crate) fn encoding(&self) -> usize {
        let tables = self.all.iter().take_while(|s| s.kind == SegmentKind::Scattered);
        tables.last().map_or(0, |segment| segment.range.end)
    }

    /// The weights of a layer.
    pub(crate) fn weights(&self, layer: usize) -> &Segment {
        &self.all[self.layers[layer].0]
    }

    /// The biases of a layer, if it has any.
    pub(crate) fn biases(&self, layer: usize) -> Option<&Segment> {
        self.layers[layer].1.map(|position| &self.all[position])
    }

    /// The segments of the first `count` layers.
    pub(crate) fn first(&self, count: usize) -> Self {
        let layers = self.layers[..count].to_vec();
        let end = layers.last().map_or(0, |(weights, biases)| biases.unwrap_or(*weights) + 1);
        Self { all: self.all[..end].to_vec(), layers }
    }
}

/// The name of the table of an encoding, counted from 0, in files: that of `torch.nn.Embedding`.
pub(crate) fn table_name(encoding: usize) -> String {
    format!("encoding.{encoding}.weight")
}

/// The name of a layer's weights in files.
pub(crate) fn weight_name(layer: usize) -> String {
    format!("layers.{layer}.weight")
}

/// The name of a layer's biases in files.
pub(crate) fn bias_name(layer: usize) -> String {
    format!("layers.{layer}.bias")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;

    #[test]
    fn segments_follow_each_other_layer_by_layer() {
        let layer = |fan_in, fan_out, bias| Layer {
            fan_in,
            fan_out,
            activation: Activation::Relu,
            bias,
            dropout: 0.0,
            frozen: false,
        };
        let layers = [layer(2, 3, true), layer(3, 4, false), layer(4, 1, true)];
        let drawn = [[Initialization::He, Initialization::Zeros]; 3];
        let segments = SegmentTable::new(&[], &layers, &drawn);
        let named: Vec<(&str, &[usize], Range<usize>)> =
            segments.all().iter().map(|s| (&*s.name, &*s.shape, s.range.clone())).collect();
        assert_eq!(
            named,
            [
                ("layers.0.weight", &[2, 3][..], 0..6),
                ("layers.0.bias", &[3], 6..9),
                ("layers.1.weight", &[3, 4], 9..21),
                ("layers.2.weight", &[4, 1], 21..25),
                ("layers.2.bias", &[1], 25..26),
            ]
        );
        assert_eq!(segments.len(), 26);
        assert!(segments.biases(1).is_none());
        assert_eq!(segments.biases(2).map(|s| s.range.clone()), Some(25..26));
        assert_eq!(segments.weights(1).range, 9..21);
        assert_eq!([1, 2, 3].map(|count| segments.first(count).len()), [9, 21, 26]);
    }
}
