//! The forward and backward pass of a tile of samples.

use super::elementwise::{
    Rows, activate, activate_with_slopes, drop_outputs, encode, encoding_gradient,
};
use super::encoder::{Encoder, by_input};
use super::layout::{Block, Layout};
use super::lines::{Lines, stride};
use super::losses::{self, loss_gradients};
use super::phases::{Clock, Phase, Untimed};
use super::product::{
    After, Before, Left, Right, Rule, is_fused, product, product_of_parts, sum_rows,
};
use super::vectors;
use crate::activation::{Activation, Backward};
use crate::dataset::Dataset;
use crate::dropout::Masks;
use crate::engine::Output;
use crate::layer::Layer;
use crate::loss::Loss;
use crate::network::Network;
use crate::permutation::Permutation;
use pulp::{Arch, Simd, WithSimd};
use std::ops::{Deref, Range};

/// Samples in a tile: few enough that what a layer works on stays in cache, many enough that
/// the parameters, which go by once a tile, cost little.
const TILE: usize = 128;

/// The most numbers of one layer in a tile.
const TILE_FLOATS: usize = 1 << 22;

/// The place of the gradient of the inputs among the deltas, of which two take turns.
const INPUTS: usize = 1;

/// Tiles have multiples of so many samples, so that few rows are left over from the widest tiles of a
/// matrix product.
pub(super) const SHARE: usize = 4;

/// What a tile must know of the network: everything but the parameters themselves.
#[derive(Clone)]
pub(super) struct Shape {
    pub(super) arch: Arch,
    pub(super) inputs: usize,
    pub(super) encoded: usize,
    /// Of an encoding that is one set of waves over all inputs, `[inputs, waves]`.
    pub(super) frequencies: Option<Vec<f32>>,
    /// Any other encoding but the inputs as they are.
    pub(super) encoder: Option<Encoder>,
    /// Whether the encoding has parameters.
    pub(super) has_tables: bool,
    pub(super) layers: Vec<Layer>,
    /// The blocks of each layer.
    blocks: Vec<Range<usize>>,
    pub(super) widest: usize,
    pub(super) outputs: usize,
}

impl Shape {
    pub(super) fn of(network: &Network, layout: &Layout) -> Self {
        let inputs = network.inputs();
        let frequencies = network.encoding().frequencies(inputs);
        let frequencies = frequencies.map(|by_wave| by_input(&by_wave, inputs));
        Self {
            arch: vectors::available(),
            inputs,
            encoded: network.encoding().outputs(inputs),
            frequencies,
            encoder: Encoder::of(network),
            has_tables: layout.tables > 0,
            layers: network.layers().to_vec(),
            blocks: layout.layers.clone(),
            widest: network.widths().into_iter().chain([inputs]).max().unwrap_or(0),
            outputs: network.outputs(),
        }
    }

    /// Whether there is an encoding.
    pub(super) fn is_encoded(&self) -> bool {
        self.frequencies.is_some() || self.encoder.is_some()
    }

    /// The same without dropout and frozen layers.
    pub(super) fn plain(&self) -> Self {
        let layers = self.layers.iter().map(|layer| layer.plain()).collect();
        Self { layers, ..self.clone() }
    }

    /// Samples in a tile of this network, for so many samples: [`TILE`], or fewer where its
    /// layers are very wide; cut evenly.
    pub(super) fn tile_rows(&self, samples: usize) -> usize {
        let most = self.most_rows();
        let tiles = samples.div_ceil(most).max(1);
        samples.div_ceil(tiles).next_multiple_of(SHARE).min(most).max(1)
    }

    /// The lowest layer whose delta a pass computes; the number of layers if it computes none.
    pub(super) fn lowest(&self, pass: Pass) -> usize {
        if pass.first.is_some() || pass.tables {
            return 0;
        }
        let trained = self.layers.iter().position(|layer| pass.parameters && !layer.frozen);
        trained.unwrap_or(self.layers.len())
    }

    /// The most samples in a tile of this network.
    pub(super) fn most_rows(&self) -> usize {
        (TILE_FLOATS / self.widest.max(1)).clamp(1, TILE)
    }

    fn output_activation(&self) -> Activation {
        self.layers[self.layers.len() - 1].activation
    }
}

/// What the backward pass of a tile computes.
#[derive(Clone, Copy)]
pub(super) struct Pass<'a> {
    /// Whether it computes the gradients of the parameters, except those of frozen layers.
    pub(super) parameters: bool,
    /// The [transposed weights](Block::turned) of each block of the first layer, if it computes the gradient
    /// of that layer's inputs and the blocks do not have them.
    pub(super) first: Option<&'a [Lines]>,
    /// Whether it computes the gradient of the first layer's inputs for the tables of the encoding.
    pub(super) tables: bool,
}

/// A loss, and what the losses of samples without a weight are multiplied by.
#[derive(Clone, Copy)]
pub(super) struct Scaled {
    pub(super) loss: Loss,
    pub(super) scale: f32,
}

/// What a training step drops of the samples of a tile.
#[derive(Clone, Copy)]
pub(super) struct Dropout {
    /// The step's.
    pub(super) masks: Masks,
    /// The row of the tile's first sample in the step's batch.
    pub(super) first: usize,
}

/// The values and deltas of up to `rows` samples in every layer. Rows are padded to whole cache lines;
/// the contents of the padding mean nothing. What is computed of a sample does not depend on the tile that
/// it is in.
pub(super) struct Tile {
    rows: usize,
    /// Which samples they are, or their positions.
    order: Vec<u32>,
    /// Before the encoding, where there is one.
    inputs: Vec<f32>,
    turns: Vec<f32>,
    /// The columns of several encodings, before they are combined.
    columns: Vec<f32>,
    targets: Vec<f32>,
    /// Of the samples; 1 where they have none of their own.
    weights: Vec<f32>,
    /// Whether they are other than 1.
    weighted: bool,
    /// `values[0]` is what the first layer is given, `values[l + 1]` what layer `l` puts out.
    values: Vec<Lines>,
    /// `slopes[l]` is `f′` of layer `l`'s weighted sums, where its activation stores it.
    slopes: Vec<Lines>,
    /// The gradient of the loss with respect to the weighted sums of layers, at [`place`](Self::place), and
    /// with respect to the inputs of the first layer, at [`first_place`](Self::first_place).
    deltas: Vec<Lines>,
    /// Whether the encoding has parameters.
    has_tables: bool,
    /// Whether the deltas of all layers stay. Else two take turns, which stay in the fastest caches.
    keeps_deltas: bool,
    /// The loss of each sample.
    losses: Vec<f32>,
}

impl Tile {
    pub(super) fn new(shape: &Shape, rows: usize) -> Self {
        let room = |width: usize| Lines::zeros(if width == 0 { 0 } else { rows * stride(width) });
        let layers = shape.layers.iter().map(|layer| room(layer.fan_out));
        let others = shape.layers.iter().skip(2).map(|layer| room(layer.fan_out));
        let deltas = [room(shape.widest), room(shape.widest)].into_iter().chain(others);
        let first = shape.has_tables.then(|| room(shape.encoded));
        let deltas = deltas.chain(first);
        let waves = shape.frequencies.as_ref().map_or(0, |f| f.len() / shape.inputs);
        let raw = if shape.is_encoded() { shape.inputs } else { 0 };
        let slopes = shape
            .layers
            .iter()
            .map(|layer| room(if layer.stores_slope() { layer.fan_out } else { 0 }));
        Self {
            rows,
            order: vec![0; rows],
            inputs: vec![0.0; rows * raw],
            turns: vec![0.0; waves],
            columns: Vec::new(),
            targets: vec![0.0; rows * shape.outputs],
            weights: vec![1.0; rows],
            weighted: false,
            values: std::iter::once(room(shape.encoded)).chain(layers).collect(),
            slopes: slopes.collect(),
            deltas: deltas.collect(),
            has_tables: shape.has_tables,
            keeps_deltas: false,
            losses: vec![0.0; rows],
        }
    }

    /// Numbers that it has room for.
    pub(super) fn numbers(&self) -> usize {
        let Self { order, inputs, turns, targets, weights, .. } = self;
        let Self { values, slopes, deltas, losses, .. } = self;
        let vectors = [inputs, turns, targets, weights, losses];
        let lines = values.iter().chain(slopes).chain(deltas);
        let vectors = vectors.map(Vec::len).iter().sum::<usize>() + order.len();
        vectors + lines.map(|lines| lines.len()).sum::<usize>()
    }

    /// The most samples it holds.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Whether the deltas of all layers are to stay until the next samples come.
    pub(super) fn keep_deltas(&mut self, keep: bool) {
        self.keeps_deltas = keep;
    }

    /// Where the deltas of a layer are.
    fn place(&self, layer: usize) -> usize {
        if self.keeps_deltas { layer } else { layer % 2 }
    }

    /// Where the gradient with respect to the inputs of the first layer is: behind all others if the encoding has
    /// parameters, so that the deltas of all layers can stay.
    fn first_place(&self) -> usize {
        if self.has_tables { self.deltas.len() - 1 } else { INPUTS }
    }

    /// The first `rows` samples before the encoding, `[rows, inputs]`, and the gradient with respect to the inputs of
    /// the first layer, with its stride.
    pub(super) fn first_gradient(&self, shape: &Shape, rows: usize) -> (&[f32], (&[f32], usize)) {
        let deltas = &*self.deltas[self.first_place()];
        (&self.inputs[..rows * shape.inputs], (deltas, stride(shape.encoded)))
    }

    /// The loss of each of its first samples, after [`loss`](Self::loss).
    pub(super) fn losses(&self) -> &[f32] {
        &self.losses
    }

    /// Where the inputs and the targets of each sample go, before the encoding.
    fn samples(&mut self, shape: &Shape) -> impl Iterator<Item = (&mut [f32], &mut [f32])> {
        let (values, stride) = if shape.is_encoded() {
            (self.inputs.as_mut_slice(), shape.inputs)
        } else {
            (&mut *self.values[0], stride(shape.inputs))
        };
        let inputs = values.chunks_exact_mut(stride).map(|row| &mut row[..shape.inputs]);
        inputs.zip(self.targets.chunks_exact_mut(shape.outputs))
    }

    /// Fills the tile with the samples at positions `first .. first + rows` of `order`.
    pub(super) fn gather(
        &mut self,
        shape: &Shape,
        dataset: &Dataset,
        order: &Permutation,
        first: usize,
        rows: usize,
    ) {
        let mut places = std::mem::take(&mut self.order);
        let own = &mut places[..rows];
        // No dataset has more than 2³² − 1 samples.
        own.iter_mut().enumerate().for_each(|(i, place)| *place = (first + i) as u32);
        shape.arch.dispatch(Replace { order, positions: own });
        let (values, stride) = if shape.is_encoded() {
            (self.inputs.as_mut_slice(), shape.inputs)
        } else {
            (&mut *self.values[0], stride(shape.inputs))
        };
        // By number, since the compiler leaves parts of a chain of iterators as calls.
        for row in 0..rows {
            let inputs = &mut values[row * stride..][..shape.inputs];
            let targets = &mut self.targets[row * shape.outputs..][..shape.outputs];
            dataset.read(own[row] as usize, inputs, targets);
        }
        if dataset.has_weights() {
            for (weight, sample) in self.weights.iter_mut().zip(&*own) {
                *weight = dataset.weight(*sample as usize);
            }
        } else if self.weighted {
            self.weights.fill(1.0);
        }
        self.weighted = dataset.has_weights();
        self.order = places;
    }

    /// Takes the first `rows` samples through the network, the last layer's activation included
    /// or not. `blocks` are the network's parameters. Outputs are dropped only if `dropout` is given.
    pub(super) fn forward<B: Deref<Target = Block>>(
        &mut self,
        shape: &Shape,
        blocks: &[B],
        rows: usize,
        output: Output,
        dropout: Option<Dropout>,
        clock: &mut impl Clock,
    ) {
        let arch = shape.arch;
        if let Some(frequencies) = &shape.frequencies {
            let encoded = self.values[0].chunks_exact_mut(stride(shape.encoded));
            for (x, out) in self.inputs.chunks_exact(shape.inputs).zip(encoded).take(rows) {
                encode(arch, x, frequencies, &mut self.turns, &mut out[..shape.encoded]);
            }
            clock.lap(Phase::Encode);
        }
        if let Some(encoder) = &shape.encoder {
            let raw = &self.inputs[..rows * shape.inputs];
            let out = (&mut *self.values[0], stride(shape.encoded));
            encoder.encode(arch, blocks, raw, &mut self.columns, out);
            clock.lap(Phase::Encode);
        }
        for (l, layer) in shape.layers.iter().enumerate() {
            let (below, above) = self.values.split_at_mut(l + 1);
            let (below, below_stride) = (&below[l], stride(layer.fan_in));
            let (z, z_stride) = (&mut above[0], stride(layer.fan_out));
            let is_last = l + 1 == shape.layers.len();
            let activation = match output {
                Output::Logits if is_last => Activation::Identity,
                Output::Logits | Output::Activated => layer.activation,
            };
            // What is dropped, where the layer has a rate and the masks are there.
            let dropped = dropout.filter(|_| layer.dropout > 0.0);
            let fused = is_fused(activation) && dropped.is_none();
            let blocks = &blocks[shape.blocks[l].clone()];
            let Some(last) = blocks.last() else { continue };
            let rule = Rule {
                before: if last.has_biases { Before::Row(last.biases()) } else { Before::Nothing },
                after: if fused { After::Activation(activation) } else { After::Keep },
            };
            with_each(
                blocks,
                |block| {
                    let inputs = block.inputs.clone();
                    let transposed = (&*block.transposed, block.transposed_stride);
                    let turned = (!transposed.0.is_empty()).then_some(transposed);
                    let x = Left::new(&below[inputs.start..], rows, inputs.len(), below_stride);
                    (x, Right { values: &block.values, stride: block.stride, turned })
                },
                |parts| product_of_parts(arch, parts, rule, layer.fan_out, (&mut *z, z_stride)),
            );
            clock.lap(Phase::Forward);
            if fused {
                continue;
            }
            let mut rows = Rows { values: z, count: rows, width: layer.fan_out, stride: z_stride };
            match &mut *self.slopes[l] {
                [] => activate(arch, activation, rows),
                slopes => {
                    activate_with_slopes(arch, activation, rows.again(), slopes);
                    if let Some(Dropout { masks, first }) = dropped {
                        let mask = |row| masks.of(l, first + row);
                        drop_outputs(arch, layer.dropout, mask, rows, slopes);
                    }
                }
            }
            clock.lap(Phase::Activate);
        }
    }

    /// Outputs of as many samples as there are in `inputs`, at most [`rows`](Self::rows).
    pub(super) fn predict(
        &mut self,
        shape: &Shape,
        blocks: &[&Block],
        inputs: &[f64],
        output: Output,
        outputs: &mut [f64],
    ) {
        let rows = inputs.len() / shape.inputs;
        for ((to, _), from) in self.samples(shape).zip(inputs.chunks_exact(shape.inputs)) {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from as f32);
        }
        self.forward(shape, blocks, rows, output, None, &mut Untimed);
        let from = self.values[shape.layers.len()].chunks_exact(stride(shape.outputs));
        for (to, from) in outputs.chunks_exact_mut(shape.outputs).zip(from) {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = f64::from(*from));
        }
    }

    /// Takes the first `rows` samples forward, and writes their losses and the deltas of the last layer.
    pub(super) fn loss<B: Deref<Target = Block>>(
        &mut self,
        shape: &Shape,
        blocks: &[B],
        Scaled { loss, scale }: Scaled,
        rows: usize,
        dropout: Option<Dropout>,
        clock: &mut impl Clock,
    ) {
        let logits = loss.folded_activation().is_some();
        let output = if logits { Output::Logits } else { Output::Activated };
        self.forward(shape, blocks, rows, output, dropout, clock);
        let (outputs, stride) = (shape.outputs, stride(shape.outputs));
        let activation = shape.output_activation();
        let last = shape.layers.len() - 1;
        let place = self.place(last);
        let samples = losses::Samples {
            y: &self.values[last + 1],
            slopes: &self.slopes[last],
            t: &self.targets,
            weights: &self.weights[..rows],
            outputs,
            stride,
            scale,
        };
        loss_gradients(loss, activation, &samples, &mut self.deltas[place], &mut self.losses);
        clock.lap(Phase::Loss);
    }

    /// Takes the deltas of the last layer back through the layers, as far as the pass needs it. If it computes
    /// the gradients of parameters, calls `each` when a layer that is not frozen has its deltas, the last one
    /// first. If it computes the gradient of the inputs, [`input_gradient`](Self::input_gradient) reads it
    /// afterwards; such a pass must not [keep the deltas](Self::keep_deltas).
    pub(super) fn backward<B: Deref<Target = Block>>(
        &mut self,
        shape: &Shape,
        blocks: &[B],
        rows: usize,
        pass: Pass,
        clock: &mut impl Clock,
        mut each: impl FnMut(&Self, usize),
    ) {
        let Pass { parameters, first, tables } = pass;
        let lowest = shape.lowest(pass);
        for (l, layer) in shape.layers.iter().enumerate().skip(lowest).rev() {
            if parameters && !layer.frozen {
                each(self, l);
                clock.lap(Phase::Gradients);
            }
            if l == lowest && first.is_none() && !tables {
                break;
            }
            let to = if l == 0 { self.first_place() } else { self.place(l - 1) };
            let from = self.place(l);
            let mut deltas_below = std::mem::take(&mut self.deltas[to]);
            let upstream = (&*self.deltas[from], stride(layer.fan_out));
            let (below, below_stride) = (&*self.values[l], stride(layer.fan_in));
            for (n, block) in blocks[shape.blocks[l].clone()].iter().enumerate() {
                let inputs = block.inputs.clone();
                let after = match l.checked_sub(1) {
                    None => After::Keep,
                    Some(layer) => {
                        let backward = shape.layers[layer].backward();
                        let needed = match backward {
                            Backward::Slope => &*self.slopes[layer],
                            _ => below,
                        };
                        After::Derivative(backward, &needed[inputs.start..], below_stride)
                    }
                };
                let rule = Rule { before: Before::Nothing, after };
                let delta = Left::new(upstream.0, rows, layer.fan_out, upstream.1);
                let turned = if l == 0 { first.and_then(|blocks| blocks.get(n)) } else { None };
                let transposed = Right {
                    values: turned.unwrap_or(&block.transposed),
                    stride: block.transposed_stride,
                    turned: Some((&block.values, block.stride)),
                };
                let delta_below = (&mut deltas_below[inputs.start..], below_stride);
                product(shape.arch, delta, transposed, rule, inputs.len(), delta_below);
            }
            self.deltas[to] = deltas_below;
            clock.lap(Phase::Backward);
        }
    }

    /// Fills the tile with samples: `inputs`, `[rows, inputs]`, and `output_gradient`, `[rows, outputs]`, as
    /// the targets of a [linear loss](Loss::Linear).
    pub(super) fn fill(&mut self, shape: &Shape, inputs: &[f32], output_gradient: &[f32]) {
        if self.weighted {
            self.weights.fill(1.0);
            self.weighted = false;
        }
        let from = inputs.chunks_exact(shape.inputs);
        let from = from.zip(output_gradient.chunks_exact(shape.outputs));
        for ((x, t), (inputs, gradient)) in self.samples(shape).zip(from) {
            x.copy_from_slice(inputs);
            t.copy_from_slice(gradient);
        }
    }

    /// Writes the gradient of the inputs of as many samples as there are in `gradient`, `[rows, inputs]`,
    /// after a backward pass that computed it.
    pub(super) fn input_gradient<B: Deref<Target = Block>>(
        &mut self,
        shape: &Shape,
        blocks: &[B],
        gradient: &mut [f32],
    ) {
        if let Some(encoder) = &shape.encoder {
            let rows = gradient.len() / shape.inputs;
            let mut of_columns = Vec::new();
            let (raw, deltas) = self.first_gradient(shape, rows);
            encoder.column_gradient(shape.arch, blocks, raw, deltas, &mut of_columns);
            encoder.input_gradient(shape.arch, blocks, raw, &of_columns, gradient);
            return;
        }
        let deltas = self.deltas[INPUTS].chunks_exact(stride(shape.encoded));
        let rows = gradient.chunks_exact_mut(shape.inputs).zip(deltas);
        match &shape.frequencies {
            None => rows.for_each(|(to, from)| to.copy_from_slice(&from[..shape.inputs])),
            Some(frequencies) => {
                let encoded = self.values[0].chunks_exact(stride(shape.encoded));
                for ((to, delta), encoded) in rows.zip(encoded) {
                    let (encoded, delta) = (&encoded[..shape.encoded], &delta[..shape.encoded]);
                    encoding_gradient(encoded, delta, frequencies, &mut self.turns, to);
                }
            }
        }
    }
}

/// [`Permutation::replace`] with vector instructions.
struct Replace<'a> {
    order: &'a Permutation,
    positions: &'a mut [u32],
}

impl WithSimd for Replace<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.order.replace(self.positions);
    }
}

/// Some samples of a tile.
#[derive(Clone, Copy)]
pub(super) struct Samples<'a> {
    pub(super) tile: &'a Tile,
    pub(super) first: usize,
    pub(super) count: usize,
}

impl<'a> Samples<'a> {
    /// Their deltas of a layer, `stride` from row to row.
    fn deltas(&self, layer: usize, stride: usize) -> &'a [f32] {
        &self.tile.deltas[self.tile.place(layer)][self.first * stride..]
    }
}

/// Writes the gradient of a block's parameters that some samples result in, or adds to it if `accumulate`.
/// It does not depend on how the samples are divided among tiles.
pub(super) fn gradient<'a>(
    shape: &Shape,
    samples: &[Samples<'a>],
    block: &Block,
    accumulate: bool,
    gradient: &mut [f32],
) {
    let (arch, l, inputs) = (shape.arch, block.layer, block.inputs.clone());
    let layer = &shape.layers[l];
    let (below_stride, above_stride) = (stride(layer.fan_in), stride(layer.fan_out));
    let before = if accumulate { Before::There } else { Before::Nothing };
    let part = |s: &Samples<'a>| {
        let x = &s.tile.values[l][s.first * below_stride + inputs.start..];
        let x = Left::transposed(x, inputs.len(), s.count, below_stride);
        (x, Right { values: s.deltas(l, above_stride), stride: above_stride, turned: None })
    };
    let (weights, biases) = gradient.split_at_mut(inputs.len() * block.stride);
    let rule = Rule { before, after: After::Keep };
    with_each(samples, part, |parts| {
        product_of_parts(arch, parts, rule, block.width, (weights, block.stride));
    });
    if block.has_biases {
        let rows = |s: &Samples<'a>| (s.deltas(l, above_stride), s.count);
        with_each(samples, rows, |rows| {
            sum_rows(arch, rows, above_stride, block.width, accumulate, biases);
        });
    }
}

/// Calls `work` with what `of` makes of each item. One item, which is the rule, takes no allocation.
fn with_each<'a, T, U>(items: &'a [T], of: impl Fn(&'a T) -> U, work: impl FnOnce(&[U])) {
    match items {
        [one] => work(&[of(one)]),
        _ => work(&items.iter().map(of).collect::<Vec<_>>()),
    }
}
