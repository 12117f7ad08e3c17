//! A training run on a device.

use super::device::{Gpu, STEP_STRIDE};
use super::kernels::KernelKey;
use super::layerwise::{Backward, Forward, Part, part_rows, upload_parameters};
use super::readback::floats;
use super::recorder::{Dispatch, Grid, Recorder, play_steps};
use crate::dataset::Dataset;
use crate::engine::{Divergence, Outcome, Output, Pending, Plan, Session, Step};
use crate::error::{Result, invalid};
use crate::network::Network;
use crate::optimizer::{Optimizer, UpdateConstants};
use std::sync::Arc;

/// The most steps in a submission: the slots of the loss buffer. Fewer where buffers are small.
const SLOTS: u64 = 1024;

/// A step's place in the status buffer while none has diverged.
const NEVER: u32 = u32::MAX;

/// What a step finds in its slice of the buffer of steps; `Step` in `shaders/shared/step.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct StepData {
    order: [u32; 4],
    first: u32,
    slot: u32,
    number: u32,
    padding: u32,
    constants: [[f32; 4]; 3],
    /// Up to the next slice.
    unused: [u32; 44],
}

/// Samples on the device, in as many buffers as its limits ask for.
struct Segments {
    width: usize,
    /// Samples in each but the last.
    rows: usize,
    buffers: Vec<wgpu::Buffer>,
    samples: usize,
}

impl Segments {
    async fn upload(gpu: &Gpu, label: &str, values: &[f32], width: usize) -> Result<Self> {
        let rows = (gpu.largest_buffer() / (4 * width as u64)).max(1) as usize;
        let samples = values.len() / width;
        let mut buffers = Vec::new();
        for (position, segment) in values.chunks(rows * width).enumerate() {
            buffers.push(gpu.upload(&format!("{label}, part {}", position + 1), segment).await?);
        }
        Ok(Self { width, rows, buffers, samples })
    }

    /// Records the gathering of a part of a batch from every segment.
    async fn record_gather(
        &self,
        recorder: &mut Recorder<'_>,
        part: &Part,
        to: &wgpu::Buffer,
    ) -> Result<()> {
        for (position, segment) in self.buffers.iter().enumerate() {
            let first = position * self.rows;
            let shape = [
                part.rows.len() as u32,
                self.width as u32,
                part.rows.start as u32,
                first as u32,
                self.rows.min(self.samples - first) as u32,
            ];
            let grid = Grid::Elements(part.rows.len());
            recorder.call(KernelKey::new("gather"), &shape, &[segment, to], grid).await?;
        }
        Ok(())
    }
}

/// The dispatches of a step with so many samples.
struct StepPlan {
    count: usize,
    dispatches: Vec<Dispatch>,
}

/// A training run on a device.
pub(super) struct GpuSession {
    gpu: Arc<Gpu>,
    plan: Plan,
    samples: usize,
    parameters: wgpu::Buffer,
    /// The parameters before the last step.
    previous: wgpu::Buffer,
    parameter_count: usize,
    /// The most steps in a submission.
    slots: usize,
    /// The loss of each step of a submission.
    sums: wgpu::Buffer,
    /// The first steps whose loss and whose update was not finite.
    status: wgpu::Buffer,
    steps: wgpu::Buffer,
    step_group: wgpu::BindGroup,
    /// For a full batch, and for what is left at the end of an epoch.
    plans: Vec<StepPlan>,
}

impl GpuSession {
    pub(super) async fn start(
        gpu: &Arc<Gpu>,
        network: &Network,
        plan: &Plan,
        dataset: &Dataset,
    ) -> Result<Self> {
        gpu.check()?;
        let samples = dataset.len();
        let batch = plan.batch_size.min(samples);
        let rows = part_rows(gpu, network, batch)?;
        let count = network.parameters().len();
        let parameters = upload_parameters(gpu, network).await?;
        let previous = gpu.storage("parameters before the last step", count).await?;
        let state = [
            gpu.storage("optimizer state 1", count).await?,
            gpu.storage("optimizer state 2", count).await?,
        ];
        let slots = SLOTS.min(gpu.largest_buffer() / STEP_STRIDE).max(1) as usize;
        let sums = gpu.storage("losses of the steps", slots).await?;
        let status = gpu.upload("first steps that diverged", &[NEVER; 2]).await?;
        let size = slots * STEP_STRIDE as usize / 4;
        let steps = gpu.storage("steps", size).await?;
        let step_group = gpu.guarded("binding the buffer 'steps'", |device| {
            device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("step"),
                layout: &gpu.step_layout,
                entries: &[wgpu::BindGroupEntry {
                    binding: 0,
                    resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                        buffer: &steps,
                        offset: 0,
                        size: wgpu::BufferSize::new(STEP_STRIDE),
                    }),
                }],
            })
        });
        let step_group = step_group.await?;
        let builder = Builder {
            gpu,
            network,
            plan,
            rows,
            inputs: Segments::upload(
                gpu,
                "inputs of the dataset",
                dataset.inputs(),
                dataset.input_width(),
            )
            .await?,
            targets: Segments::upload(
                gpu,
                "targets of the dataset",
                dataset.targets(),
                dataset.target_width(),
            )
            .await?,
            forward: Forward::new(gpu, network, rows).await?,
            backward: Backward::new(gpu, network, rows).await?,
            parameters: &parameters,
            previous: &previous,
            state: &state,
            sums: &sums,
            status: &status,
        };
        let mut plans = vec![builder.step_plan(batch).await?];
        if !samples.is_multiple_of(batch) {
            plans.push(builder.step_plan(samples % batch).await?);
        }
        gpu.check()?;
        Ok(Self {
            gpu: Arc::clone(gpu),
            plan: *plan,
            samples,
            parameter_count: count,
            parameters,
            previous,
            slots,
            sums,
            status,
            steps,
            step_group,
            plans,
        })
    }

    /// Starts up to `slots` steps.
    fn submit(
        &self,
        steps: &[Step],
    ) -> Result<impl Future<Output = Result<Outcome>> + 'static + use<>> {
        let mut played = Vec::with_capacity(steps.len());
        for step in steps {
            if step.number >= u64::from(NEVER) {
                return invalid(format!(
                    "step {}: a run on a GPU has at most {} steps",
                    step.number,
                    NEVER - 1
                ));
            }
            let Some(plan) = self.plans.iter().find(|plan| plan.count == step.count) else {
                return invalid(format!(
                    "a step of {} samples: it must have the plan's batch size, or what is left of it \
                     at the end of an epoch",
                    step.count
                ));
            };
            played.push(plan.dispatches.as_slice());
        }
        let data: Vec<StepData> =
            steps.iter().enumerate().map(|(slot, step)| self.data(slot, step)).collect();
        self.gpu.queue.write_buffer(&self.steps, 0, bytemuck::cast_slice(&data));
        let mut encoder = self.gpu.encoder("training steps");
        play_steps(&mut encoder, &self.step_group, played.into_iter());
        let sources = [(&self.status, 8), (&self.sums, 4 * steps.len() as u64)];
        let read = self.gpu.read(encoder, &sources, "losses of the steps")?;
        Ok(async move {
            let bytes = read.await?;
            let (status, sums) = bytes.split_at(8);
            let status: [u32; 2] = bytemuck::pod_read_unaligned(status);
            Ok(Outcome {
                losses: floats(sums).map(f64::from).collect(),
                diverged: divergence(status),
            })
        })
    }

    fn data(&self, slot: usize, step: &Step) -> StepData {
        let constants =
            self.plan.optimizer.constants(self.plan.l2, step.learning_rate, step.number);
        StepData {
            order: self.plan.order(self.samples, step.epoch).words(),
            first: step.first as u32,
            slot: slot as u32,
            number: step.number as u32,
            padding: 0,
            constants: words(constants),
            unused: [0; 44],
        }
    }
}

impl Session for GpuSession {
    fn train(&mut self, steps: &[Step]) -> Result<Pending<'static, Outcome>> {
        let mut submissions = Vec::new();
        for some in steps.chunks(self.slots) {
            submissions.push(self.submit(some)?);
        }
        Ok(Box::pin(async move {
            let mut all = Outcome { losses: Vec::new(), diverged: None };
            for submission in submissions {
                let some = submission.await?;
                all.losses.extend(some.losses);
                all.diverged = some.diverged;
            }
            Ok(all)
        }))
    }

    fn parameters(&mut self) -> Pending<'_, Vec<f64>> {
        let size = 4 * self.parameter_count as u64;
        let sources = [(&self.status, 8), (&self.parameters, size), (&self.previous, size)];
        let read = self.gpu.read(self.gpu.encoder("parameters"), &sources, "parameters");
        Box::pin(async move {
            let bytes = read?.await?;
            let (status, both) = bytes.split_at(8);
            let (now, previous) = both.split_at(size as usize);
            let undone =
                divergence(bytemuck::pod_read_unaligned(status)).is_some_and(|d| !d.in_loss);
            Ok(floats(if undone { previous } else { now }).map(f64::from).collect())
        })
    }
}

/// All that the dispatches of a step are made from.
struct Builder<'a> {
    gpu: &'a Gpu,
    network: &'a Network,
    plan: &'a Plan,
    /// Samples that go through the network at once.
    rows: usize,
    inputs: Segments,
    targets: Segments,
    forward: Forward,
    backward: Backward,
    parameters: &'a wgpu::Buffer,
    previous: &'a wgpu::Buffer,
    state: &'a [wgpu::Buffer; 2],
    sums: &'a wgpu::Buffer,
    status: &'a wgpu::Buffer,
}

impl Builder<'_> {
    /// The dispatches of a step of `count` samples: each part gathered, forward, back; then the
    /// update.
    async fn step_plan(&self, count: usize) -> Result<StepPlan> {
        let mut recorder = Recorder::new(self.gpu);
        let folded = self.plan.loss.folded_activation().is_some();
        let output = if folded { Output::Logits } else { Output::Activated };
        for start in (0..count).step_by(self.rows) {
            let part = Part { rows: start..count.min(start + self.rows), batch: count };
            self.inputs.record_gather(&mut recorder, &part, &self.forward.inputs).await?;
            self.targets.record_gather(&mut recorder, &part, &self.backward.targets).await?;
            let forward = &self.forward;
            forward
                .record(&mut recorder, self.network, self.parameters, part.rows.len(), output)
                .await?;
            let (loss, sinks) = (self.plan.loss, [self.sums, self.status]);
            self.backward
                .record(&mut recorder, self.network, forward, self.parameters, loss, &part, sinks)
                .await?;
        }
        let parameters = self.network.parameters().len();
        let (gradient, [first, second]) = (&self.backward.gradient, self.state);
        let (kernel, buffers) = match self.plan.optimizer {
            Optimizer::Sgd { .. } => {
                ("sgd", vec![gradient, self.parameters, first, self.previous, self.status])
            }
            Optimizer::Adam { .. } | Optimizer::AdamW { .. } => {
                ("adam", vec![gradient, self.parameters, first, second, self.previous, self.status])
            }
        };
        let grid = Grid::Elements(parameters);
        recorder.call(KernelKey::new(kernel), &[parameters as u32], &buffers, grid).await?;
        Ok(StepPlan { count, dispatches: recorder.finish("training step").await? })
    }
}

/// The constants in the order in which the optimizer's kernel reads them.
fn words(constants: UpdateConstants) -> [[f32; 4]; 3] {
    let words = match constants {
        UpdateConstants::Sgd { learning_rate, momentum, nesterov, l2 } => {
            [[learning_rate, momentum, f64::from(u8::from(nesterov)), l2], [0.0; 4], [0.0; 4]]
        }
        UpdateConstants::Adam { step_size, beta1, beta2, correction, epsilon, keep, l2 } => [
            [step_size, beta1, 1.0 - beta1, beta2],
            [1.0 - beta2, correction, epsilon, keep],
            [l2, 0.0, 0.0, 0.0],
        ],
    };
    words.map(|row| row.map(|word| word as f32))
}

/// What the status buffer says.
fn divergence([loss, update]: [u32; 2]) -> Option<Divergence> {
    let step = loss.min(update);
    (step != NEVER).then_some(Divergence { step: step.into(), in_loss: loss <= update })
}
