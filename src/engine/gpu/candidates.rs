//! The shapes that the search tries for a network on a device.

use super::layout::Layout;
use super::shape::{Abilities, Shape, Shapes, TILE_SPACING};
use super::split::Split;
use super::turns;

/// The shapes worth trying for a network on a device, for batches of `layout.rows`: first what is
/// taken unmeasured, then the same with another shape of one of the kernels. Empty if the device has
/// no room for any.
pub(super) fn candidates(abilities: &Abilities, layout: &Layout) -> Vec<Shapes> {
    let limits = &abilities.limits;
    let invocations = limits
        .max_compute_invocations_per_workgroup
        .min(limits.max_compute_workgroup_size_x)
        .min(MOST_INVOCATIONS);
    let fits = |shape: &Shape| {
        shape.workgroup() <= invocations
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
                split: false,
                packed: false,
            })
            .collect()
    } else {
        gpu_steps(abilities, layout)
    };
    let gradients: Vec<Shape> = if abilities.software {
        let lanes = abilities.vector;
        // Neighboring rows are read and written four at a time where nothing is broadcast.
        let tried = match (broadcast, lanes) {
            (0, ..8) => [(16, 12), (16, 16), (8, 16)],
            (0, _) => [(4, 16), (8, 16), (16, 8)],
            (_, ..8) => [(13, 28), (13, 20), (8, 16)],
            _ => [(4, 16), (7, 16), (13, 8)],
        };
        tried
            .map(|(rows, columns)| Shape {
                lanes,
                groups: 1,
                rows,
                columns,
                broadcast,
                split: false,
                packed: false,
            })
            .to_vec()
    } else {
        // The last two are whole warps of 32. At least two groups share the sum of the losses.
        [(13, 8, 8), (26, 4, 8), (16, 4, 8), (32, 4, 8), (16, 8, 8)]
            .map(|(lanes, rows, columns)| {
                let groups = widest.div_ceil(columns).clamp(2, (invocations / lanes).max(2));
                let groups = if lanes == 16 { groups.next_multiple_of(2) } else { groups };
                Shape { lanes, groups, rows, columns, broadcast: 0, split: false, packed: false }
            })
            .to_vec()
    };
    let slices = slices(abilities, layout);
    let (gradient, slice) = (gradients[0], slices[0]);
    let usual = |step: Shape| Shapes { step, gradients: gradient, slice };
    let ends = |step: &Shape| turns::of_fused(layout, &usual(*step)) <= abilities.most_turns;
    let steps: Vec<Shape> = steps.into_iter().filter(fits).filter(ends).collect();
    let Some(first) = steps.first().copied().map(usual) else { return Vec::new() };
    // The shapes of the two kernels and the slices are independent: each is tried beside the first of
    // the others.
    let tried = steps.into_iter().map(usual);
    let others = gradients[1..].iter().map(|gradients| Shapes { gradients: *gradients, ..first });
    let sliced = slices[1..].iter().map(|slice| Shapes { slice: *slice, ..first });
    tried.chain(others).chain(sliced).collect()
}

/// The same with the values and deltas of hidden levels in f16. Software adapters take the shapes of a GPU here.
pub(super) fn packed(abilities: &Abilities, layout: &Layout) -> Vec<Shapes> {
    let gpu = Abilities { software: false, broadcast: 0, subgroup: 0, ..abilities.clone() };
    let all = candidates(&gpu, layout).into_iter().filter(|shapes| shapes.step.is_cooperative());
    let packed = |shape: Shape| Shape { packed: true, ..shape };
    all.map(|shapes| Shapes {
        step: packed(shapes.step),
        gradients: packed(shapes.gradients),
        slice: shapes.slice,
    })
    .collect()
}

/// The shapes of `fused_step` that are tried on a GPU.
fn gpu_steps(abilities: &Abilities, layout: &Layout) -> Vec<Shape> {
    let widest = layout.widest() as u32;
    let are_few = layout.rows < FEW_ROWS;
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
    if are_few {
        tried.sort_by_key(|(lanes, rows, columns)| (columns * lanes * rows, *rows));
    }
    let shape = |(lanes, rows, columns): (u32, u32, u32)| {
        let groups = widest.div_ceil(columns).max(2);
        Shape { lanes, groups, rows, columns, broadcast: 0, split: false, packed: false }
    };
    // There, all invocations wait for memory, and split sums wait least. A GPU with many cores runs the
    // small tiles at once, and one with few reads less with the large ones.
    let split = SPLIT.into_iter().filter(|(lanes, _)| {
        are_few && abilities.subgroup >= *lanes && abilities.subgroup.is_multiple_of(*lanes)
    });
    let split = split
        .map(|(lanes, rows)| Shape { split: true, ..shape((lanes, rows, 4)) })
        .filter(|shape| Split::new(layout, *shape).has_registers());
    let mut shapes: Vec<Shape> = tried.into_iter().map(shape).collect();
    shapes.splice(1..1, split);
    // Many sums for each number that is read; then whole warps of 32, whatever the width is.
    let more = [(8, 8, 8), (32, 1, 8), (32, 2, 8), (16, 1, 4), (16, 2, 4)];
    shapes.extend(more.map(shape));
    // Where workgroups have little memory or few invocations.
    shapes.push(Shape { groups: 1, ..shape((32, 1, 16)) });
    shapes
}

/// The shapes with split sums: lanes, and samples of a tile.
const SPLIT: [(u32, u32); 6] = [(8, 4), (8, 8), (16, 4), (8, 2), (16, 8), (32, 8)];

/// The most invocations of a workgroup that are tried: the registers of a GPU's core are divided among
/// them, and with more, one of 8 sums and 8 terms a turn would spill on AMD's Vega.
const MOST_INVOCATIONS: u32 = 512;

/// Samples of a batch below which a GPU has too few tiles of 32 to be busy.
const FEW_ROWS: usize = 3200;

/// `columns`, or fewer, so that `widest` is cut evenly.
fn even(widest: u32, columns: u32) -> u32 {
    widest.div_ceil(widest.div_ceil(columns)).next_multiple_of(4)
}

/// Into how many slices a GPU cuts a batch: the fewest, and what a search tries, as far as the batch and
/// [`SLICES_BYTES`] allow.
const SLICES: [usize; 3] = [16, 32, 64];

/// Samples in a slice for which more slices than the fewest are taken unmeasured. The gradient of so many
/// takes little memory beside the values and deltas that it is computed from.
const SLICED: usize = 2048;

/// The most bytes of a gradient in more slices than the fewest: each takes memory of the size of the
/// parameters.
const SLICES_BYTES: usize = 64 << 20;

/// The fewest samples in a slice.
const LEAST_SLICED: usize = 32;

/// The most samples in a slice: their products are added up one after the other, so that rounding errors
/// grow with them. A slice of so many takes little memory beside what goes through the network.
const MOST_SLICED: usize = 4096;

/// Samples in a slice of a batch: first what is taken unmeasured, then other numbers of them. On a GPU
/// they are few, so that there are workgroups for all of it.
fn slices(abilities: &Abilities, layout: &Layout) -> Vec<u32> {
    let samples =
        |slices: usize| layout.rows.div_ceil(slices).clamp(LEAST_SLICED, MOST_SLICED) as u32;
    if abilities.software {
        return vec![samples(1)];
    }
    let [fewest, .., most] = SLICES;
    let most = (SLICES_BYTES / (4 * layout.parameters())).clamp(fewest, most);
    let usual = (layout.rows / SLICED).clamp(fewest, most);
    let mut tried = vec![samples(usual)];
    for slices in SLICES.into_iter().filter(|slices| *slices <= most) {
        if !tried.contains(&samples(slices)) {
            tried.push(samples(slices));
        }
    }
    tried
}

/// Bytes of a workgroup's memory that `fused_step` takes.
fn memory(shape: Shape, layout: &Layout) -> usize {
    if shape.split {
        return Split::new(layout, shape).memory();
    }
    let shared = if shape.is_cooperative() { layout.longest() + TILE_SPACING + 1 } else { 0 };
    4 * shape.tile() as usize * (shared + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::gpu::shape::desktop_limits;
    use crate::network::Network;
    use std::collections::BTreeSet;

    fn layout(hidden: &[usize], rows: usize) -> Layout {
        let builder = Network::builder(2).hidden(hidden, Activation::Relu);
        let network = builder.output(3, Activation::Identity).build().expect("a network");
        Layout::new(&network, rows)
    }

    /// Into how many slices each candidate cuts a batch.
    fn numbers_of_slices(abilities: &Abilities, layout: &Layout) -> BTreeSet<usize> {
        let all = candidates(abilities, layout).into_iter();
        all.map(|shapes| layout.rows.div_ceil(shapes.slice as usize)).collect()
    }

    #[test]
    fn slices_grow_with_the_batch_and_their_memory_is_bounded() {
        let gpu = Abilities::of_gpu(desktop_limits());
        let ten = [100; 10];
        let usual = |hidden: &[usize], rows| {
            let layout = layout(hidden, rows);
            rows.div_ceil(candidates(&gpu, &layout)[0].slice as usize)
        };
        let rows = [1, 200, 512, 4096, 10_000, 65_536];
        assert_eq!(rows.map(|rows| usual(&ten, rows)), [1, 7, 16, 16, 16, 32]);
        let tried = |hidden: &[usize], rows| numbers_of_slices(&gpu, &layout(hidden, rows));
        assert_eq!(tried(&ten, 200), [7].into());
        assert_eq!(tried(&ten, 4096), [16, 32, 64].into());
        assert_eq!(tried(&ten, 10_000), [16, 32, 64].into());
        assert_eq!(tried(&ten, 65_536), [16, 32, 64].into());
        // A slice of at most 4,096 samples.
        assert_eq!(tried(&ten, 1 << 20), [256].into());
        // Parameters of 5.3 MB: 12 slices take 64 MiB.
        let deep = [127; 81];
        let parameters = layout(&deep, 1).parameters();
        assert!(16 * 4 * parameters > SLICES_BYTES && 12 * 4 * parameters < SLICES_BYTES);
        assert_eq!(tried(&deep, 10_000), [16].into());
        for rows in [512, 1_000, 4_096, 10_000, 65_536] {
            for hidden in [&[8][..], &[100; 10], &[128; 20], &[127; 40]] {
                let layout = layout(hidden, rows);
                for slices in numbers_of_slices(&gpu, &layout) {
                    let bytes = 4 * slices * layout.parameters();
                    assert!(slices <= 16 || bytes <= SLICES_BYTES, "{hidden:?}, {rows} rows");
                }
            }
        }
        let software = Abilities { software: true, ..gpu.clone() };
        assert_eq!(numbers_of_slices(&software, &layout(&ten, 1_000)), [1].into());
    }

    #[test]
    fn shapes_need_no_more_than_the_device_has() {
        let small = wgpu::Limits::default();
        for width in 1..=128 {
            let layout = layout(&[width], 1_000);
            for limits in [small.clone(), desktop_limits()] {
                let all = candidates(&Abilities::of_gpu(limits.clone()), &layout);
                for shape in all.iter().flat_map(|shapes| [shapes.step, shapes.gradients]) {
                    let invocations = limits.max_compute_invocations_per_workgroup;
                    assert!(shape.workgroup() <= invocations, "{shape}, width {width}");
                }
                let memory_of = |shapes: &Shapes| memory(shapes.step, &layout);
                let most = all.iter().map(memory_of).max().expect("some");
                assert!(most <= limits.max_compute_workgroup_storage_size as usize);
            }
            // With more than the default: 64 sums, and whole warps for both kernels.
            let all = candidates(&Abilities::of_gpu(desktop_limits()), &layout);
            let is_whole =
                |shape: Shape| shape.is_cooperative() && shape.workgroup().is_multiple_of(32);
            // 128 neurons, with their biases, would need 544 invocations.
            assert!(width == 128 || all.iter().any(|s| is_whole(s.step)), "width {width}");
            assert!(all.iter().any(|shapes| is_whole(shapes.gradients)), "width {width}");
            let has_many = |shapes: &Shapes| shapes.step.sums() >= 64.0;
            assert_eq!(all.iter().any(has_many), width < 120, "width {width}");
        }
        // Of a layer of 100, only where there is more memory.
        let all = candidates(&Abilities::of_gpu(small), &layout(&[100; 10], 1_000));
        assert!(all.iter().all(|shapes| shapes.step.sums() <= 32.0));
    }

    /// The shapes with split sums on a GPU with subgroups of at least so many lanes.
    fn split(subgroup: u32, layout: &Layout) -> Vec<Shape> {
        let gpu = Abilities { subgroup, ..Abilities::of_gpu(desktop_limits()) };
        let steps = candidates(&gpu, layout).into_iter().map(|shapes| shapes.step);
        steps.filter(|step| step.split).collect()
    }

    #[test]
    fn sums_are_split_for_small_batches_on_real_gpus_with_subgroups() {
        let ten = [100; 10];
        let few = layout(&ten, 200);
        let lanes = |subgroup| {
            split(subgroup, &few).iter().map(|step| (step.lanes, step.rows)).collect::<Vec<_>>()
        };
        assert_eq!(lanes(0), []);
        // Groups of 8 lanes would lie across subgroups.
        assert_eq!(lanes(4), []);
        assert_eq!(lanes(12), []);
        assert_eq!(lanes(8), [(8, 4), (8, 8), (8, 2)]);
        assert_eq!(lanes(16), [(8, 4), (8, 8), (16, 4), (8, 2), (16, 8)]);
        assert_eq!(lanes(32), lanes(16), "832 invocations are too many");
        assert_eq!(split(64, &layout(&[40], 200)).len(), SPLIT.len());
        assert!(split(32, &layout(&ten, FEW_ROWS)).is_empty());
        assert!(!split(32, &layout(&ten, FEW_ROWS - 1)).is_empty());
        // What is taken unmeasured splits no sums, and neither does a software adapter.
        let gpu = Abilities { subgroup: 32, ..Abilities::of_gpu(desktop_limits()) };
        let plain = Abilities::of_gpu(desktop_limits());
        assert_eq!(candidates(&gpu, &few)[0], candidates(&plain, &few)[0]);
        let software = Abilities { software: true, ..gpu };
        assert!(candidates(&software, &few).iter().all(|shapes| !shapes.step.split));
    }

    #[test]
    fn split_sums_fit_lanes_registers_and_memory() {
        for width in 1..=128 {
            let layout = layout(&[width; 3], 200);
            let shapes = split(64, &layout);
            assert!(!shapes.is_empty(), "width {width}");
            for step in shapes {
                // A lane has at least one column of one sample in the end, and at most four.
                assert!(step.lanes <= 4 * step.rows && step.rows <= step.lanes, "{step}");
                assert!(step.workgroup() <= MOST_INVOCATIONS, "{step}");
                let needed = Split::new(&layout, step);
                assert!(needed.memory() <= 32 << 10 && needed.has_registers(), "{step}");
                assert_eq!(memory(step, &layout), needed.memory());
            }
        }
        // Sums of 129 terms for 8 samples leave no register.
        let widest = split(64, &layout(&[128; 3], 200));
        assert!(widest.iter().all(|step| (step.lanes, step.rows) != (8, 8)), "{widest:?}");
    }
}
