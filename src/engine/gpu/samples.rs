//! A dataset on the device, and how a batch is gathered from it.

use super::arguments::{Gather, GatherPixels};
use super::device::Gpu;
use super::kernels::KernelKey;
use super::recorder::{Grid, Recorder};
use crate::dataset::{Dataset, Grid as Places, Packing, Pixels, Samples};
use crate::error::{Error, Result};
use std::borrow::Cow;
use std::ops::Range;

/// Samples that are uploaded at once, so that little of a picture is twice in memory.
const UPLOADED: usize = 1 << 22;

/// The error of samples for which the device has no memory; others stay as they are.
fn too_many(adapter: &str, error: Error, rows: usize, width: usize) -> Error {
    match error {
        Error::OutOfMemory { .. } => Error::OutOfMemory {
            what: format!("{rows} samples on {adapter}"),
            needed: 4 * rows as u64 * width as u64,
            advice:
                "train on fewer (paint --max-pixels), or on the CPU engine (paint --backend cpu)"
                    .into(),
        },
        other => other,
    }
}

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
        let all = values.len() / width;
        Self::upload_with(gpu, label, all, width, |rows| {
            Cow::Borrowed(bytemuck::cast_slice(&values[rows.start * width..rows.end * width]))
        })
        .await
    }

    /// `all` rows of `width` words, a few at a time.
    async fn upload_with<'a>(
        gpu: &Gpu,
        label: &str,
        all: usize,
        width: usize,
        words: impl Fn(Range<usize>) -> Cow<'a, [u32]>,
    ) -> Result<Self> {
        let rows = (gpu.largest_buffer() / (4 * width as u64)).max(1) as usize;
        let mut buffers = Vec::new();
        for first in (0..all).step_by(rows) {
            let end = all.min(first + rows);
            let what = format!("{label}, part {}", buffers.len() + 1);
            let buffer = gpu.storage(&what, (end - first) * width).await;
            let buffer = buffer.map_err(|error| too_many(&gpu.info.adapter, error, all, width))?;
            for part in (first..end).step_by(UPLOADED) {
                let words = words(part..end.min(part + UPLOADED));
                gpu.write_at(&buffer, (4 * (part - first) * width) as u64, &words);
            }
            buffers.push(buffer);
        }
        Ok(Self { rows, all, buffers })
    }

    /// The inputs of a dataset, rows of `width` numbers.
    pub(super) async fn inputs(gpu: &Gpu, values: &[f32], width: usize) -> Result<Self> {
        Self::upload(gpu, "inputs of the dataset", values, width).await
    }

    /// The targets of a dataset, rows of `width` numbers.
    pub(super) async fn targets(gpu: &Gpu, values: &[f32], width: usize) -> Result<Self> {
        Self::upload(gpu, "targets of the dataset", values, width).await
    }

    /// The pixels of a picture, one or two words each.
    pub(super) async fn pixels(gpu: &Gpu, pixels: &Pixels) -> Result<Self> {
        let pitch = pixels.packing().pitch as usize;
        let words = |range| Cow::Owned(pixels.words(range));
        Self::upload_with(gpu, "pixels", pixels.len(), pitch, words).await
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
    /// Pixels, one or two words each.
    Pixels { words: Segments, channels: usize, places: Places, packing: Packing },
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
                words: Segments::pixels(gpu, pixels).await?,
                channels: pixels.channels,
                places: pixels.grid,
                packing: pixels.packing(),
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
            Rows::Pixels { words, channels, places, packing } => {
                for (buffer, first, count) in words.each() {
                    let [scale_x, scale_y] = places.scale;
                    let [origin_x, origin_y] = places.origin;
                    let arguments = GatherPixels {
                        batch: rows,
                        channels: *channels as u32,
                        offset,
                        segment_first: first,
                        segment_rows: count,
                        bits: packing.bits,
                        pitch: packing.pitch,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_without_memory_are_one_clear_error() {
        let [what, advice] = ["the buffer 'pixels'", "lower the batch size"].map(String::from);
        let memory = Error::OutOfMemory { what, needed: 16, advice };
        let error = too_many("a card", memory, 1000, 2);
        assert!(matches!(error, Error::OutOfMemory { needed: 8000, .. }), "{error}");
        let text = error.to_string();
        for part in ["1000 samples on a card", "--max-pixels", "--backend cpu"] {
            assert!(text.contains(part), "{text}");
        }
        let refused = Error::Gpu { what: "pixels".into(), reason: "validation".into() };
        let other = too_many("a card", refused, 1000, 2);
        assert!(matches!(other, Error::Gpu { .. }), "{other}");
    }
}
