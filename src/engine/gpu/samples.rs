//! A dataset on the device, and how a batch is gathered from it.

use super::arguments::{Gather, GatherPixels};
use super::device::Gpu;
use super::kernels::KernelKey;
use super::recorder::{Grid, Recorder};
use crate::dataset::{Dataset, Grid as Places, Samples};
use crate::error::Result;
use std::borrow::Cow;
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

    /// The inputs of a dataset, rows of `width` numbers.
    pub(super) async fn inputs(gpu: &Gpu, values: &[f32], width: usize) -> Result<Self> {
        Self::upload(gpu, "inputs of the dataset", values, width).await
    }

    /// The targets of a dataset, rows of `width` numbers.
    pub(super) async fn targets(gpu: &Gpu, values: &[f32], width: usize) -> Result<Self> {
        Self::upload(gpu, "targets of the dataset", values, width).await
    }

    /// The pixels of a picture, a word each.
    pub(super) async fn pixels(gpu: &Gpu, words: &[u32]) -> Result<Self> {
        Self::upload(gpu, "pixels", words, 1).await
    }

    /// Records the gathering of a part of a batch, rows of `width` numbers.
    async fn record_gather(
        &self,
        recorder: &mut Recorder<'_>,
        part: &Part,
        width: usize,
        to: &wgpu::Buffer,
    ) -> Result<()> {
        let (rows, offset) = (part.rows.len() as u32, part.rows.start as u32);
        for (buffer, first, count) in self.each() {
            let arguments = Gather {
                batch: rows,
                width: width as u32,
                offset,
                segment_first: first,
                segment_rows: count,
            };
            let grid = Grid::Elements(part.rows.len());
            recorder.call(KernelKey::new("gather"), &arguments, &[buffer, to], grid).await?;
        }
        Ok(())
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
pub(super) struct Stored {
    pub(super) rows: Rows,
    pub(super) weights: Weights,
}

/// Where the weights of samples are.
pub(super) enum Weights {
    /// The samples have no weights.
    None,
    /// In each row of targets, behind them.
    BehindTargets,
    /// By themselves.
    Own(Segments),
}

/// Inputs and targets of samples.
pub(super) enum Rows {
    /// Rows of inputs and of targets.
    Table { inputs: (Segments, usize), targets: (Segments, usize) },
    /// Pixels, a word each.
    Pixels { words: Segments, channels: usize, places: Places },
}

impl Stored {
    /// Uploads a dataset. The weights of rows go behind their targets if that is wanted.
    pub(super) async fn upload(gpu: &Gpu, dataset: &Dataset, behind: bool) -> Result<Self> {
        let weights = dataset.stored_weights();
        let mut is_behind = false;
        let rows = match dataset.samples() {
            Samples::Table(table) => {
                let (wide_in, mut wide_out) = (table.input_width, table.target_width);
                let mut targets = Cow::from(table.targets());
                if let Some(weights) = weights.filter(|_| behind) {
                    let rows = table.targets().chunks_exact(wide_out).zip(weights);
                    let rows = rows.flat_map(|(row, weight)| row.iter().chain([weight]));
                    targets = rows.copied().collect();
                    wide_out += 1;
                    is_behind = true;
                }
                let inputs = Segments::inputs(gpu, table.inputs(), wide_in).await?;
                let targets = Segments::targets(gpu, &targets, wide_out).await?;
                Rows::Table { inputs: (inputs, wide_in), targets: (targets, wide_out) }
            }
            Samples::Pixels(pixels) => Rows::Pixels {
                words: Segments::pixels(gpu, &pixels.words).await?,
                channels: pixels.channels,
                places: pixels.grid,
            },
        };
        let weights = match weights {
            None => Weights::None,
            Some(_) if is_behind => Weights::BehindTargets,
            Some(weights) => {
                Weights::Own(Segments::upload(gpu, "weights of samples", weights, 1).await?)
            }
        };
        Ok(Self { rows, weights })
    }

    /// Its buffers.
    pub(super) fn buffers(&self) -> Vec<&wgpu::Buffer> {
        let weights = match &self.weights {
            Weights::Own(weights) => Some(weights),
            Weights::None | Weights::BehindTargets => None,
        };
        let rows = match &self.rows {
            Rows::Table { inputs: (inputs, _), targets: (targets, _) } => vec![inputs, targets],
            Rows::Pixels { words, .. } => vec![words],
        };
        rows.into_iter().chain(weights).flat_map(|segments| &segments.buffers).collect()
    }

    /// Records the gathering of a part of a batch: inputs and targets, and the weights if there is a
    /// buffer for them.
    pub(super) async fn record_gather(
        &self,
        recorder: &mut Recorder<'_>,
        part: &Part,
        [inputs, targets]: [&wgpu::Buffer; 2],
        weights: Option<&wgpu::Buffer>,
    ) -> Result<()> {
        let (rows, offset) = (part.rows.len() as u32, part.rows.start as u32);
        let grid = Grid::Elements(part.rows.len());
        if let (Weights::Own(stored), Some(to)) = (&self.weights, weights) {
            stored.record_gather(recorder, part, 1, to).await?;
        }
        match &self.rows {
            Rows::Table { inputs: (stored_inputs, width), targets: (stored_targets, outputs) } => {
                stored_inputs.record_gather(recorder, part, *width, inputs).await?;
                stored_targets.record_gather(recorder, part, *outputs, targets).await?;
            }
            Rows::Pixels { words, channels, places } => {
                for (buffer, first, count) in words.each() {
                    let [scale_x, scale_y] = places.scale;
                    let [origin_x, origin_y] = places.origin;
                    let arguments = GatherPixels {
                        batch: rows,
                        channels: *channels as u32,
                        offset,
                        segment_first: first,
                        segment_rows: count,
                        width: places.width as u32,
                        scale_x,
                        scale_y,
                        origin_x,
                        origin_y,
                    };
                    let key = KernelKey::new("gather_pixels");
                    recorder.call(key, &arguments, &[buffer, inputs, targets], grid).await?;
                }
            }
        }
        Ok(())
    }
}
