//! Training steps in some shapes, recorded to be measured.

use super::device::Gpu;
use super::fused::{self, Fused, Keys, Source};
use super::layout::Layout;
use super::pass_buffers::{PassBuffers, Sizes};
use super::readback::floats;
use super::recorder::{Dispatch, Recorder, play_steps};
use super::run_buffers::{SCALED_STATUS, STATUS};
use super::shape::Shapes;
use super::step::StepData;
use super::update::{self, Operands, Update};
use crate::error::Result;
use crate::loss::Loss;
use crate::network::Network;
use crate::optimizer::Optimizer;
use std::sync::Arc;
use std::time::Duration;
use web_time::Instant;

/// Each shape is measured at least this long, in [`ROUNDS`] parts.
pub(super) const MEASURED: Duration = Duration::from_millis(40);

/// How often a shape is measured. The shortest time counts.
pub(super) const ROUNDS: u32 = 3;

/// What is tried.
pub(super) struct Trial<'a> {
    pub(super) network: &'a Network,
    pub(super) loss: Loss,
    pub(super) batch: usize,
    pub(super) source: &'a Source,
    /// Whether the values and deltas of hidden levels are stored in f16.
    pub(super) packed: bool,
}

/// What steps in any of some shapes need on the device.
pub(super) struct Stage<'a> {
    gpu: &'a Arc<Gpu>,
    trial: &'a Trial<'a>,
    buffers: PassBuffers,
    parameters: wgpu::Buffer,
    /// The loss of a step, read to know when it is over.
    sums: wgpu::Buffer,
    status: wgpu::Buffer,
    /// What an update by gradient descent needs, where the steps have one.
    update: Option<Updated>,
    group: wgpu::BindGroup,
}

/// The buffers of an update that changes nothing.
struct Updated {
    states: wgpu::Buffer,
    previous: wgpu::Buffer,
}

impl<'a> Stage<'a> {
    /// For steps in these shapes. Where they differ in their slices, a step has an update, which adds the
    /// slices up.
    pub(super) async fn new(
        gpu: &'a Arc<Gpu>,
        trial: &'a Trial<'a>,
        shapes: &[Shapes],
    ) -> Result<Self> {
        let Trial { network, loss, batch, packed, .. } = *trial;
        let sizes = shapes.iter().fold(Sizes::default(), |sizes, shapes| {
            let layout = fused::padded_layout(network, batch, shapes.step);
            sizes.or(Sizes::new(&layout, *shapes, true, true))
        });
        let layout = Layout::new(network, batch);
        let is_sliced = shapes.windows(2).any(|pair| pair[0].slice != pair[1].slice);
        let update = if is_sliced {
            let count = layout.parameters();
            Some(Updated {
                states: gpu.storage("optimizer state", Optimizer::SGD.states() * count).await?,
                previous: gpu.storage("parameters before the step", count).await?,
            })
        } else {
            None
        };
        // At a learning rate of 0.
        let constants = Optimizer::SGD.constants(0.0, 1).map(|c| c as f32);
        let constants = bytemuck::cast(constants);
        let loss_factor = loss.scale(batch, network.outputs()) as f32;
        let step = StepData { number: 1, constants, loss_factor, ..StepData::in_order(batch) };
        let steps = gpu.upload("steps", &[step]).await?;
        let status = if packed { &SCALED_STATUS[..] } else { &STATUS[..] };
        let buffers = PassBuffers::new(gpu, network, sizes).await?;
        if layout.is_given {
            // What computes level 0 is the same for all shapes and is left out. Any numbers will do, but the same in
            // every layout.
            let count = (buffers.frequencies.size() / 4) as usize;
            gpu.write(&buffers.frequencies, bytemuck::cast_slice(&vec![0.5_f32; count]));
        }
        Ok(Self {
            gpu,
            trial,
            buffers,
            parameters: fused::upload_parameters(gpu, network, &layout).await?,
            sums: gpu.storage("losses of the steps", 1).await?,
            status: gpu.upload("first steps that diverged", status).await?,
            update,
            group: gpu.step_group(&steps).await?,
        })
    }

    /// A step in one of the shapes, compiled and played once: a driver may compile as late as that.
    ///
    /// # Errors
    /// The driver refuses a kernel, or the device failed.
    pub(super) async fn prepare(&self, shapes: Shapes) -> Result<Prepared<'_>> {
        let Self { gpu, buffers, parameters, sums, status, .. } = self;
        let Trial { network, loss, batch, source, .. } = *self.trial;
        let keys = Keys::training(network, batch, shapes, source.samples, loss)?;
        let fused = Fused::with(network, batch, shapes, source.clone(), keys, buffers.clone());
        let mut recorder = Recorder::new(gpu);
        fused.record_step(&mut recorder, parameters, batch, [sums, status]).await?;
        if let Some(Updated { states, previous }) = &self.update {
            let operands = Operands {
                gradient: &buffers.gradient,
                slices: fused.slices(),
                count: Layout::new(network, batch).parameters(),
                parameters,
                states,
                previous,
                status,
                norms: None,
                copies: None,
            };
            update::record(&mut recorder, Update::plain(Optimizer::SGD), &operands).await?;
        }
        let dispatches = recorder.finish("measured step").await?;
        let numbers = fused.slices() * Layout::new(network, batch).parameters();
        let prepared = Prepared { stage: self, dispatches, numbers };
        prepared.run(1).await?;
        Ok(prepared)
    }
}

/// A training step in some shapes, ready to be measured.
pub(super) struct Prepared<'a> {
    stage: &'a Stage<'a>,
    dispatches: Vec<Dispatch>,
    /// Numbers in the gradient of all slices.
    numbers: usize,
}

impl Prepared<'_> {
    /// Seconds that so many steps take, with one wait for the device.
    async fn run(&self, repeats: usize) -> Result<f64> {
        let Stage { gpu, group, sums, .. } = self.stage;
        let mut encoder = gpu.encoder("measured steps");
        for _ in 0..repeats {
            play_steps(gpu, &mut encoder, group, std::iter::once(self.dispatches.as_slice()));
        }
        let begun = Instant::now();
        gpu.read(encoder, &[(sums, 0..4)], "losses of the steps")?.await?;
        Ok(begun.elapsed().as_secs_f64())
    }

    /// The gradient that the step computes, in its slices.
    pub(super) async fn gradient(&self) -> Result<Vec<f32>> {
        let Stage { gpu, group, buffers, .. } = self.stage;
        let mut encoder = gpu.encoder("checked step");
        play_steps(gpu, &mut encoder, group, std::iter::once(self.dispatches.as_slice()));
        let source = (&buffers.gradient, 0..4 * self.numbers as u64);
        let bytes = gpu.read(encoder, &[source], "gradient of a step")?.await?;
        Ok(floats(&bytes).collect())
    }

    /// How many steps are worth measuring at a time.
    pub(super) async fn repeats(&self) -> Result<usize> {
        let once = self.run(1).await?.max(1e-6);
        let part = MEASURED.as_secs_f64() / f64::from(ROUNDS);
        Ok((part / once).ceil().min(1000.0) as usize)
    }

    /// Seconds that one of so many steps takes.
    pub(super) async fn measure(&self, repeats: usize) -> Result<f64> {
        Ok(self.run(repeats).await? / repeats as f64)
    }
}
