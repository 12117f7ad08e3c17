//! Input encodings other than waves of all inputs: formulas, grids, and what they are combined to.

use super::elementwise::{encode, encoding_gradient};
use super::grids::{Rows, grid_forward, grid_input_gradient, levels};
use super::lanes::Lanes;
use super::layout::Block;
use crate::encoding::{Computation, Encoding, Formula, Visitor};
use crate::grid::{Grid, Level};
use crate::input_encoding::{Leaves, Node};
use crate::network::Network;
use pulp::{Arch, Simd, WithSimd};
use std::ops::{Deref, Range};

/// The encodings of a network.
#[derive(Clone)]
pub(super) struct Encoder {
    inputs: usize,
    /// The numbers that all encodings compute of a sample.
    columns: usize,
    /// The numbers that the first layer is given.
    outputs: usize,
    parts: Vec<Part>,
    /// How the columns are combined, if they are not the outputs one after the other.
    root: Option<Node>,
}

/// An encoding of some inputs.
#[derive(Clone)]
struct Part {
    inputs: Range<usize>,
    columns: Range<usize>,
    how: How,
}

/// How an encoding is computed.
#[derive(Clone)]
enum How {
    Copy,
    /// Frequencies, `[inputs, waves]`.
    Waves(Vec<f32>),
    Direct(Encoding),
    Grid(Table),
}

/// A grid whose levels are blocks.
#[derive(Clone)]
struct Table {
    grid: Grid,
    /// Each counts its entries from 0.
    levels: Vec<Level>,
    /// The block of the first level.
    first: usize,
}

impl Encoder {
    /// The encodings of a network that has any but waves of all inputs.
    pub(super) fn of(network: &Network) -> Option<Self> {
        if !network.encoding().is_general() {
            return None;
        }
        let Leaves { all, columns, root } = network.leaves();
        let mut first = 0;
        let parts = all.into_iter().map(|leaf| {
            let inputs = leaf.inputs.len();
            let how = match leaf.encoding.computation() {
                Computation::Identity => How::Copy,
                Computation::Waves => How::Waves(by_input(
                    &leaf.encoding.frequencies(inputs).unwrap_or_default(),
                    inputs,
                )),
                Computation::Direct => How::Direct(leaf.encoding),
                Computation::Grid(grid) => {
                    let levels = levels(grid, inputs);
                    first += levels.len();
                    How::Grid(Table { grid, first: first - levels.len(), levels })
                }
            };
            Part { inputs: leaf.inputs, columns: leaf.columns, how }
        });
        let parts = parts.collect();
        let outputs = network.encoding().outputs(network.inputs());
        Some(Self { inputs: network.inputs(), columns, outputs, parts, root })
    }

    /// The numbers that all encodings compute of a sample.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Writes what the first layer is given of some samples, `raw`, `[rows, inputs]`, to `out`, `[rows, outputs]` with
    /// `stride` from row to row. `blocks` are the network's parameters.
    pub(super) fn encode<B: Deref<Target = Block>>(
        &self,
        arch: Arch,
        blocks: &[B],
        raw: &[f32],
        scratch: &mut Vec<f32>,
        (out, stride): (&mut [f32], usize),
    ) {
        let Some(root) = &self.root else {
            return self.encode_columns(arch, blocks, raw, (out, stride));
        };
        let rows = raw.len() / self.inputs;
        scratch.resize(rows * self.columns, 0.0);
        self.encode_columns(arch, blocks, raw, (scratch, self.columns));
        for (columns, out) in scratch.chunks_exact(self.columns).zip(out.chunks_mut(stride)) {
            root.combine(columns, &mut out[..self.outputs]);
        }
    }

    /// Writes the columns of some samples to `out`, `[rows, columns]`.
    fn encode_columns<B: Deref<Target = Block>>(
        &self,
        arch: Arch,
        blocks: &[B],
        raw: &[f32],
        (out, stride): (&mut [f32], usize),
    ) {
        for Part { inputs, columns, how } in &self.parts {
            let rows = || raw.chunks_exact(self.inputs).map(|x| &x[inputs.clone()]);
            match how {
                How::Copy => {
                    for (x, out) in rows().zip(out.chunks_mut(stride)) {
                        out[columns.clone()].copy_from_slice(x);
                    }
                }
                How::Waves(frequencies) => {
                    let mut turns = vec![0.0; frequencies.len() / inputs.len()];
                    for (x, out) in rows().zip(out.chunks_mut(stride)) {
                        encode(arch, x, frequencies, &mut turns, &mut out[columns.clone()]);
                    }
                }
                How::Direct(encoding) => {
                    let x = Rows { values: &raw[inputs.start..], stride: self.inputs };
                    let count = raw.len() / self.inputs;
                    let sizes = [count, inputs.len(), columns.len()];
                    let out = (&mut out[columns.start..], stride);
                    encoding.visit(Direct { arch, x, sizes, out });
                }
                How::Grid(Table { grid, levels, first }) => {
                    let x = Rows { values: &raw[inputs.start..], stride: self.inputs };
                    let count = raw.len() / self.inputs;
                    for (l, level) in levels.iter().enumerate() {
                        let table = &blocks[first + l].values;
                        let out = &mut out[columns.start + l * grid.features..];
                        grid_forward(
                            arch,
                            *grid,
                            level,
                            table,
                            (x, count, inputs.len()),
                            (out, stride),
                        );
                    }
                }
            }
        }
    }

    /// The gradient with respect to the columns of some samples, `[rows, columns]`, from that with respect to what the
    /// first layer is given, `delta`, `[rows, outputs]` with `stride` from row to row.
    pub(super) fn column_gradient<B: Deref<Target = Block>>(
        &self,
        arch: Arch,
        blocks: &[B],
        raw: &[f32],
        (delta, stride): (&[f32], usize),
        gradient: &mut Vec<f32>,
    ) {
        gradient.clear();
        let rows = raw.len() / self.inputs;
        let deltas = delta.chunks(stride).take(rows);
        let Some(root) = &self.root else {
            deltas.for_each(|delta| gradient.extend_from_slice(&delta[..self.columns]));
            return;
        };
        let mut columns = vec![0.0; rows * self.columns];
        self.encode_columns(arch, blocks, raw, (&mut columns, self.columns));
        gradient.resize(rows * self.columns, 0.0);
        let each = columns.chunks_exact(self.columns).zip(gradient.chunks_exact_mut(self.columns));
        for ((columns, gradient), delta) in each.zip(deltas) {
            root.combine_gradient(columns, &delta[..self.outputs], gradient);
        }
    }

    /// Writes the gradient with respect to the inputs, `[rows, inputs]`, from that with respect to the columns.
    pub(super) fn input_gradient<B: Deref<Target = Block>>(
        &self,
        arch: Arch,
        blocks: &[B],
        raw: &[f32],
        column_gradient: &[f32],
        gradient: &mut [f32],
    ) {
        gradient.fill(0.0);
        let samples =
            || raw.chunks_exact(self.inputs).zip(column_gradient.chunks_exact(self.columns));
        for Part { inputs, columns, how } in &self.parts {
            let own = samples().map(|(x, delta)| (&x[inputs.clone()], &delta[columns.clone()]));
            let to = gradient.chunks_exact_mut(self.inputs).map(|to| &mut to[inputs.clone()]);
            match how {
                How::Copy => {
                    for ((_, delta), to) in own.zip(to) {
                        to.iter_mut().zip(delta).for_each(|(to, delta)| *to += delta);
                    }
                }
                How::Waves(frequencies) => {
                    let mut turns = vec![0.0; frequencies.len() / inputs.len()];
                    let (mut encoded, mut sum) =
                        (vec![0.0; columns.len()], vec![0.0; inputs.len()]);
                    for ((x, delta), to) in own.zip(to) {
                        encode(arch, x, frequencies, &mut turns, &mut encoded);
                        encoding_gradient(&encoded, delta, frequencies, &mut turns, &mut sum);
                        to.iter_mut().zip(&sum).for_each(|(to, sum)| *to += sum);
                    }
                }
                How::Direct(encoding) => {
                    for ((x, delta), to) in own.zip(to) {
                        encoding.visit(DirectGradient { x, delta, to });
                    }
                }
                How::Grid(Table { grid, levels, first }) => {
                    for ((x, delta), to) in own.zip(to) {
                        for (l, level) in levels.iter().enumerate() {
                            let table = &blocks[first + l].values;
                            let delta = &delta[l * grid.features..][..grid.features];
                            grid_input_gradient(*grid, level, table, x, delta, to);
                        }
                    }
                }
            }
        }
    }
}

/// Frequencies `[waves, inputs]` as `[inputs, waves]`.
pub(super) fn by_input(by_wave: &[f32], inputs: usize) -> Vec<f32> {
    let column = |i: usize| by_wave.iter().skip(i).step_by(inputs).copied();
    (0..inputs).flat_map(column).collect()
}

/// A formula of some samples, a vector of samples at a time.
struct Direct<'a> {
    arch: Arch,
    x: Rows<'a>,
    /// Samples, inputs and outputs.
    sizes: [usize; 3],
    out: (&'a mut [f32], usize),
}

impl Visitor for Direct<'_> {
    type Output = ();

    fn visit<F: Formula>(self, formula: F) {
        self.arch.dispatch(DirectWith { formula, direct: self });
    }
}

struct DirectWith<'a, F> {
    formula: F,
    direct: Direct<'a>,
}

impl<F: Formula> WithSimd for DirectWith<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Direct { x: rows, sizes: [samples, inputs, outputs], out: (out, stride), .. } =
            self.direct;
        let zero = Lanes::splat(simd, 0.0);
        let (mut x, mut y) = (vec![zero; inputs], vec![zero; outputs]);
        for first in (0..samples).step_by(S::F32_LANES) {
            let count = S::F32_LANES.min(samples - first);
            for (i, x) in x.iter_mut().enumerate() {
                let mut vector = [zero.value];
                let lanes: &mut [f32] = bytemuck::cast_slice_mut(&mut vector);
                for (n, lane) in lanes.iter_mut().enumerate().take(count) {
                    *lane = rows.values[(first + n) * rows.stride + i];
                }
                *x = Lanes::new(simd, vector[0]);
            }
            self.formula.encode(&x, &mut y);
            for (j, y) in y.iter().enumerate() {
                let vector = [y.value];
                let lanes: &[f32] = bytemuck::cast_slice(&vector);
                for (n, lane) in lanes.iter().enumerate().take(count) {
                    out[(first + n) * stride + j] = *lane;
                }
            }
        }
    }
}

/// The gradient of a formula of one sample, added to `to`.
struct DirectGradient<'a> {
    x: &'a [f32],
    delta: &'a [f32],
    to: &'a mut [f32],
}

impl Visitor for DirectGradient<'_> {
    type Output = ();

    fn visit<F: Formula>(self, formula: F) {
        formula.input_gradient(self.x, self.delta, self.to);
    }
}
