//! Tests of the kernels of encodings against their twins.

use super::{Case, FEW, adapters, assert_near, double, random, run};
use crate::activation::Activation;
use crate::engine::gpu::arguments::{Encode, GridGradient, LargestDelta, ScatteredGradient};
use crate::engine::gpu::device::Gpu;
use crate::engine::gpu::encodings::{self, Inputs, SCATTERING};
use crate::engine::gpu::kernels::KernelKey;
use crate::engine::gpu::recorder::Grid;
use crate::engine::reference;
use crate::grid::Grid as FeatureGrid;
use crate::input_encoding::{InputEncoding, Leaf, Leaves};
use crate::network::Network;
use std::sync::Arc;

/// Encodings of so many inputs, in every form.
pub(in crate::engine::gpu) const ENCODINGS: [(usize, &str); 16] = [
    (3, "scaled:scale=-1.5,offset=0.25"),
    (2, "triangle-wave:octaves=5"),
    (1, "triangle-wave:octaves=24"),
    (2, "one-blob:bins=5"),
    (1, "one-blob:bins=1"),
    (3, "spherical-harmonics:degree=8"),
    (3, "spherical-harmonics:degree=1"),
    (2, "grid:levels=3,base_resolution=3,log2_size=4,level_scale=1.7"),
    (1, "grid:levels=2,base_resolution=3,interpolation=smoothstep,features=4"),
    (3, "grid:levels=2,base_resolution=2,interpolation=smoothstep,kind=dense,features=1"),
    (3, "grid:levels=2,base_resolution=3,interpolation=nearest,log2_size=3"),
    (4, "grid:levels=2,base_resolution=2,kind=tiled,features=8"),
    (2, "grid:levels=20,base_resolution=2,log2_size=6,level_scale=2"),
    (2, "identity+frequency:octaves=2+grid:levels=1,base_resolution=4+fourier:features=3,scale=2"),
    (3, PRODUCT),
    (2, NESTED),
];

/// Grids, waves and blobs of some inputs, multiplied and added.
const PRODUCT: &str = r#"{"composite":{"reduction":"product","parts":[
    {"inputs":{"start":0,"end":2},"encoding":{"grid":{"kind":"dense","levels":2,"features":2,
        "log2_size":4,"base_resolution":3,"level_scale":1.5,"interpolation":"linear"}}},
    {"encoding":{"composite":{"reduction":"sum","parts":[
        {"inputs":{"start":2,"end":3},"encoding":{"frequency":{"octaves":2}}},
        {"inputs":{"start":0,"end":1},"encoding":{"one-blob":{"bins":4}}}]}}}]}}"#;

/// Products beside others, within a product.
const NESTED: &str = r#"{"composite":{"reduction":"concatenation","parts":[
    {"encoding":"identity"},
    {"encoding":{"composite":{"reduction":"product","parts":[
        {"encoding":{"scaled":{"scale":2.0,"offset":1.0}}},
        {"encoding":"identity"},
        {"encoding":{"composite":{"reduction":"concatenation","parts":[
            {"inputs":{"start":1,"end":2},"encoding":"identity"},
            {"inputs":{"start":0,"end":1},"encoding":{"triangle-wave":{"octaves":1}}}]}}}]}}}]}}"#;

/// A network with this encoding.
pub(in crate::engine::gpu) fn network(inputs: usize, encoding: &str) -> Network {
    let encoding = encoding.parse::<InputEncoding>().expect("an encoding");
    let builder = Network::builder(inputs).encoding(encoding).hidden(&[3], Activation::Tanh);
    builder.output(2, Activation::Identity).build().expect("a network")
}

/// The same with tables of random numbers, which f32 holds.
fn filled(inputs: usize, encoding: &str, seed: u64) -> Network {
    let mut network = network(inputs, encoding);
    let parameters = double(&random(seed, network.count()));
    network.set_parameters(&parameters).expect("finite");
    network
}

fn grids(leaves: &Leaves) -> impl Iterator<Item = (FeatureGrid, &Leaf)> {
    leaves.all.iter().filter_map(|leaf| Some((leaf.grid()?, leaf)))
}

/// How much faster than an input waves turn. The weights of a grid are exact to a unit, however fine it is.
fn steepness(leaves: &Leaves) -> f64 {
    let waves = encodings::frequencies(leaves).1.into_iter();
    waves.map(|turns| 16.0 * f64::from(turns.abs())).fold(1.0, f64::max)
}

/// The largest number that the inputs of a grid are multiplied by.
fn finest(leaves: &Leaves) -> f64 {
    let levels = grids(leaves).flat_map(|(grid, leaf)| grid.levels(leaf.inputs.len()));
    levels.map(|level| f64::from(level.scale)).fold(1.0, f64::max)
}

/// Inputs in [-1, 2], at which no number of a sample is near where something leaps: a corner of a grid, the edge of a bin
/// or of a triangle. With rounding errors they might otherwise be on either side of it.
fn inputs(network: &Network, samples: usize, seed: u64) -> Vec<f32> {
    let leaves = network.leaves();
    let scales = grids(&leaves).flat_map(|(grid, leaf)| grid.levels(leaf.inputs.len()));
    let scales: Vec<f32> = scales.map(|level| level.scale).collect();
    let far = |x: f32| {
        let off = |place: f64| (place - place.round()).abs() > 1e-3;
        let x = f64::from(x);
        scales.iter().all(|scale| off(x * f64::from(*scale) + 0.5)) && off(20.0 * x)
    };
    let mut all = Vec::new();
    for round in 0.. {
        let numbers = random(seed + 1000 * round, samples * network.inputs());
        all.extend(numbers.into_iter().map(|x| 0.75 * x + 0.5).filter(|x| far(*x)));
        if all.len() >= samples * network.inputs() {
            break;
        }
    }
    all.truncate(samples * network.inputs());
    all
}

/// The network's tables in f32, behind some other numbers.
fn tables(network: &Network, before: usize) -> Vec<f32> {
    let tables = network.parameters()[..network.encoding_parameters()].iter().map(|p| *p as f32);
    std::iter::repeat_n(f32::NAN, before).chain(tables).collect()
}

/// `[rows, width]` row by row as columns that follow each other, with room for `capacity` rows.
fn transposed(rows: &[f32], width: usize, capacity: usize) -> Vec<f32> {
    let mut columns = vec![0.0; capacity * width];
    for (row, numbers) in rows.chunks(width).enumerate() {
        for (column, number) in numbers.iter().enumerate() {
            columns[column * capacity + row] = *number;
        }
    }
    columns
}

/// Runs on every adapter with every encoding and some numbers of samples.
fn on_encodings(check: impl Fn(&Arc<Gpu>, &Network, usize, u64)) {
    for gpu in adapters() {
        for (number, (inputs, encoding)) in (0..).zip(ENCODINGS) {
            let network = filled(inputs, encoding, number);
            for samples in [1, 7, 300] {
                check(&gpu, &network, samples, number);
            }
        }
    }
}

pub(super) fn encode() {
    on_encodings(|gpu, network, samples, seed| {
        let leaves = network.leaves();
        let x = inputs(network, samples, seed);
        let expected = reference::encode_columns(network, &leaves, &double(&x));
        let (_, frequencies) = encodings::frequencies(&leaves);
        let before = (seed % 5) as usize;
        let table = tables(network, before);
        for (capacity, scatters) in [(0, false), (samples + 3, table.len() > before)] {
            let count = samples.max(capacity) * leaves.columns;
            let (columns, largest) = (vec![f32::NAN; count], [1.0]);
            let mut buffers: Vec<&[f32]> = Vec::new();
            if table.len() > before {
                buffers.push(&table);
            }
            buffers.push(&x);
            if !frequencies.is_empty() {
                buffers.push(&frequencies);
            }
            let place = buffers.len();
            buffers.push(&columns);
            if scatters {
                buffers.push(&largest);
            }
            let units = encodings::all_units(&leaves);
            // Several units and rows an invocation, or one.
            let grid = if seed % 2 == 0 { [1, 2, 1] } else { [samples.div_ceil(128), units, 1] };
            let case = Case {
                key: encodings::encode(network, Inputs::Gathered, scatters).expect("a template"),
                arguments: Encode {
                    rows: samples as u32,
                    capacity: capacity as u32,
                    tables: before as u32,
                },
                buffers,
                grid: Grid::Workgroups(grid),
                step: None,
            };
            let got = run(gpu, case);
            let got_columns = if capacity == 0 {
                got[place].clone()
            } else {
                let all = transposed(&got[place], capacity, leaves.columns);
                all[..samples * leaves.columns].to_vec()
            };
            if scatters {
                assert_eq!(got[place + 1], [0.0], "for the next maximum");
            }
            // A rounded place moves the weights of 2ᵈ features, bins and turns; harmonics are polynomials whose terms
            // grow with the degree, outside of the sphere most.
            let size = FEW * 64.0 * steepness(&leaves);
            let grows = network.encoding().name().contains("harmonics");
            let grown = if grows { 1e3 } else { 1.0 };
            let sizes: Vec<f64> = expected.iter().map(|y| (size + y.abs()) * grown).collect();
            let what = format!("{} of {samples}", network.encoding());
            assert_near(&what, &got_columns, &expected, &sizes, 1.0);
        }
    });
}

/// Columns and deltas of any numbers: the twins take what they are given.
pub(super) fn combine_and_its_gradient() {
    on_encodings(|gpu, network, samples, seed| {
        let leaves = network.leaves();
        let Some(root) = &leaves.root else { return };
        let (wide, outputs) = (leaves.columns, root.outputs());
        let columns = random(seed, samples * wide);
        let deltas = random(seed + 1, samples * outputs);
        let (mut expected, mut gradient) =
            (vec![0.0; samples * outputs], vec![0.0; samples * wide]);
        let rows = columns.chunks(wide).zip(deltas.chunks(outputs));
        let into = expected.chunks_mut(outputs).zip(gradient.chunks_mut(wide));
        for ((columns, deltas), (expected, gradient)) in rows.zip(into) {
            root.combine(&double(columns), expected);
            root.combine_gradient(&double(columns), &double(deltas), gradient);
        }
        for capacity in [0, samples + 2] {
            let arguments = Encode { rows: samples as u32, capacity: capacity as u32, tables: 0 };
            let stored =
                if capacity == 0 { columns.clone() } else { transposed(&columns, wide, capacity) };
            let first = vec![f32::NAN; samples.max(capacity) * outputs];
            let grid = Grid::Workgroups([samples.div_ceil(128), 1 + seed as usize % 2, 1]);
            let key = encodings::combine(network).expect("a template").expect("combines");
            let case = Case { key, arguments, buffers: vec![&stored, &first], grid, step: None };
            let got = &run(gpu, case)[1];
            let got = if capacity == 0 {
                got.clone()
            } else {
                transposed(got, capacity, outputs)[..samples * outputs].to_vec()
            };
            // Sums and products of a few numbers below 4.
            let what = format!("{} of {samples}", network.encoding());
            assert_near(&what, &got, &expected, &vec![64.0; expected.len()], FEW);
            let key = encodings::combine_gradient(network).expect("a template").expect("combines");
            let to = vec![f32::NAN; samples * wide];
            let buffers: Vec<&[f32]> = vec![&stored, &deltas, &to];
            let got = run(gpu, Case { key, arguments, buffers, grid, step: None });
            assert_near(&what, &got[2], &gradient, &vec![64.0; gradient.len()], FEW);
        }
    });
}

/// The gradient of the tables by the three kernels: the words of the sums, and the gradient behind one number.
fn table_gradient(
    gpu: &Arc<Gpu>,
    network: &Network,
    x: &[f32],
    deltas: &[f32],
    [workgroup, workgroups, units]: [usize; 3],
    before: &[f32],
) -> (Vec<u32>, Vec<f32>) {
    let leaves = network.leaves();
    let (rows, count) = (x.len() / network.inputs(), network.encoding_parameters());
    let case = Case {
        key: KernelKey::new("largest_delta"),
        arguments: LargestDelta { count: deltas.len() as u32 },
        buffers: vec![deltas, &[0.0]],
        grid: Grid::Workgroups([workgroups, 1, 1]),
        step: None,
    };
    let largest = run(gpu, case)[1].clone();
    let headroom = (rows << network.inputs()).next_power_of_two().ilog2();
    let zeros = vec![0.0; 2 * count];
    let case = Case {
        key: encodings::grid_gradient(network, Inputs::Gathered, workgroup).expect("a template"),
        arguments: GridGradient { rows: rows as u32, capacity: 0, headroom },
        buffers: vec![deltas, x, &largest, &zeros],
        grid: Grid::Workgroups([workgroups, units.min(encodings::grid_units(&leaves)), 1]),
        step: None,
    };
    let sums = run(gpu, case)[3].clone();
    let to = if before.is_empty() { vec![f32::NAN; 1 + count] } else { before.to_vec() };
    let case = Case {
        key: KernelKey::new("scattered_gradient"),
        arguments: ScatteredGradient {
            count: count as u32,
            first: 1,
            accumulate: u32::from(!before.is_empty()),
            headroom,
        },
        buffers: vec![&sums, &largest, &to],
        grid: Grid::Elements(count),
        step: None,
    };
    let got = run(gpu, case);
    assert!(got[0].iter().all(|word| word.to_bits() == 0), "the sums are 0 afterwards");
    (sums.iter().map(|word| word.to_bits()).collect(), got[2][1..].to_vec())
}

pub(super) fn gradients_of_grids() {
    on_encodings(|gpu, network, samples, seed| {
        if network.encoding_parameters() == 0 {
            return;
        }
        let leaves = network.leaves();
        let x = inputs(network, samples, seed);
        let deltas = random(seed + 1, samples * leaves.columns);
        let mut expected = vec![0.0; network.encoding_parameters()];
        for (grid, leaf) in grids(&leaves) {
            let some = |numbers: &[f32], all: usize, range: std::ops::Range<usize>| {
                let rows = numbers.chunks(all);
                rows.flat_map(|row| double(&row[range.clone()])).collect::<Vec<f64>>()
            };
            let own = some(&x, network.inputs(), leaf.inputs.clone());
            let delta = some(&deltas, leaves.columns, leaf.columns.clone());
            let gradient = &mut expected[leaf.table.clone()];
            reference::grid_encoding_gradient(grid, &own, leaf.inputs.len(), &delta, gradient);
        }
        let what = format!("{} of {samples}", network.encoding());
        let shape = [SCATTERING, samples.div_ceil(SCATTERING), usize::MAX];
        let (_, got) = table_gradient(gpu, network, &x, &deltas, shape, &[]);
        // Each term is off by what its weight is, whose place is at most the steepness.
        let sizes = vec![samples as f64 * 16.0 * steepness(&leaves); expected.len()];
        assert_near(&what, &got, &expected, &sizes, FEW);
        let untouched = expected.iter().zip(&got).filter(|(expected, _)| **expected == 0.0);
        assert!(untouched.into_iter().all(|(_, got)| *got == 0.0), "untouched, {what}");
        // Added to what is there.
        let before = random(seed + 2, 1 + expected.len());
        let (_, added) = table_gradient(gpu, network, &x, &deltas, shape, &before);
        let sums = got.iter().zip(&before[1..]).map(|(got, before)| f64::from(got + before));
        let sums: Vec<f64> = sums.collect();
        assert_near(&what, &added, &sums, &vec![4.0 + sizes[0]; sums.len()], 1.0);
    });
}

/// At places halfway between corners all weights are 1/4. The terms of each sum are then exact, and so is the sum, though
/// they are of all sizes and f32 would lose most of them. Neither workgroups nor the order of samples change a bit.
pub(super) fn sums_of_grids_depend_on_no_order() {
    const SAMPLES: usize = 1000;
    let network = network(2, "grid:levels=1,base_resolution=3,kind=dense,features=1");
    for gpu in adapters() {
        // One cell: x·2 + 1/2 is 1/2 at x = 0, and 3/2 at x = 1/2.
        let x: Vec<f32> = (0..2 * SAMPLES).map(|i| if i % 3 == 0 { 0.5 } else { 0.0 }).collect();
        let deltas: Vec<f32> = random(7, SAMPLES)
            .into_iter()
            .zip(0..)
            .map(|(delta, i)| (delta * 4096.0).round() / 4096.0 * (0.5_f32).powi(i % 17))
            .collect();
        let mut expected = vec![0.0; network.encoding_parameters()];
        let grid = network.leaves().all[0].grid().expect("a grid");
        reference::grid_encoding_gradient(grid, &double(&x), 2, &double(&deltas), &mut expected);
        let run = |x: &[f32], deltas: &[f32], shape| {
            table_gradient(&gpu, &network, x, deltas, shape, &[])
        };
        let found = run(&x, &deltas, [128, 8, 1]);
        // The sum is rounded to f32 twice, the terms not at all.
        assert_near("exact", &found.1, &expected, &expected, 3.0);
        for shape in [[64, 1, 1], [256, 3, 1], [32, 32, 1]] {
            assert_eq!(run(&x, &deltas, shape), found, "{shape:?}");
        }
        let backwards_x: Vec<f32> = x.chunks(2).rev().flatten().copied().collect();
        let backwards: Vec<f32> = deltas.iter().rev().copied().collect();
        assert_eq!(run(&backwards_x, &backwards, [128, 8, 1]), found, "backwards");
        // Numbers of any size: the largest decides about the scale.
        for size in [-120, -60, 60, 100] {
            let grown: Vec<f32> = deltas.iter().map(|d| d * 2.0_f32.powi(size)).collect();
            let expected: Vec<f64> = expected.iter().map(|e| e * 2.0_f64.powi(size)).collect();
            let (sums, gradient) = run(&x, &grown, [128, 8, 1]);
            assert_near(&format!("2^{size}"), &gradient, &expected, &expected, 3.0);
            assert!(size < -100 || sums == found.0, "the same words at 2^{size}");
        }
        // The largest number that f32 holds in every sample: no sum overflows.
        let most = vec![f32::MAX / 2048.0; SAMPLES];
        let (_, gradient) = run(&x, &most, [128, 8, 1]);
        assert!(gradient.iter().all(|g| g.is_finite()) && gradient.iter().any(|g| *g > 1e37));
    }
}

pub(super) fn gradients_of_grids_that_are_not_finite() {
    let network = network(2, "grid:levels=1,base_resolution=3,kind=dense,features=1");
    for gpu in adapters() {
        for bad in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            let x = [0.3; 6];
            let (sums, gradient) =
                table_gradient(&gpu, &network, &x, &[1.0, bad, 2.0], [128, 1, 1], &[]);
            assert!(sums.iter().all(|word| *word == 0), "{bad}");
            assert!(gradient.iter().all(|g| g.is_nan()), "{bad}: {gradient:?}");
        }
    }
}

pub(super) fn gradients_of_inputs() {
    on_encodings(|gpu, network, samples, seed| {
        let leaves = network.leaves();
        let x = inputs(network, samples, seed);
        let deltas = random(seed + 1, samples * leaves.columns);
        // With respect to the columns themselves.
        if leaves.root.is_some() {
            return;
        }
        let expected =
            reference::encode_gradient(network, &double(&x), double(&deltas), None, true);
        let (_, frequencies) = encodings::frequencies(&leaves);
        let table = tables(network, 3);
        let to = vec![f32::NAN; x.len()];
        let mut buffers: Vec<&[f32]> = Vec::new();
        if table.len() > 3 {
            buffers.push(&table);
        }
        buffers.push(&x);
        if !frequencies.is_empty() {
            buffers.push(&frequencies);
        }
        buffers.extend([deltas.as_slice(), &to]);
        let case = Case {
            key: encodings::encoding_gradient(network).expect("a template"),
            arguments: Encode { rows: samples as u32, capacity: 0, tables: 3 },
            buffers,
            grid: Grid::Workgroups([samples.div_ceil(128), 1 + seed as usize % 2, 1]),
            step: None,
        };
        let got = run(gpu, case);
        // As the columns, times how steep they are.
        let steep = match network.encoding().name().as_str() {
            "triangle-wave" => ((leaves.columns / network.inputs() + 1) as f64).exp2(),
            "spherical-harmonics" => 1e4,
            "one-blob" => 64.0,
            _ => 64.0 * steepness(&leaves).powi(2) * finest(&leaves),
        };
        let columns = leaves.columns as f64;
        let sizes: Vec<f64> = expected.iter().map(|e| e.abs() + columns * steep).collect();
        let what = format!("{} of {samples}", network.encoding());
        assert_near(&what, got.last().expect("the gradient"), &expected, &sizes, FEW);
    });
}
