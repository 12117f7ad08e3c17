//! Predictions: a network's parameters in blocks, and samples through all layers in tiles.
//!
//! Only the values of two neighboring layers are kept, so that a tile stays in the fastest caches. The
//! outputs of a sample do not depend on the tile that it is in: every sum goes term by term whatever
//! other rows there are (`kernel`), and all else works on single numbers or single rows.

use super::elementwise::{Rows, activate, encode};
use super::layout::{Block, Layout, Purpose};
use super::lines::{Lines, stride};
use super::pool::Pool;
use super::product::{After, Before, Left, Right, Rule, is_fused, product};
use super::scratch::{Scratch, Scratches};
use super::tile::Shape;
use crate::activation::Activation;
use crate::engine::{Output, Pending, Prepared, ready};
use crate::error::Result;
use crate::memory::{NARROWER, Need};
use crate::network::Network;
use crate::real::Real;

/// Multiplications by a parameter that are worth a thread of the pool.
const WORTH_A_THREAD: usize = 1_000_000;

/// A network ready to predict. Threads share it.
pub(super) struct Predictor {
    shape: Shape,
    /// One for each level of a grid, then one for each layer.
    blocks: Vec<Block>,
    /// How many are levels of grids.
    tables: usize,
    parameters: usize,
    pool: Pool,
    scratches: Scratches,
}

impl Predictor {
    /// On the threads of a pool.
    pub(super) fn new(network: &Network, pool: Pool) -> Result<Self> {
        let layout = Layout::of(network, 1);
        let mut need = Need::default();
        need.add(size_of::<f32>(), layout.prediction_numbers(), NARROWER);
        need.check(format_args!("predicting with {} parameters", network.parameters().len()))?;
        Ok(Self {
            shape: Shape::of(network, &layout),
            tables: layout.tables,
            blocks: layout.blocks(network, Purpose::Prediction, &[]),
            parameters: network.parameters().len() - network.encoding_parameters(),
            scratches: Scratches::new(pool.threads()),
            pool,
        })
    }

    /// Writes the outputs (or logits) of `inputs`, `[samples, inputs]`, to `outputs`,
    /// `[samples, outputs]`.
    pub(super) fn predict<R: Real>(&self, inputs: &[R], output: Output, outputs: &mut [R]) {
        let samples = inputs.len() / self.shape.inputs;
        let work = samples.saturating_mul(self.parameters);
        let threads = (work / WORTH_A_THREAD).clamp(1, self.pool.threads());
        let rows = self.shape.tile_rows(samples.div_ceil(threads));
        let (wide_in, wide_out) = (rows * self.shape.inputs, rows * self.shape.outputs);
        self.pool.for_each(threads, (inputs, wide_in), (outputs, wide_out), |inputs, outputs| {
            self.scratches.with(|scratch| self.tile(scratch, inputs, output, outputs));
        });
    }

    /// The same of the samples of a tile.
    fn tile<R: Real>(
        &self,
        scratch: &mut Scratch,
        inputs: &[R],
        output: Output,
        outputs: &mut [R],
    ) {
        let shape = &self.shape;
        let rows = inputs.len() / shape.inputs;
        scratch.make_room(shape, rows);
        let Scratch { turns, inputs: raw, columns, values: [below, above] } = scratch;
        let (mut below, mut above): (&mut Lines, &mut Lines) = (below, above);
        match &shape.encoder {
            None => fill(shape, inputs, raw, turns, below),
            Some(encoder) => {
                let raw = &mut raw[..inputs.len()];
                raw.iter_mut().zip(inputs).for_each(|(to, from)| *to = from.single());
                let blocks: Vec<&Block> = self.blocks.iter().collect();
                let out = (&mut **below, stride(shape.encoded));
                encoder.encode(shape.arch, &blocks, raw, columns, out);
            }
        }
        let last = shape.layers.len() - 1;
        for (l, (layer, block)) in shape.layers.iter().zip(&self.blocks[self.tables..]).enumerate()
        {
            let activation = match output {
                Output::Logits if l == last => Activation::Identity,
                Output::Logits | Output::Activated => layer.activation,
            };
            let fused = is_fused(activation);
            let rule = Rule {
                before: if block.has_biases {
                    Before::Row(block.biases())
                } else {
                    Before::Nothing
                },
                after: if fused { After::Activation(activation) } else { After::Keep },
            };
            let x = Left::new(below, rows, layer.fan_in, stride(layer.fan_in));
            let weights = Right { values: &block.values, stride: block.stride, turned: None };
            let (width, stride) = (layer.fan_out, stride(layer.fan_out));
            product(shape.arch, x, weights, rule, width, (above, stride));
            if !fused {
                let values = Rows { values: above, count: rows, width, stride };
                activate(shape.arch, activation, values);
            }
            std::mem::swap(&mut below, &mut above);
        }
        let from = below.chunks_exact(stride(shape.outputs));
        for (to, from) in outputs.chunks_exact_mut(shape.outputs).zip(from) {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = R::of(*from));
        }
    }
}

/// Writes what the first layer is given of `inputs` to `values`, `[rows, encoded]`, by way of `raw`,
/// `[rows, inputs]`, where there is an encoding.
fn fill<R: Real>(
    shape: &Shape,
    inputs: &[R],
    raw: &mut [f32],
    turns: &mut [f32],
    values: &mut Lines,
) {
    let inputs = inputs.chunks_exact(shape.inputs);
    let values = values.chunks_exact_mut(stride(shape.encoded));
    for (from, to) in inputs.zip(values) {
        match &shape.frequencies {
            None => to.iter_mut().zip(from).for_each(|(to, from)| *to = from.single()),
            Some(frequencies) => {
                raw.iter_mut().zip(from).for_each(|(to, from)| *to = from.single());
                encode(shape.arch, raw, frequencies, turns, &mut to[..shape.encoded]);
            }
        }
    }
}

impl Prepared for Predictor {
    fn forward<'a>(
        &'a self,
        inputs: &'a [f32],
        output: Output,
        outputs: &'a mut [f32],
    ) -> Pending<'a, ()> {
        self.predict(inputs, output, outputs);
        ready(Ok(()))
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn forward_blocking(&self, inputs: &[f32], output: Output, outputs: &mut [f32]) -> Result<()> {
        self.predict(inputs, output, outputs);
        Ok(())
    }
}
