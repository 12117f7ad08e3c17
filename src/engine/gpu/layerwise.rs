//! Buffers and dispatches of a network, layer by layer.
//!
//! Works for any width and depth.

mod elementwise;
pub(super) mod gradients;
pub(super) mod order;
pub(super) mod scored;
#[cfg(test)]
mod tests;

use self::elementwise::{record_activation, record_gradient, record_losses};
use self::order::{first_scattered, offsets, upload_parameters};
use super::arguments::{self, BiasAdd, BiasGradient, FourierEncoding, LossSum, Matmul, MatmulTn};
use super::device::Gpu;
use super::encodings::Inputs;
use super::first_level::{self, FirstLevel, TableGradient};
use super::kernels::KernelKey;
use super::prediction::{self, Prediction};
use super::product_tile::ProductTile;
use super::recorder::{Grid, Pass, Recorder, layer_product};
use super::run_buffers::RunBuffers;
use super::samples::{Part, Stored, Weights};
use super::turns;
use crate::dropout;
use crate::engine::Output;
use crate::error::{Error, Result, unsupported};
use crate::gradients::Wanted;
use crate::layer::Layer;
use crate::loss::Loss;
use crate::network::Network;
use std::ops::Range;

/// The most bytes of one layer's values for a part of a batch: beyond that a larger part computes
/// no faster and only takes memory.
const PART_BYTES: u64 = 32 << 20;

/// The most rows in a part, so that its tiles fit in one dimension of a dispatch.
const PART_ROWS: u64 = 1 << 20;

/// How many samples of a batch go through the network at once; at most `batch`.
pub(super) fn part_rows(gpu: &Gpu, network: &Network, batch: usize) -> Result<usize> {
    let columns = network.encoding().is_general().then(|| network.leaves().columns);
    let widths = network.widths().into_iter().chain([network.inputs()]).chain(columns);
    let widest = 4 * widths.max().unwrap_or(1) as u64;
    let limit = gpu.largest_buffer();
    let summed = turns::rows(gpu.abilities.most_turns) as u64;
    let rows = (limit.min(PART_BYTES) / widest).min(PART_ROWS).min(summed);
    if rows == 0 && limit < widest {
        return Err(Error::TooLarge {
            what: format!("one sample in the widest layer on {}", gpu.info.adapter),
            needed: widest,
            limit,
            advice: "make the layers narrower, or use the CPU engine".into(),
        });
    }
    check_turns(gpu, network)?;
    Ok((rows.max(1) as usize).min(batch))
}

/// Whether the loops over a layer's neurons turn no more often than the device lets them.
fn check_turns(gpu: &Gpu, network: &Network) -> Result<()> {
    let most = gpu.abilities.most_turns;
    if network.encoding().is_general() {
        let turns = turns::of_encodings(&network.leaves());
        if turns > most {
            return unsupported(format!(
                "{} ends the loops of a kernel after {most} turns, and the encoding {} takes {turns}: use \
                 the CPU engine",
                gpu.info.adapter,
                network.encoding().name()
            ));
        }
    }
    let hidden = network.widths().into_iter().chain([network.inputs()]).map(|width| (width, false));
    for (width, is_output) in hidden.chain([(network.outputs(), true)]) {
        let turns = turns::of_layer(width, is_output);
        if turns > most {
            return unsupported(format!(
                "{} ends the loops of a kernel after {most} turns, and a layer of {width} neurons \
                 takes {turns}: use the CPU engine",
                gpu.info.adapter
            ));
        }
    }
    Ok(())
}

/// How the gradients of so many samples at most are summed for an update.
fn slices(gpu: &Gpu, network: &Network, rows: usize) -> Slices {
    let largest = network.layers().iter().map(|layer| [layer.fan_in, layer.fan_out]);
    let largest = largest.max_by_key(|[fan_in, fan_out]| fan_in * fan_out).unwrap_or([1, 1]);
    let dense = network.count() - network.encoding_parameters();
    let room = (gpu.largest_buffer() / 4) as usize;
    let room = room.saturating_sub(network.encoding_parameters()) / dense.max(1);
    let tile = ProductTile::of(gpu.abilities.software);
    let count = tile.slices(rows, largest, dense).min(room.max(1));
    Slices { count, samples: rows.div_ceil(count) }
}

/// A training step of any network: the batch gathered, forward, loss and back, in as many parts as the
/// device's memory asks for.
pub(super) struct Layerwise<'a> {
    network: &'a Network,
    loss: Loss,
    /// Samples that go through the network at once.
    rows: usize,
    samples: &'a Stored,
    forward: Forward,
    backward: Backward,
}

impl<'a> Layerwise<'a> {
    pub(super) async fn new(
        gpu: &Gpu,
        network: &'a Network,
        loss: Loss,
        samples: &'a Stored,
        batch: usize,
    ) -> Result<Self> {
        let rows = part_rows(gpu, network, batch)?;
        Ok(Self {
            network,
            loss,
            rows,
            samples,
            forward: Forward::new(gpu, network, rows, Some(Wanted::Parameters)).await?,
            backward: Backward::new(gpu, network, samples, rows).await?,
        })
    }

    /// Gradient of every parameter, and in how many slices it comes. Behind them is that of the encoding.
    pub(super) fn gradient(&self) -> (&wgpu::Buffer, usize) {
        (&self.backward.gradient, self.backward.slices.count)
    }

    /// Records a step of `count` samples up to its gradient.
    pub(super) async fn record_step(
        &self,
        recorder: &mut Recorder<'_>,
        state: &RunBuffers,
        count: usize,
    ) -> Result<()> {
        let (network, forward) = (self.network, &self.forward);
        let output = read_by(self.loss);
        let (parameters, sinks) = (&state.parameters, [&state.sums, &state.status]);
        for start in (0..count).step_by(self.rows) {
            let part = Part { rows: start..count.min(start + self.rows), batch: count };
            let to = [&forward.inputs, &self.backward.targets];
            let weights = self.backward.weights.as_ref();
            self.samples.record_gather(recorder, &part, to, weights).await?;
            let rows = part.rows.clone();
            forward.record(recorder, network, parameters, rows, output).await?;
            self.backward
                .record(recorder, network, forward, parameters, self.loss, &part, sinks)
                .await?;
        }
        Ok(())
    }
}

/// A prediction of `samples` samples, by `parameters` in the order of [`upload_parameters`] or else by the
/// network's.
pub(super) async fn predict(
    gpu: &Gpu,
    network: &Network,
    parameters: Option<&wgpu::Buffer>,
    samples: usize,
    output: Output,
) -> Result<Prediction> {
    let rows = part_rows(gpu, network, samples)?;
    let parameters = match parameters {
        Some(parameters) => parameters.clone(),
        None => upload_parameters(gpu, network).await?,
    };
    let forward = Forward::new(gpu, network, rows, None).await?;
    let mut passes = Vec::new();
    for count in prediction::counts(samples, rows) {
        let mut recorder = Recorder::new(gpu);
        forward.record(&mut recorder, network, &parameters, 0..count, output).await?;
        passes.push(Pass { count, dispatches: recorder.finish("forward pass").await? });
    }
    let widths = [network.inputs(), network.outputs()];
    let buffers = [&parameters, &forward.inputs, forward.outputs()];
    Prediction::new(gpu, buffers, widths, passes).await
}

/// The buffers of a forward pass of up to so many rows.
pub(super) struct Forward {
    /// `[rows, inputs]`, before the encoding.
    inputs: wgpu::Buffer,
    /// `[features, inputs]`, where there is an encoding.
    frequencies: Option<wgpu::Buffer>,
    /// What computes `values[0]`, if that is more than one set of waves.
    encoder: Option<FirstLevel>,
    /// `values[0]`, `[rows, fan_in]`, is what the first layer is given, `values[l + 1]`,
    /// `[rows, fan_out]`, what layer `l` puts out.
    values: Vec<wgpu::Buffer>,
    /// `slopes[l]`, `[rows, fan_out]`, is `f′` of layer `l`'s weighted sums, where training needs it.
    slopes: Vec<Option<wgpu::Buffer>>,
}

impl Forward {
    pub(super) async fn new(
        gpu: &Gpu,
        network: &Network,
        rows: usize,
        backward: Option<Wanted>,
    ) -> Result<Self> {
        let training = backward.is_some();
        let inputs = gpu.storage("inputs of a batch", rows * network.inputs()).await?;
        let is_general = network.encoding().is_general();
        let width = network.encoding().outputs(network.inputs());
        let (frequencies, first) = match network.encoding().frequencies(network.inputs()) {
            None if is_general => (None, gpu.storage("encoded inputs", rows * width).await?),
            None => (None, inputs.clone()),
            Some(matrix) => {
                let frequencies = gpu.upload("frequencies of the encoding", &matrix).await?;
                (Some(frequencies), gpu.storage("encoded inputs", rows * width).await?)
            }
        };
        let (mut values, mut slopes) = (vec![first], Vec::new());
        for (l, layer) in network.layers().iter().enumerate() {
            let label = format!("values of layer {}", l + 1);
            values.push(gpu.storage(&label, rows * layer.fan_out).await?);
            slopes.push(if training && layer.stores_slope() {
                let label = format!("slopes of layer {}", l + 1);
                Some(gpu.storage(&label, rows * layer.fan_out).await?)
            } else {
                None
            });
        }
        let encoder = if is_general {
            let backward = first_level::Backward {
                tables: backward.is_some_and(Wanted::parameters),
                inputs: backward.is_some_and(Wanted::inputs),
            };
            let sizes = [rows, 0, first_scattered(network)];
            Some(FirstLevel::new(gpu, network, Inputs::Gathered, sizes, backward).await?)
        } else {
            None
        };
        Ok(Self { inputs, frequencies, encoder, values, slopes })
    }

    /// The buffers of what computes the first level.
    fn first_buffers<'a>(&'a self, parameters: &'a wgpu::Buffer) -> first_level::Buffers<'a> {
        first_level::Buffers { samples: vec![&self.inputs], first: &self.values[0], parameters }
    }

    /// What the last layer puts out, `[rows, outputs]`.
    fn outputs(&self) -> &wgpu::Buffer {
        &self.values[self.values.len() - 1]
    }

    /// What the backward pass needs of layer `l`: its stored slopes, or its outputs.
    fn needed(&self, l: usize) -> &wgpu::Buffer {
        self.slopes[l].as_ref().unwrap_or(&self.values[l + 1])
    }

    /// Records a forward pass of the samples at `rows` of a step's batch, whose inputs are there. Where
    /// slopes are stored it is one of training, which drops outputs.
    pub(super) async fn record(
        &self,
        recorder: &mut Recorder<'_>,
        network: &Network,
        parameters: &wgpu::Buffer,
        rows: Range<usize>,
        output: Output,
    ) -> Result<()> {
        let (first, rows) = (rows.start, rows.len());
        let tile = recorder.tile();
        if let Some(frequencies) = &self.frequencies {
            let features = network.encoding().outputs(network.inputs()) / 2;
            recorder
                .call(
                    KernelKey::new("fourier_encoding"),
                    &FourierEncoding {
                        batch: rows as u32,
                        inputs: network.inputs() as u32,
                        features: features as u32,
                    },
                    &[&self.inputs, frequencies, &self.values[0]],
                    Grid::Elements(rows * features),
                )
                .await?;
        }
        if let Some(encoder) = &self.encoder {
            encoder.record(recorder, &self.first_buffers(parameters), rows).await?;
        }
        for (l, layer) in network.layers().iter().enumerate() {
            let Layer { fan_in, fan_out, activation, .. } = *layer;
            let (weights, biases) = offsets(network, l);
            let count = rows * fan_out;
            recorder
                .call(
                    KernelKey::product("matmul", tile),
                    &Matmul {
                        m: rows as u32,
                        k: fan_in as u32,
                        n: fan_out as u32,
                        a_offset: 0,
                        b_offset: weights,
                    },
                    &[&self.values[l], parameters, &self.values[l + 1]],
                    layer_product(layer, rows, tile.workgroups(rows, fan_out), 1),
                )
                .await?;
            if let Some(biases) = biases {
                recorder
                    .call(
                        KernelKey::new("bias_add"),
                        &BiasAdd { count: count as u32, outputs: fan_out as u32, offset: biases },
                        &[parameters, &self.values[l + 1]],
                        Grid::Elements(count),
                    )
                    .await?;
            }
            let last = l + 1 == network.layers().len();
            if last && output == Output::Logits {
                continue;
            }
            let (z, slopes) = (&self.values[l + 1], self.slopes[l].as_ref());
            record_activation(recorder, activation, rows, fan_out, z, slopes).await?;
            if let Some(slopes) = slopes.filter(|_| layer.dropout > 0.0) {
                let shape = arguments::Dropout {
                    count: count as u32,
                    width: fan_out as u32,
                    layer: l as u32,
                    offset: first as u32,
                    threshold: dropout::threshold(layer.dropout),
                    factor: dropout::factor(layer.dropout) as f32,
                };
                let key = KernelKey::new("dropout");
                recorder.call(key, &shape, &[z, slopes], Grid::Elements(count)).await?;
            }
        }
        Ok(())
    }
}

/// The buffers of a backward pass of up to so many rows.
pub(super) struct Backward {
    /// `[rows, outputs]`.
    targets: wgpu::Buffer,
    /// `[rows]`, where samples have weights.
    weights: Option<wgpu::Buffer>,
    /// `[rows]`.
    losses: wgpu::Buffer,
    /// Gradients with respect to the weighted sums of a layer and of the one below it, by turns,
    /// `[rows, widest]`.
    deltas: [wgpu::Buffer; 2],
    /// Gradient of every parameter of a layer, in the network's flat order, `[slices, parameters]`, and behind it that
    /// of the encoding.
    gradient: wgpu::Buffer,
    /// The gradient with respect to what the first layer is given, `[rows, fan_in]`, if the encoding is trained.
    first: Option<wgpu::Buffer>,
    slices: Slices,
}

impl Backward {
    pub(super) async fn new(
        gpu: &Gpu,
        network: &Network,
        samples: &Stored,
        rows: usize,
    ) -> Result<Self> {
        let slices = slices(gpu, network, rows);
        let widest = network.layers().iter().map(|layer| layer.fan_out).max().unwrap_or(1);
        let (dense, tables) = (first_scattered(network), network.encoding_parameters());
        Ok(Self {
            targets: gpu.storage("targets of a batch", rows * network.outputs()).await?,
            weights: batch_weights(gpu, samples, rows).await?,
            losses: gpu.storage("losses of a batch", rows).await?,
            deltas: [
                gpu.storage("deltas (even layers)", rows * widest).await?,
                gpu.storage("deltas (odd layers)", rows * widest).await?,
            ],
            gradient: gpu.storage("gradient", slices.count * dense + tables).await?,
            first: if tables > 0 {
                let numbers = rows * network.layers()[0].fan_in;
                Some(gpu.storage("deltas of the first level", numbers).await?)
            } else {
                None
            },
            slices,
        })
    }

    /// Records loss and backpropagation of a part whose forward pass is done and whose targets
    /// are there. `sums` and `status` are those of the kernel `loss_sum`.
    pub(super) async fn record(
        &self,
        recorder: &mut Recorder<'_>,
        network: &Network,
        forward: &Forward,
        parameters: &wgpu::Buffer,
        loss: Loss,
        part: &Part,
        [sums, status]: [&wgpu::Buffer; 2],
    ) -> Result<()> {
        let rows = part.rows.len();
        let last = u32::from(part.rows.end == part.batch);
        self.record_loss(recorder, network, forward, loss, part).await?;
        recorder
            .call(
                KernelKey::new("loss_sum"),
                &LossSum { batch: rows as u32, accumulate: u32::from(part.rows.start > 0), last },
                &[&self.losses, sums, status],
                Grid::One,
            )
            .await?;
        let deltas = [&self.deltas[0], &self.deltas[1]];
        let gradient = Some(&self.gradient);
        let slices = self.slices;
        let first = self.first.as_ref();
        let down = Down { network, forward, parameters, deltas, gradient, slices, first };
        down.record(recorder, rows, part.rows.start > 0, None).await
    }

    /// Records the loss of each row and the gradient with respect to the last weighted sums.
    async fn record_loss(
        &self,
        recorder: &mut Recorder<'_>,
        network: &Network,
        forward: &Forward,
        loss: Loss,
        part: &Part,
    ) -> Result<()> {
        let rows = part.rows.len();
        let outputs = network.outputs();
        let scale = loss.scale(part.batch, outputs);
        let mut operands = vec![forward.outputs(), &self.targets, &self.losses, &self.deltas[0]];
        operands.extend(&self.weights);
        record_losses(recorder, loss, [rows, outputs], scale, &operands).await?;
        if loss.folded_activation().is_none() {
            let needed = forward.needed(network.layers().len() - 1);
            let layer = network.output_layer();
            record_gradient(recorder, layer, rows, needed, &self.deltas[0]).await?;
        }
        Ok(())
    }
}

/// A gradient as the sum of parts of it, each over some of the samples.
#[derive(Clone, Copy)]
struct Slices {
    count: usize,
    /// In each but the last.
    samples: usize,
}

/// The backward pass through the layers. It begins with the gradient with respect to the last weighted sums,
/// which is in the first of `deltas`.
struct Down<'a> {
    network: &'a Network,
    forward: &'a Forward,
    parameters: &'a wgpu::Buffer,
    /// Gradients with respect to the weighted sums of a layer and of the one below it, by turns,
    /// `[rows, widest]`.
    deltas: [&'a wgpu::Buffer; 2],
    /// Receives the gradients of the parameters, if they are wanted, except those of frozen layers,
    /// `[slices, parameters]`.
    gradient: Option<&'a wgpu::Buffer>,
    /// How the gradients of the parameters are summed.
    slices: Slices,
    /// Receives the gradient of the first layer's inputs, `[rows, fan_in]`, if it or that of the encoding is wanted.
    first: Option<&'a wgpu::Buffer>,
}

impl Down<'_> {
    /// Records the pass of `rows` samples, as far down as it is needed. The gradients of the parameters
    /// replace those in the buffer, or are added to them if `accumulate`. The gradient of the inputs of encodings goes
    /// to `inputs`.
    async fn record(
        &self,
        recorder: &mut Recorder<'_>,
        rows: usize,
        accumulate: bool,
        inputs: Option<&wgpu::Buffer>,
    ) -> Result<()> {
        let Self { network, forward, parameters, deltas, gradient, first, slices } = *self;
        let layers = network.layers();
        let trained = layers.iter().position(|layer| gradient.is_some() && !layer.frozen);
        let lowest = if first.is_some() { 0 } else { trained.unwrap_or(layers.len()) };
        let [mut delta, mut delta_below] = deltas;
        let tile = recorder.tile();
        for (l, layer) in layers.iter().enumerate().skip(lowest).rev() {
            if let Some(gradient) = gradient.filter(|_| !layer.frozen) {
                self.record_gradients(recorder, l, [rows, accumulate.into()], delta, gradient)
                    .await?;
            }
            let below = if l > lowest { Some(delta_below) } else { first };
            let Some(below) = below else { break };
            let Layer { fan_in, fan_out, .. } = *layer;
            recorder
                .call(
                    KernelKey::product("matmul_nt", tile),
                    &Matmul {
                        m: rows as u32,
                        k: fan_out as u32,
                        n: fan_in as u32,
                        a_offset: 0,
                        b_offset: offsets(network, l).0,
                    },
                    &[delta, parameters, below],
                    layer_product(layer, rows, tile.workgroups(rows, fan_in), 1),
                )
                .await?;
            if let Some(l) = l.checked_sub(1) {
                record_gradient(recorder, layers[l], rows, forward.needed(l), below).await?;
                std::mem::swap(&mut delta, &mut delta_below);
            }
        }
        let (Some(encoder), Some(first)) = (&forward.encoder, first) else { return Ok(()) };
        let tables = gradient.map(|gradient| TableGradient {
            gradient,
            first: slices.count * first_scattered(network),
            accumulate,
        });
        let buffers = forward.first_buffers(parameters);
        encoder.record_back(recorder, &buffers, first, (tables, inputs), rows).await
    }

    /// Records the gradients of a layer's weights and biases.
    async fn record_gradients(
        &self,
        recorder: &mut Recorder<'_>,
        l: usize,
        [rows, accumulate]: [usize; 2],
        delta: &wgpu::Buffer,
        gradient: &wgpu::Buffer,
    ) -> Result<()> {
        let layer = self.network.layers()[l];
        let Layer { fan_in, fan_out, .. } = layer;
        let (weights, biases) = offsets(self.network, l);
        let (batch, accumulate) = (rows as u32, accumulate as u32);
        let (m, n) = (fan_in as u32, fan_out as u32);
        let Slices { count: slices, samples } = self.slices;
        let (slice, stride) = (samples as u32, first_scattered(self.network) as u32);
        let tile = recorder.tile();
        recorder
            .call(
                KernelKey::product("matmul_tn", tile),
                &MatmulTn { batch, m, n, c_offset: weights, accumulate, slice, stride },
                &[&self.forward.values[l], delta, gradient],
                layer_product(&layer, rows, tile.workgroups(fan_in, fan_out), slices),
            )
            .await?;
        let Some(offset) = biases else { return Ok(()) };
        let arguments = BiasGradient { batch, outputs: n, offset, accumulate, slice, stride };
        let key = KernelKey::new("bias_gradient");
        recorder.call(key, &arguments, &[delta, gradient], Grid::Slices(fan_out, slices)).await
    }
}

/// Which outputs a loss reads.
fn read_by(loss: Loss) -> Output {
    if loss.folded_activation().is_some() { Output::Logits } else { Output::Activated }
}

/// Room for the weights of so many samples, if they have weights.
async fn batch_weights(gpu: &Gpu, samples: &Stored, rows: usize) -> Result<Option<wgpu::Buffer>> {
    Ok(match samples.weights {
        Weights::None => None,
        Weights::BehindTargets | Weights::Own(_) => {
            Some(gpu.storage("weights of a batch", rows).await?)
        }
    })
}
