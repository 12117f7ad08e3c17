//! The number of iterations of the kernels' loops, for drivers that end loops early.
//!
//! Mesa's llvmpipe ends the loops of an invocation after 65,535 turns of all of them together, without a
//! word: the results are wrong. So the kernels are only used there where their loops turn less often.

use super::layout::Layout;
use super::shape::Shapes;
use super::specialize;
use super::split::Split;
use crate::encoding::Computation;
use crate::engine::Device;
use crate::input_encoding::{Leaf, Leaves};

/// The most turns that an invocation's loops may take on llvmpipe.
const LLVMPIPE: usize = 65_535;

/// Turns that finding one sample may take: rounds of the two permutations, walked until they end below
/// the number of samples. More are as probable as a broken processor.
const FINDING: usize = 1_000;

/// Loops over the outputs of a row in the fused kernel: the loss, softmax and their gradients.
const OUTPUT_LOOPS: usize = 8;

/// The most of them in one layerwise kernel.
const LAYERWISE_OUTPUT_LOOPS: usize = 4;

/// The most turns that the loops of one invocation may take on a device.
pub(super) fn most(device: &Device) -> usize {
    if device.adapter.contains("llvmpipe") { LLVMPIPE } else { usize::MAX }
}

/// Turns of the kernels that take longest in one invocation of a training step by the fused kernels.
pub(super) fn of_fused(layout: &Layout, shapes: &Shapes) -> usize {
    pass(layout, shapes).max(gradients(shapes)).max(losses(layout, shapes))
}

/// Turns of a training pass, whose loops over the layers, columns and terms are counted.
fn pass(layout: &Layout, shapes: &Shapes) -> usize {
    let (shape, layers, widths) = (shapes.step, layout.layers(), &layout.widths);
    let first = layout.pitches[0] / 4 * (1 + 4 * layout.encoded_inputs);
    let each_row = FINDING + first + OUTPUT_LOOPS * (1 + layout.pitches[layers]);
    if shape.split {
        // An invocation has one row of the tile. The others are added up, and the tiles are cleared.
        let split = Split::new(layout, shape);
        let cleared = split.memory() / 4 / shape.workgroup() as usize + 2;
        return 2 * layers + split.turns().iter().sum::<usize>() + cleared + 8 + each_row;
    }
    // A layer of which each invocation computes all columns, some at a time, or some of them.
    let product = |terms: usize, columns: usize| {
        let turns = terms.div_ceil(specialize::at_once(shape));
        let times =
            if shape.is_cooperative() { 1 } else { columns.div_ceil(shape.columns as usize) };
        1 + times * (1 + turns)
    };
    let forward = (0..layers).map(|l| product(widths[l] + 1, widths[l + 1] + 1));
    let back = (1..layers).map(|l| product(widths[l + 1], widths[l]));
    forward.chain(back).sum::<usize>() + shape.rows as usize * each_row
}

/// Turns of the gradients of a slice.
fn gradients(shapes: &Shapes) -> usize {
    let at_once = specialize::samples_at_once(shapes.gradients);
    shapes.slice as usize / at_once + at_once
}

/// Turns of the sum of a batch's losses.
fn losses(layout: &Layout, shapes: &Shapes) -> usize {
    let losses = specialize::loss_sums(layout.rows, shapes.step);
    let gradients = shapes.gradients;
    let invocations = if gradients.is_cooperative() { gradients.workgroup() as usize } else { 1 };
    let each = losses.div_ceil(invocations);
    // In blocks of at least this many.
    each + each.div_ceil(64) + 32
}

/// Turns of the longest loop of the layerwise kernels over `width` neurons, which are the outputs of a
/// network or not, in one invocation.
pub(super) fn of_layer(width: usize, is_output: bool) -> usize {
    FINDING + if is_output { LAYERWISE_OUTPUT_LOOPS * width } else { width }
}

/// Turns of the longest loop of the kernels of some encodings: of each sample one that finds it, and of its gradient the
/// columns, each with what computes it.
pub(super) fn of_encodings(leaves: &Leaves) -> usize {
    let of_leaf = |leaf: &Leaf| {
        let (inputs, columns) = (leaf.inputs.len(), leaf.columns.len());
        match leaf.encoding.computation() {
            Computation::Identity => 2,
            Computation::Waves => columns * (1 + inputs),
            Computation::Direct => columns + columns.min(64) * HARMONICS,
            Computation::Grid(grid) => grid.levels * (1 + (1 << inputs)),
        }
    };
    let gradients = leaves.all.iter().map(|leaf| of_leaf(leaf) + 1).sum::<usize>();
    // Units and rows are taken in turns where there are too many workgroups for a dispatch.
    FINDING + gradients + TURNS_OF_DISPATCH
}

/// Turns of the loops of one column of an encoding by its formula, of which spherical harmonics have the most.
const HARMONICS: usize = 32;

/// Turns of the loops over rows and units of an invocation, and of a reduction in a workgroup.
const TURNS_OF_DISPATCH: usize = 512;

/// The most samples that the layerwise kernels can add up at a time, in blocks of many, where loops may
/// take `most` turns.
pub(super) fn rows(most: usize) -> usize {
    most / 2
}
