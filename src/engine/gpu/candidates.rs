//! The shapes that the search tries for a network on a device.

use super::layout::Layout;
use super::shape::{Abilities, Shape, Shapes, TILE_SPACING};
use super::turns;

/// The shapes worth trying for a network on a device, for batches of `layout.rows`: first what is
/// taken unmeasured, then the same with another shape of one of the kernels. Empty if the device has
/// no room for any.
pub(super) fn candidates(abilities: &Abilities, layout: &Layout) -> Vec<Shapes> {
    let limits = &abilities.limits;
    let fits = |shape: &Shape| {
        shape.workgroup() <= limits.max_compute_invocations_per_workgroup
            && shape.workgroup() <= limits.max_compute_workgroup_size_x
            && memory(*shape, layout) <= limits.max_compute_workgroup_storage_size as usize
    };
    let widest = layout.widest() as u32;
    let broadcast = abilities.broadcast;
    let steps: Vec<Shape> = if abilities.software {
        // No barrier, and what is read once used often: there a load costs as much as many products.
        // The first compiles soonest; where vectors are short, the large ones do soon enough.
        let lanes = abilities.vector;
        let tried: &[(u32, u32)] = match (broadcast, lanes) {
            (0, ..8) => &[(10, 12), (12, 16), (8, 16), (2, 8)],
            (_, ..8) => &[(10, 12), (6, 16), (13, 12), (2, 8)],
            _ => &[(2, 8), (2, 52), (4, 28), (2, 28), (1, 52)],
        };
        tried
            .iter()
            .map(|(rows, columns)| Shape {
                lanes,
                groups: 1,
                rows: *rows,
                columns: even(widest, *columns),
                broadcast,
            })
            .collect()
    } else {
        let mut tried = [
            (8, 4, 8),
            (8, 2, 8),
            (16, 2, 8),
            (16, 4, 8),
            (8, 1, 8),
            (4, 2, 4),
            (8, 1, 4),
            (32, 2, 16),
        ];
        // Where the tiles of a batch would leave most of a GPU idle, the smallest first.
        if layout.rows < FEW_ROWS {
            tried.sort_by_key(|(lanes, rows, columns)| (columns * lanes * rows, *rows));
        }
        tried
            .map(|(lanes, rows, columns)| {
                let groups = widest.div_ceil(columns).max(2);
                Shape { lanes, groups, rows, columns, broadcast: 0 }
            })
            .into_iter()
            // Where workgroups have little memory or few invocations.
            .chain([Shape { lanes: 32, groups: 1, rows: 1, columns: 16, broadcast: 0 }])
            .collect()
    };
    let gradients: Vec<Shape> = if abilities.software {
        let lanes = abilities.vector;
        // Neighbouring rows are read and written four at a time where nothing is broadcast.
        let tried = match (broadcast, lanes) {
            (0, ..8) => [(16, 12), (16, 16), (8, 16)],
            (0, _) => [(4, 16), (8, 16), (16, 8)],
            (_, ..8) => [(13, 28), (13, 20), (8, 16)],
            _ => [(4, 16), (7, 16), (13, 8)],
        };
        tried.map(|(rows, columns)| Shape { lanes, groups: 1, rows, columns, broadcast }).to_vec()
    } else {
        [(13, 8, 8), (26, 4, 8), (16, 4, 8)]
            .map(|(lanes, rows, columns)| {
                let groups = widest.div_ceil(columns).clamp(1, 256 / lanes);
                Shape { lanes, groups, rows, columns, broadcast: 0 }
            })
            .to_vec()
    };
    let slice = slice(abilities, layout.rows);
    let pair = |step: Shape, gradients: Shape| Shapes { step, gradients, slice };
    let ends =
        |step: &Shape| turns::of_fused(layout, &pair(*step, gradients[0])) <= abilities.most_turns;
    let steps: Vec<Shape> = steps.into_iter().filter(fits).filter(ends).collect();
    // The shapes of the two kernels are independent: each is tried beside the first of the other.
    let first = (steps.first().copied(), gradients[0]);
    let tried = steps.iter().map(|step| pair(*step, gradients[0]));
    let more = gradients[1..].iter().filter_map(|other| first.0.map(|step| pair(step, *other)));
    tried.chain(more).collect()
}

/// Samples of a batch below which a GPU has too few tiles of 32 to be busy.
const FEW_ROWS: usize = 3200;

/// `columns`, or fewer, so that `widest` is cut evenly.
fn even(widest: u32, columns: u32) -> u32 {
    widest.div_ceil(widest.div_ceil(columns)).next_multiple_of(4)
}

/// The most slices of a batch: each takes memory of the size of the parameters.
const MOST_SLICES: usize = 16;

/// The most samples in a slice: their products are added up one after the other, so that rounding errors
/// grow with them. A slice of so many takes little memory beside what goes through the network.
const MOST_SLICED: usize = 4096;

/// Samples in a slice of a batch of `rows`: on a GPU few, so that there are workgroups for all of it.
fn slice(abilities: &Abilities, rows: usize) -> u32 {
    let most = if abilities.software { 1 } else { MOST_SLICES };
    rows.div_ceil(most).clamp(32, MOST_SLICED) as u32
}

/// Bytes of a workgroup's memory that `fused_step` takes.
fn memory(shape: Shape, layout: &Layout) -> usize {
    let shared = if shape.is_cooperative() { layout.longest() + TILE_SPACING + 1 } else { 0 };
    4 * shape.tile() as usize * (shared + 1)
}
