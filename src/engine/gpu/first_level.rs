//! What the first layer of a network is given, where its encoding is more than one set of waves, and its gradient.
//!
//! The kernel `encode` computes the columns of all encodings, and `combine` makes of them what the first layer is given,
//! if that is more than to put them one after the other. Backward, `combine_gradient` takes the gradient to the
//! columns, `encoding_gradient` from there to the inputs, and `grid_gradient` to the tables of grids.
//!
//! Samples share entries of a table, so their gradients meet in atomic additions, whose order differs from run to run.
//! The sums are of whole numbers, so they are the same in every order. WebGPU has no atomic numbers of 64 bits: each sum
//! has two words, and an addition to the low one returns what shows whether it overflowed. The scale of the whole
//! numbers is that of the batch: `largest_delta` finds the largest number, which also depends on no order. With at most
//! 2ʰ terms in a sum (h: the headroom), no sum can overflow, and a term is off by less than 2ʰ⁻⁶⁰ of the largest
//! number. A batch of 65,536 samples over 2 inputs has h = 18: 42 bits, where f32 has 24.

use super::arguments::{Encode, GridGradient, LargestDelta, ScatteredGradient};
use super::device::Gpu;
use super::encodings::{self, Inputs, SCATTERING};
use super::kernels::KernelKey;
use super::recorder::{Grid, Recorder, Work};
use crate::error::Result;
use crate::input_encoding::Leaves;
use crate::network::Network;

/// Rows of a workgroup of the kernels over rows and units.
const ROWS: usize = 128;

/// The most workgroups in a dimension that these kernels are dispatched in: each takes several rows or units if there
/// are more.
const MOST: usize = 1 << 15;

/// The numbers of a batch that come in and go out.
pub(super) struct Buffers<'a> {
    /// Those of the samples, at bindings 2 and 3 of the kernels; only the first where inputs are gathered.
    pub(super) samples: Vec<&'a wgpu::Buffer>,
    /// What the first layer is given.
    pub(super) first: &'a wgpu::Buffer,
    pub(super) parameters: &'a wgpu::Buffer,
}

/// Where the gradient of the tables goes.
pub(super) struct TableGradient<'a> {
    pub(super) gradient: &'a wgpu::Buffer,
    /// Its first number there.
    pub(super) first: usize,
    /// Whether it is added to what is there.
    pub(super) accumulate: bool,
}

/// The kernels of the encodings of a network, and their buffers.
pub(super) struct FirstLevel {
    leaves: Leaves,
    /// Rows between two columns where columns follow each other; 0 where rows do.
    capacity: usize,
    /// Where the tables begin among the parameters.
    tables: usize,
    /// Numbers in them.
    table_numbers: usize,
    encode: KernelKey,
    combine: Option<KernelKey>,
    frequencies: Option<wgpu::Buffer>,
    /// The columns of all encodings, if the first layer is not given them as they are.
    columns: Option<wgpu::Buffer>,
    combine_gradient: Option<KernelKey>,
    /// The gradient with respect to the columns, if they are combined, `[rows, columns]`.
    column_deltas: Option<wgpu::Buffer>,
    scattering: Option<Scattering>,
    inputs: usize,
    encoding_gradient: Option<KernelKey>,
}

/// What the gradient of the tables needs.
struct Scattering {
    key: KernelKey,
    /// The largest number of a batch, as bits.
    largest: wgpu::Buffer,
    /// Two words a number.
    sums: wgpu::Buffer,
}

/// What a first level is for.
#[derive(Clone, Copy)]
pub(super) struct Backward {
    /// Whether the gradient of the tables is computed, if there are any.
    pub(super) tables: bool,
    /// Whether that of the inputs is, which must be gathered.
    pub(super) inputs: bool,
}

/// The logarithm to base 2 of the terms that a number of a table can be the sum of, at most.
fn headroom(leaves: &Leaves, rows: usize) -> u32 {
    let grids = leaves.all.iter().filter(|leaf| leaf.grid().is_some());
    let corners = grids.map(|leaf| 1_usize << leaf.inputs.len()).max().unwrap_or(1);
    (rows * corners).next_power_of_two().ilog2()
}

impl FirstLevel {
    /// For `rows` samples at most, whose columns follow each other if `capacity` is not 0, of a network whose encoding
    /// is general. Its tables begin at `tables` among the parameters.
    pub(super) async fn new(
        gpu: &Gpu,
        network: &Network,
        inputs: Inputs,
        [rows, capacity, tables]: [usize; 3],
        backward: Backward,
    ) -> Result<Self> {
        let leaves = network.leaves();
        let table_numbers = network.encoding_parameters();
        let scatters = backward.tables && table_numbers > 0;
        let (_, frequencies) = encodings::frequencies(&leaves);
        let frequencies = if frequencies.is_empty() {
            None
        } else {
            Some(gpu.upload("frequencies of the encoding", &frequencies).await?)
        };
        let combine = encodings::combine(network)?;
        let goes_back = scatters || backward.inputs;
        let numbers = rows.max(capacity) * leaves.columns;
        let (mut columns, mut column_deltas) = (None, None);
        if combine.is_some() {
            columns = Some(gpu.storage("columns of the encodings", numbers).await?);
            if goes_back {
                column_deltas = Some(gpu.storage("deltas of the columns", numbers).await?);
            }
        }
        let scattering = if scatters {
            Some(Scattering {
                key: encodings::grid_gradient(network, inputs, SCATTERING)?,
                largest: gpu.storage("largest delta", 1).await?,
                sums: gpu.storage("sums of the tables' gradients", 2 * table_numbers).await?,
            })
        } else {
            None
        };
        Ok(Self {
            capacity,
            tables,
            table_numbers,
            encode: encodings::encode(network, inputs, scatters)?,
            combine,
            frequencies,
            columns,
            combine_gradient: encodings::combine_gradient(network)?,
            column_deltas,
            scattering,
            inputs: network.inputs(),
            encoding_gradient: if backward.inputs {
                Some(encodings::encoding_gradient(network)?)
            } else {
                None
            },
            leaves,
        })
    }

    fn arguments(&self, rows: usize) -> Encode {
        Encode { rows: rows as u32, capacity: self.capacity as u32, tables: self.tables as u32 }
    }

    /// A kernel over rows and so many units, which reads and writes so many numbers.
    fn work(rows: usize, units: usize, numbers: usize) -> Work {
        let grid = Grid::Workgroups([rows.div_ceil(ROWS).min(MOST), units.min(MOST), 1]);
        Work::new(grid, 0.0, numbers as f64)
    }

    /// Numbers of the tables that `rows` samples read at most.
    fn read_numbers(&self, rows: usize) -> usize {
        let grids = self.leaves.all.iter().filter(|leaf| leaf.grid().is_some());
        grids.map(|leaf| (rows * leaf.columns.len()) << leaf.inputs.len()).sum()
    }

    /// Records what the first layer is given for `rows` samples.
    pub(super) async fn record(
        &self,
        recorder: &mut Recorder<'_>,
        buffers: &Buffers<'_>,
        rows: usize,
    ) -> Result<()> {
        let Self { leaves, columns, frequencies, scattering, .. } = self;
        let arguments = self.arguments(rows);
        let to = columns.as_ref().unwrap_or(buffers.first);
        let mut operands = Vec::new();
        operands.extend((self.table_numbers > 0).then_some(buffers.parameters));
        operands.extend(&buffers.samples);
        operands.extend(frequencies);
        operands.push(to);
        operands.extend(scattering.as_ref().map(|scattering| &scattering.largest));
        let numbers = rows * (self.inputs + leaves.columns) + self.read_numbers(rows);
        let work = Self::work(rows, encodings::all_units(leaves), numbers);
        recorder.call(self.encode.clone(), &arguments, &operands, work).await?;
        let (Some(combine), Some(columns), Some(root)) = (&self.combine, columns, &leaves.root)
        else {
            return Ok(());
        };
        let numbers = rows * (leaves.columns + root.outputs());
        let work = Self::work(rows, root.outputs(), numbers);
        recorder.call(combine.clone(), &arguments, &[columns, buffers.first], work).await
    }

    /// Records the gradients of the tables and of the inputs, `[rows, inputs]`, if there are places for them. `deltas`
    /// is the gradient with respect to what the first layer is given, `[rows, fan_in]`.
    pub(super) async fn record_back(
        &self,
        recorder: &mut Recorder<'_>,
        buffers: &Buffers<'_>,
        deltas: &wgpu::Buffer,
        to: (Option<TableGradient<'_>>, Option<&wgpu::Buffer>),
        rows: usize,
    ) -> Result<()> {
        let Self { leaves, frequencies, .. } = self;
        let (tables, inputs) = to;
        let mut deltas = deltas;
        if let (Some(key), Some(columns), Some(own)) =
            (&self.combine_gradient, &self.columns, &self.column_deltas)
        {
            let work = Self::work(rows, leaves.columns, 3 * rows * leaves.columns);
            let operands = [columns, deltas, own];
            recorder.call(key.clone(), &self.arguments(rows), &operands, work).await?;
            deltas = own;
        }
        if let (Some(tables), Some(scattering)) = (tables, &self.scattering) {
            self.record_scattering(recorder, buffers, deltas, scattering, &tables, rows).await?;
        }
        let (Some(key), Some(inputs)) = (&self.encoding_gradient, inputs) else { return Ok(()) };
        let mut operands = Vec::new();
        operands.extend((self.table_numbers > 0).then_some(buffers.parameters));
        operands.extend(&buffers.samples);
        operands.extend(frequencies);
        operands.extend([deltas, inputs]);
        let numbers = rows * (2 * self.inputs + leaves.columns) + self.read_numbers(rows);
        let work = Self::work(rows, self.inputs, numbers);
        recorder.call(key.clone(), &self.arguments(rows), &operands, work).await
    }

    async fn record_scattering(
        &self,
        recorder: &mut Recorder<'_>,
        buffers: &Buffers<'_>,
        deltas: &wgpu::Buffer,
        Scattering { key, largest, sums }: &Scattering,
        to: &TableGradient<'_>,
        rows: usize,
    ) -> Result<()> {
        let leaves = &self.leaves;
        let count = rows * leaves.columns;
        let grid = Grid::Workgroups([count.div_ceil(256 * 16).clamp(1, 1024), 1, 1]);
        let work = Work::new(grid, count as f64, count as f64);
        let arguments = LargestDelta { count: count as u32 };
        let operands = [deltas, largest];
        recorder.call(KernelKey::new("largest_delta"), &arguments, &operands, work).await?;
        let headroom = headroom(leaves, rows);
        let mut operands = vec![deltas];
        operands.extend(&buffers.samples);
        operands.extend([largest, sums]);
        let numbers = rows * (self.inputs + leaves.columns) + 4 * self.read_numbers(rows);
        let work = Self::work(rows, encodings::grid_units(leaves), numbers);
        let (rows, capacity) = (rows as u32, self.capacity as u32);
        let arguments = GridGradient { rows, capacity, headroom };
        recorder.call(key.clone(), &arguments, &operands, work).await?;
        let TableGradient { gradient, first, accumulate } = *to;
        let arguments = ScatteredGradient {
            count: self.table_numbers as u32,
            first: first as u32,
            accumulate: accumulate.into(),
            headroom,
        };
        let operands = [sums, largest, gradient];
        let grid = Grid::Elements(self.table_numbers);
        recorder.call(KernelKey::new("scattered_gradient"), &arguments, &operands, grid).await
    }
}
