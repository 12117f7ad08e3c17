//! Buffers and dispatches of the fused kernels, and the networks that they support.

pub(super) mod gradients;

use super::arguments::Matmul;
use super::device::Gpu;
use super::encodings::Inputs;
use super::evaluation::Sinks;
use super::first_level::{self, Backward, FirstLevel, TableGradient};
use super::kernels::KernelKey;
use super::layout::Layout;
use super::pass_buffers::{PassBuffers, Sizes};
use super::prediction::{self, Prediction};
use super::recorder::{Grid, Pass, Recorder, Work, layer_product};
use super::samples::{Rows, Segments, Stored, Weights};
use super::shape::{Abilities, Shape, Shapes};
use super::specialize::{self, Kind, Purpose, Samples};
use crate::dataset::{self, Dataset};
use crate::engine::Output;
use crate::error::{Error, Result, unsupported};
use crate::layer::Layer;
use crate::loss::Loss;
use crate::memory::{NARROWER, Need};
use crate::network::Network;
use std::fmt::Display;

/// The widest layer above the inputs.
pub(super) const WIDEST: usize = 128;

/// The most samples that are predicted at once.
pub(super) const PREDICTED: usize = 1 << 13;

/// Why no fused kernel can run where a network would fit.
const NO_SHAPE: &str = "the fused kernels need more invocations or memory of a workgroup than there \
                        are on the device";

/// Why a batch or a dataset is too large.
const NO_BUFFER: &str = "the fused kernels take a batch and a dataset that fit in a buffer each and \
                         in a dispatch";

/// Error when the fused kernels turn out to be impossible only while they are built.
fn forced(reason: &str) -> Error {
    Error::Unsupported(format!("{reason}: choose the layerwise kernels"))
}

/// Whether the fused kernels can take this dataset.
///
/// # Errors
/// The reason why they cannot.
pub(super) fn check_dataset(gpu: &Gpu, dataset: &Dataset) -> Result<()> {
    let numbers = match dataset.samples() {
        dataset::Samples::Table(table) => {
            // The weights are behind the targets.
            let weights = dataset.stored_weights().map_or(0, <[f32]>::len);
            table.inputs().len().max(table.targets().len() + weights)
        }
        dataset::Samples::Pixels(pixels) => pixels.len() * pixels.packing().pitch as usize,
    };
    if 4 * numbers as u64 > gpu.largest_buffer() { unsupported(NO_BUFFER) } else { Ok(()) }
}

/// Whether the fused kernels can take `rows` samples through this network at a time.
///
/// # Errors
/// The reason why they cannot.
pub(super) fn check(gpu: &Gpu, network: &Network, rows: usize) -> Result<()> {
    if network.layers().iter().any(|layer| layer.fan_out > WIDEST) {
        return unsupported(format!("the fused kernels take layers of at most {WIDEST} neurons"));
    }
    let layout = Layout::new(network, rows);
    let candidates = gpu.candidates(&layout);
    if candidates.is_empty() {
        let unlimited = Abilities { most_turns: usize::MAX, ..gpu.abilities.clone() };
        if super::candidates::candidates(&unlimited, &layout).is_empty() {
            return unsupported(NO_SHAPE);
        }
        return unsupported(format!(
            "{} ends the loops of a kernel after {} turns, and the fused kernels take more for this \
             network and batch",
            gpu.info.adapter, gpu.abilities.most_turns
        ));
    }
    let most = gpu.limits.max_compute_workgroups_per_dimension as usize;
    // Whichever shape is taken, everything it needs is there.
    let fits = |shapes: &Shapes| {
        let tile = shapes.step.tile() as usize;
        let layout = Layout::new(network, rows.next_multiple_of(tile));
        let gradients = layout.parameters() * layout.rows.div_ceil(shapes.slice as usize);
        let largest = (layout.all_values() + layout.slack())
            .max(layout.all_parameters() + layout.slack())
            .max(2 * layout.tables())
            .max(gradients + layout.tables());
        4 * largest as u64 <= gpu.largest_buffer()
            && layout.rows / tile <= most
            && layout.all_blocks(shapes.gradients) < most
    };
    if candidates.iter().all(fits) { Ok(()) } else { unsupported(NO_BUFFER) }
}

/// The parameters in the layout of the fused kernels.
pub(super) async fn upload_parameters(
    gpu: &Gpu,
    network: &Network,
    layout: &Layout,
) -> Result<wgpu::Buffer> {
    let (all, count) = (layout.all_parameters() + layout.slack(), network.parameters().len());
    let mut need = Need::default();
    need.add(size_of::<f32>(), all, NARROWER);
    need.add(size_of::<usize>(), count, NARROWER);
    need.check(format_args!("uploading {count} parameters"))?;
    let mut parameters = vec![0.0; all];
    for (place, parameter) in layout.places(network).into_iter().zip(network.parameters()) {
        parameters[place] = *parameter as f32;
    }
    gpu.upload("parameters", &parameters).await
}

/// The shapes that are usually good, of those a device can run.
pub(super) fn usual(candidates: &[Shapes]) -> Result<Shapes> {
    candidates.first().copied().ok_or_else(|| forced(NO_SHAPE))
}

/// The first of some shapes in which the driver compiles a kernel, with that kernel. Those it refuses
/// are noted.
///
/// # Errors
/// The last refusal, if it refuses all, or another failure of the device.
pub(super) async fn first_compiled(
    gpu: &Gpu,
    shapes: &[Shape],
    kernel: impl Fn(Shape) -> Result<KernelKey>,
) -> Result<(Shape, KernelKey)> {
    let mut tried = Vec::new();
    let mut refused = forced(NO_SHAPE);
    for shape in shapes.iter().copied() {
        if tried.contains(&shape) {
            continue;
        }
        tried.push(shape);
        let key = kernel(shape)?;
        match gpu.kernel(&key).await {
            Ok(_) => return Ok((shape, key)),
            Err(error) => refused = skipped(gpu, error, shape)?,
        }
    }
    Err(refused)
}

/// The error of a shape that is passed over for it, noted for the user.
///
/// # Errors
/// The error, if no other shape can be expected to work.
pub(super) fn skipped(gpu: &Gpu, error: Error, shape: impl Display) -> Result<Error> {
    let refused = gpu.refusal(error)?;
    gpu.note(format!("{refused}; another shape than {shape} is used"));
    Ok(refused)
}

/// The kernel of a pass through the network in tiles of that shape, for `rows` samples at most.
pub(super) fn pass_kernel(
    network: &Network,
    rows: usize,
    shape: Shape,
    samples: Samples,
    purpose: Purpose,
) -> Result<KernelKey> {
    specialize::step(network, &padded_layout(network, rows, shape), shape, samples, purpose)
}

/// The kernels of a pass, and of the gradients after it if it is for training.
pub(super) struct Keys {
    pub(super) pass: KernelKey,
    /// Whether the pass computes a loss.
    pub(super) computes_loss: bool,
    pub(super) gradients: Option<KernelKey>,
}

impl Keys {
    /// Those that train `rows` samples at most.
    pub(super) fn training(
        network: &Network,
        rows: usize,
        shapes: Shapes,
        samples: Samples,
        loss: Loss,
    ) -> Result<Self> {
        let purpose = Purpose::Training(loss);
        Ok(Self {
            pass: pass_kernel(network, rows, shapes.step, samples, purpose)?,
            computes_loss: true,
            gradients: Some(gradients_kernel(network, rows, shapes)?),
        })
    }
}

/// The kernel of the gradients after a pass for `rows` samples at most.
pub(super) fn gradients_kernel(
    network: &Network,
    rows: usize,
    shapes: Shapes,
) -> Result<KernelKey> {
    let Shapes { step, gradients, slice } = shapes;
    let layout = padded_layout(network, rows, step);
    specialize::weight_gradients(&layout, gradients, slice as usize, step)
}

/// Where everything is for `rows` samples and what fills their last tile.
pub(super) fn padded_layout(network: &Network, rows: usize, shape: Shape) -> Layout {
    let rows = rows.next_multiple_of(shape.tile() as usize);
    if shape.packed { Layout::packed(network, rows) } else { Layout::new(network, rows) }
}

/// The work of a pass of `count` samples, and back through the network if it is for training.
pub(super) fn pass_work(layout: &Layout, shapes: Shapes, count: usize, back: bool) -> Work {
    let (operations, numbers) = layout.pass_cost(count, back);
    let tiles = count.div_ceil(shapes.step.tile() as usize);
    Work::new(Grid::Workgroups([tiles, 1, 1]), operations, numbers)
}

/// The work of the gradients of a pass of `count` samples.
pub(super) fn gradients_work(layout: &Layout, shapes: Shapes, count: usize) -> Work {
    let slices = slices(layout, shapes);
    let (operations, numbers) = layout.gradient_cost(count, slices);
    // One workgroup more adds up the losses.
    let blocks = layout.all_blocks(shapes.gradients) + 1;
    Work::new(Grid::Workgroups([blocks, slices, 1]), operations, numbers)
}

/// In how many parts, one behind the other, the gradient comes.
pub(super) fn slices(layout: &Layout, shapes: Shapes) -> usize {
    layout.rows.div_ceil(shapes.slice as usize)
}

/// The places of a batch's samples: the buffers of bindings 2 and 3.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) samples: Samples,
    pub(super) buffers: [wgpu::Buffer; 2],
}

impl Source {
    /// The samples of a dataset, whose segments are whole.
    pub(super) async fn of(gpu: &Gpu, samples: &Stored) -> Result<Self> {
        let whole = |segments: &Segments| {
            segments.buffers.first().cloned().ok_or_else(|| forced(NO_BUFFER))
        };
        let weighted = !matches!(samples.weights, Weights::None);
        Ok(match &samples.rows {
            Rows::Table { inputs: (inputs, _), targets: (targets, _) } => {
                let buffers = [whole(inputs)?, whole(targets)?];
                Self { samples: Samples { kind: Kind::Table, weighted }, buffers }
            }
            Rows::Pixels { words, places, packing, .. } => {
                let weights = match &samples.weights {
                    Weights::Own(weights) => whole(weights)?,
                    _ => gpu.storage("no weights", 1).await?,
                };
                let samples = Samples { kind: Kind::Picture(*places, *packing), weighted };
                Self { samples, buffers: [whole(words)?, weights] }
            }
        })
    }

    /// Rows of inputs to be written to the first buffer.
    pub(super) async fn inputs(gpu: &Gpu, network: &Network, rows: usize) -> Result<Self> {
        let inputs = gpu.storage("inputs of a batch", rows * network.inputs()).await?;
        let unused = gpu.storage("no targets", 1).await?;
        Ok(Self { samples: Samples::TABLE, buffers: [inputs, unused] })
    }
}

/// A prediction of `samples` samples, by `parameters` in the layout of the fused kernels or else by the
/// network's.
pub(super) async fn predict(
    gpu: &Gpu,
    network: &Network,
    parameters: Option<&wgpu::Buffer>,
    samples: usize,
    output: Output,
) -> Result<Prediction> {
    let rows = samples.min(PREDICTED);
    let layout = Layout::new(network, rows);
    let parameters = match parameters {
        Some(parameters) => parameters.clone(),
        None => upload_parameters(gpu, network, &layout).await?,
    };
    let source = Source::inputs(gpu, network, rows).await?;
    let inputs = source.buffers[0].clone();
    let purpose = Purpose::Prediction(output);
    let fused = Fused::passing(gpu, network, rows, source, purpose).await?;
    let mut passes = Vec::new();
    for count in prediction::counts(samples, rows) {
        let mut recorder = Recorder::new(gpu);
        fused.record(&mut recorder, &parameters, count).await?;
        passes.push(Pass { count, dispatches: recorder.finish("forward pass").await? });
    }
    let widths = [network.inputs(), network.outputs()];
    Prediction::new(gpu, [&parameters, &inputs, &fused.buffers.results], widths, passes).await
}

/// A pass through the network with its buffers.
pub(super) struct Fused {
    layout: Layout,
    shapes: Shapes,
    keys: Keys,
    source: Source,
    pub(super) buffers: PassBuffers,
    /// What computes level 0, if the pass does not.
    first: Option<FirstLevel>,
    /// The gradient with respect to level 0, `[rows, fan_in]`, if the encoding is trained.
    first_deltas: Option<wgpu::Buffer>,
    first_layer: Layer,
}

impl Fused {
    /// A pass without gradients, for `rows` samples at most, in the first shape that the driver compiles.
    pub(super) async fn passing(
        gpu: &Gpu,
        network: &Network,
        rows: usize,
        source: Source,
        purpose: Purpose,
    ) -> Result<Self> {
        let candidates = gpu.candidates(&Layout::new(network, rows));
        let steps = candidates.iter().map(|shapes| shapes.step);
        // Only training passes split sums.
        let steps: Vec<Shape> = steps.filter(|shape| !shape.split).collect();
        let (step, pass) = first_compiled(gpu, &steps, |shape| {
            pass_kernel(network, rows, shape, source.samples, purpose)
        })
        .await?;
        let shapes = Shapes { step, ..usual(&candidates)? };
        let computes_loss = matches!(purpose, Purpose::Evaluation(_));
        let keys = Keys { pass, computes_loss, gradients: None };
        Self::new(gpu, network, rows, shapes, source, keys).await
    }

    pub(super) async fn new(
        gpu: &Gpu,
        network: &Network,
        rows: usize,
        shapes: Shapes,
        source: Source,
        keys: Keys,
    ) -> Result<Self> {
        let layout = padded_layout(network, rows, shapes.step);
        let sizes = Sizes::new(&layout, shapes, keys.computes_loss, keys.gradients.is_some());
        let buffers = PassBuffers::new(gpu, network, sizes).await?;
        let mut fused = Self::with(network, rows, shapes, source, keys, buffers);
        if layout.is_given {
            let tables = fused.keys.gradients.is_some() && layout.tables() > 0;
            let inputs = Inputs::Ordered(fused.source.samples);
            let sizes = [layout.rows, layout.rows, layout.parameters()];
            let backward = Backward { tables, inputs: false };
            fused.first = Some(FirstLevel::new(gpu, network, inputs, sizes, backward).await?);
            if tables {
                let numbers = layout.rows * layout.widths[0];
                fused.first_deltas = Some(gpu.storage("deltas of the first level", numbers).await?);
            }
        }
        Ok(fused)
    }

    /// A pass with buffers that are there, at least of the sizes that it needs. Where other kernels compute level 0,
    /// they are left out.
    pub(super) fn with(
        network: &Network,
        rows: usize,
        shapes: Shapes,
        source: Source,
        keys: Keys,
        buffers: PassBuffers,
    ) -> Self {
        let layout = padded_layout(network, rows, shapes.step);
        let (first, first_deltas, first_layer) = (None, None, network.layers()[0]);
        Self { layout, shapes, keys, source, buffers, first, first_deltas, first_layer }
    }

    /// In how many parts, one behind the other, the gradient comes.
    pub(super) fn slices(&self) -> usize {
        slices(&self.layout, self.shapes)
    }

    /// Records a pass of `count` samples without gradients.
    pub(super) async fn record(
        &self,
        recorder: &mut Recorder<'_>,
        parameters: &wgpu::Buffer,
        count: usize,
    ) -> Result<()> {
        self.record_pass(recorder, parameters, count, None).await
    }

    /// The buffers of what computes level 0.
    fn first_buffers<'a>(&'a self, parameters: &'a wgpu::Buffer) -> first_level::Buffers<'a> {
        let samples = self.source.buffers.iter().collect();
        first_level::Buffers { samples, first: &self.buffers.frequencies, parameters }
    }

    /// Records the gradient of the encoding, behind the slices of the others.
    async fn record_first_gradient(
        &self,
        recorder: &mut Recorder<'_>,
        parameters: &wgpu::Buffer,
        count: usize,
    ) -> Result<()> {
        let (Some(first), Some(deltas)) = (&self.first, &self.first_deltas) else { return Ok(()) };
        let (layout, tile) = (&self.layout, recorder.tile());
        let width = layout.widths[0];
        // What fills a row of deltas and of parameters is 0.
        let arguments = Matmul {
            m: count as u32,
            k: layout.pitches[1] as u32,
            n: width as u32,
            a_offset: layout.values[1] as u32,
            b_offset: layout.weights[0] as u32,
        };
        let work = layer_product(&self.first_layer, count, tile.workgroups(count, width), 1);
        let operands = [&self.buffers.results, parameters, deltas];
        recorder.call(KernelKey::product("matmul_nt", tile), &arguments, &operands, work).await?;
        let gradient = TableGradient {
            gradient: &self.buffers.gradient,
            first: self.slices() * layout.parameters(),
            accumulate: false,
        };
        let to = (Some(gradient), None);
        first.record_back(recorder, &self.first_buffers(parameters), deltas, to, count).await
    }

    /// Records a pass, which notes in `status` what leaves f16 if it stores it.
    async fn record_pass(
        &self,
        recorder: &mut Recorder<'_>,
        parameters: &wgpu::Buffer,
        count: usize,
        status: Option<&wgpu::Buffer>,
    ) -> Result<()> {
        if let Some(first) = &self.first {
            first.record(recorder, &self.first_buffers(parameters), count).await?;
        }
        let [inputs, targets] = &self.source.buffers;
        let PassBuffers { frequencies, values, results, losses, .. } = &self.buffers;
        let mut buffers = vec![parameters, inputs, targets, frequencies, values, results];
        if self.keys.computes_loss {
            buffers.push(losses);
        }
        buffers.extend(status);
        let work = pass_work(&self.layout, self.shapes, count, self.keys.gradients.is_some());
        recorder.call(self.keys.pass.clone(), &(), &buffers, work).await
    }

    /// Records the sum of the losses of a pass of `count` samples.
    pub(super) async fn record_loss_sum(
        &self,
        recorder: &mut Recorder<'_>,
        count: usize,
        sinks: &Sinks,
    ) -> Result<()> {
        let losses = specialize::loss_sums(count, self.shapes.step);
        sinks.record(recorder, &self.buffers.losses, losses).await
    }

    /// Records a pass of `count` samples and back, its gradients, and the sum of its losses.
    pub(super) async fn record_step(
        &self,
        recorder: &mut Recorder<'_>,
        parameters: &wgpu::Buffer,
        count: usize,
        [sums, status]: [&wgpu::Buffer; 2],
    ) -> Result<()> {
        let noted = self.shapes.step.packed.then_some(status);
        self.record_pass(recorder, parameters, count, noted).await?;
        let Some(key) = self.keys.gradients.clone() else { return Ok(()) };
        let PassBuffers { values, results, losses, gradient, .. } = &self.buffers;
        let buffers = [values, results, losses, gradient, sums, status];
        let work = gradients_work(&self.layout, self.shapes, count);
        recorder.call(key, &(), &buffers, work).await?;
        self.record_first_gradient(recorder, parameters, count).await
    }
}
