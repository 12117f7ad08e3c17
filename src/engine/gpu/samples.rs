//! A dataset on the device.

use super::device::Gpu;
use super::kernels::KernelKey;
use super::recorder::{Grid, Recorder};
use crate::dataset::{Dataset, Grid as Places, Samples};
use crate::error::Result;
use std::ops::Range;

/// A part of a step's batch.
#[derive(Clone)]
pub(super) struct Part {
    /// Its rows within the batch.
    pub(super) rows: Range<usize>,
    /// Samples in the whole batch.
    pub(super) batch: usize,
}

/// Rows on the device, in as many buffers as its limits ask for.
pub(super) struct Segments {
    /// Rows in each but the last.
    rows: usize,
    /// Rows in all.
    all: usize,
    pub(super) buffers: Vec<wgpu::Buffer>,
}

impl Segments {
    async fn upload<T: bytemuck::NoUninit>(
        gpu: &Gpu,
        label: &str,
        values: &[T],
        width: usize,
    ) -> Result<Self> {
        let rows = (gpu.largest_buffer() / (4 * width as u64)).max(1) as usize;
        let mut buffers = Vec::new();
        for (position, segment) in values.chunks(rows * width).enumerate() {
            buffers.push(gpu.upload(&format!("{label}, part {}", position + 1), segment).await?);
        }
        Ok(Self { rows, all: values.len() / width, buffers })
    }

    /// Each buffer with its first row and how many it has.
    fn each(&self) -> impl Iterator<Item = (&wgpu::Buffer, u32, u32)> {
        self.buffers.iter().enumerate().map(|(position, buffer)| {
            let first = position * self.rows;
            (buffer, first as u32, self.rows.min(self.all - first) as u32)
        })
    }
}

/// The samples of a dataset.
pub(super) enum Stored {
    /// Rows of inputs and of targets.
    Table { inputs: (Segments, usize), targets: (Segments, usize) },
    /// Pixels, a word each.
    Pixels { words: Segments, channels: usize, places: Places },
}

impl Stored {
    pub(super) async fn upload(gpu: &Gpu, dataset: &Dataset) -> Result<Self> {
        Ok(match dataset.samples() {
            Samples::Table(table) => {
                let (inputs, targets) = (&table.inputs, &table.targets);
                let (wide_in, wide_out) = (table.input_width, table.target_width);
                let label = "inputs of the dataset";
                let inputs = (Segments::upload(gpu, label, inputs, wide_in).await?, wide_in);
                let label = "targets of the dataset";
                let targets = (Segments::upload(gpu, label, targets, wide_out).await?, wide_out);
                Self::Table { inputs, targets }
            }
            Samples::Pixels(pixels) => Self::Pixels {
                words: Segments::upload(gpu, "pixels", &pixels.words, 1).await?,
                channels: pixels.channels,
                places: pixels.grid,
            },
        })
    }

    /// Records the gathering of a part of a batch.
    pub(super) async fn record_gather(
        &self,
        recorder: &mut Recorder<'_>,
        part: &Part,
        [inputs, targets]: [&wgpu::Buffer; 2],
    ) -> Result<()> {
        let (rows, offset) = (part.rows.len() as u32, part.rows.start as u32);
        let grid = Grid::Elements(part.rows.len());
        match self {
            Self::Table { inputs: stored_inputs, targets: stored_targets } => {
                for ((segments, width), to) in [(stored_inputs, inputs), (stored_targets, targets)]
                {
                    for (buffer, first, count) in segments.each() {
                        let shape = [rows, *width as u32, offset, first, count];
                        let key = KernelKey::new("gather");
                        recorder.call(key, &shape, &[buffer, to], grid).await?;
                    }
                }
            }
            Self::Pixels { words, channels, places } => {
                for (buffer, first, count) in words.each() {
                    let [x, y] = places.scale.map(f32::to_bits);
                    let shape = [
                        rows,
                        *channels as u32,
                        offset,
                        first,
                        count,
                        places.width as u32,
                        x,
                        y,
                        places.origin.to_bits(),
                    ];
                    let key = KernelKey::new("gather_pixels");
                    recorder.call(key, &shape, &[buffer, inputs, targets], grid).await?;
                }
            }
        }
        Ok(())
    }
}
