//! The memory of a run, before it begins.

use super::super::layout::Layout;
use super::super::lines::{LINE, stride};
use super::super::tile::Shape;
use crate::engine::{KEPT, MOST_KEPT};
use crate::memory::Need;

/// The memory of a run with so many states and gradients of each parameter, on so many threads, in tiles of so many rows,
/// and so many samples in a batch.
pub(super) fn of(
    layout: &Layout,
    shape: &Shape,
    states: usize,
    gradients: usize,
    (threads, rows, batch): (usize, usize, usize),
) -> Need {
    let (mut need, single) = (Need::default(), size_of::<f32>());
    let (all, tables) = (layout.numbers(states, gradients), layout.table_numbers());
    let once = layout.numbers(1, 0) - layout.numbers(0, 0);
    // What is kept, unless it is too much, and two copies in f64 of what is learned.
    let kept = (1 + states) * KEPT;
    let is_kept = (once.saturating_mul(kept * single) as u64) <= MOST_KEPT;
    let copies = if is_kept { kept } else { 0 } + 2 * size_of::<f64>() / single;
    let of_layers = all.saturating_sub(tables.saturating_mul(2 + states + gradients));
    let of_layers = of_layers.saturating_add((once - tables).saturating_mul(copies));
    need.add(single, of_layers, "make the layers narrower");
    // A table has one gradient, with a mark for each line of it.
    let of_tables = tables.saturating_mul(3 + states + copies);
    let of_tables = of_tables.saturating_add(tables / (LINE * single));
    need.add(single, of_tables, "take a smaller log2_size, or fewer levels or features");
    let tiles = tile_numbers(shape, rows).saturating_mul(threads);
    need.add(single, tiles, "make the layers narrower, or take fewer threads");
    if shape.has_tables {
        let recorded = batch.saturating_mul(shape.inputs + shape.encoded);
        need.add(single, recorded, "lower the batch size");
    }
    need
}

/// Numbers that a tile of so many rows has room for.
fn tile_numbers(shape: &Shape, rows: usize) -> usize {
    let room = |width: usize| if width == 0 { 0 } else { stride(width) };
    let layers = || shape.layers.iter().map(|layer| room(layer.fan_out));
    let slopes = shape.layers.iter().filter(|layer| layer.stores_slope());
    let slopes: usize = slopes.map(|layer| room(layer.fan_out)).sum();
    let values = room(shape.encoded) + layers().sum::<usize>();
    let first = if shape.has_tables { room(shape.encoded) } else { 0 };
    let deltas = 2 * room(shape.widest) + layers().skip(2).sum::<usize>() + first;
    let waves = shape.frequencies.as_ref().map_or(0, |f| f.len() / shape.inputs);
    let raw = if shape.is_encoded() { shape.inputs } else { 0 };
    rows.saturating_mul(values + slopes + deltas + raw + shape.outputs + 3) + waves
}

#[cfg(test)]
mod tests {
    use super::super::{Run, lock, read};
    use super::*;
    use crate::engine::{Plan, Step};
    use crate::resources::Resources;
    use crate::{Activation, Dataset, Encoding, Loss, Network, Optimizer, Wrappers};

    #[test]
    fn what_a_run_needs_is_known_before() {
        for (encoding, width, batch) in [
            ("identity", 300, 1_000),
            ("grid:levels=4,log2_size=12", 40, 5_000),
            ("frequency:octaves=6", 20, 20_000),
        ] {
            let network = Network::builder(2)
                .encoding(Encoding::from_name(encoding).expect("an encoding"))
                .hidden(&[width; 3], Activation::Gelu)
                .dropout(0.1)
                .output(2, Activation::Identity)
                .build()
                .expect("a network");
            let dataset =
                Dataset::new(vec![0.5; 40_000], vec![0.5; 40_000], 2, 2).expect("samples");
            let plan = Plan {
                loss: Loss::MeanSquaredError,
                optimizer: Optimizer::ADAM,
                l2: 0.0,
                batch_size: batch,
                shuffle: None,
                seed: 0,
                wrappers: Wrappers::default(),
            };
            let run = Run::with_threads(&network, plan, &dataset, 3).expect("memory");
            let steps = [Step { number: 1, epoch: 1, first: 0, count: batch, learning_rate: 0.01 }];
            run.train(&steps, Some(0)).expect("trains");
            let Resources { parameters, state, kept, workspace, .. } = run.measure_memory();
            let held = parameters + state + workspace + KEPT as u64 * kept;
            let (layout, rows) = (Layout::of(&network, 3), read(&run.tiles[0]).rows());
            let gradients = run.gradients.len();
            let partial = run.partial.iter().filter(|partial| !lock(partial).is_empty()).count();
            let need = of(&layout, &run.shape, 2, gradients + partial, (3, rows, batch)).bytes();
            assert!(
                need >= held && need < held + held / 2,
                "{encoding}: {need} bytes, {held} held"
            );
        }
    }
}
