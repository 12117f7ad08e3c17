//! A training run on a device: submissions of steps, their status, kept states.

mod apply;
mod backward;
mod evaluate;
mod transfer;

use super::choice::Choice;
use super::device::{Gpu, STEP_STRIDE};
use super::learned::Learned;
use super::lowering;
use super::prediction;
use super::readback::floats;
use super::recorder::{Dispatch, Pass, play_steps_after};
use super::run_buffers::{NEVER, RunBuffers, divergence};
use super::samples::Stored;
use super::step::StepData;
use super::task::{Lowering, Training, TrainingTask};
use crate::dataset::Dataset;
use crate::dropout::Masks;
use crate::engine::choice::Precision;
use crate::engine::{
    Divergence, KEPT, MOST_KEPT, Outcome, Output, Pending, Plan, Session, Step, check_evaluation,
    check_gradient, no_place, ready,
};
use crate::error::{Result, internal, unsupported};
use crate::gradients::{Gradients, Wanted};
use crate::loss::Loss;
use crate::memory::{NARROWER, Need};
use crate::network::Network;
use crate::resources::Resources;
use crate::state::State;
use crate::wrappers::Numbers;
use std::sync::Arc;

/// The most steps in a submission: the slots of the loss buffer. Fewer where buffers are small.
const SLOTS: u64 = 1024;

/// What the steps of a run change, as it was at some moment.
struct Kept {
    parameters: wgpu::Buffer,
    previous: wgpu::Buffer,
    states: wgpu::Buffer,
    status: wgpu::Buffer,
    batches: u64,
    started: u64,
    numbers: Vec<(u64, u64)>,
}

impl Kept {
    async fn new(gpu: &Gpu, state: &RunBuffers) -> Result<Self> {
        let numbers = |buffer: &wgpu::Buffer| (buffer.size() / 4) as usize;
        Ok(Self {
            parameters: gpu.storage("kept parameters", numbers(&state.parameters)).await?,
            previous: gpu.storage("kept previous parameters", numbers(&state.previous)).await?,
            states: gpu.storage("kept optimizer state", numbers(&state.states)).await?,
            status: gpu.storage("kept status", numbers(&state.status)).await?,
            batches: 0,
            started: 0,
            numbers: Vec::new(),
        })
    }

    /// Each buffer, beside that of the run.
    fn pairs<'a>(&'a self, state: &'a RunBuffers) -> [(&'a wgpu::Buffer, &'a wgpu::Buffer); 4] {
        [
            (&self.parameters, &state.parameters),
            (&self.previous, &state.previous),
            (&self.states, &state.states),
            (&self.status, &state.status),
        ]
    }
}

/// A copy from one buffer to another of its size.
struct Copy {
    from: wgpu::Buffer,
    to: wgpu::Buffer,
}

/// The number of the step that the kernels count as `count`, from where numbers begin anew.
fn number_of(numbers: &[(u64, u64)], count: u64) -> u64 {
    let before = numbers.partition_point(|(first, _)| *first <= count);
    let Some((first, number)) = before.checked_sub(1).map(|place| numbers[place]) else {
        return count;
    };
    number.saturating_add(count - first)
}

/// A list of commands that begins with these copies.
fn encoder_after(copies: &mut Vec<Copy>, gpu: &Gpu, label: &str) -> wgpu::CommandEncoder {
    let mut encoder = gpu.encoder(label);
    for Copy { from, to } in copies.drain(..) {
        encoder.copy_buffer_to_buffer(&from, 0, &to, 0, from.size());
    }
    encoder
}

/// The memory of the host for a run: for each parameter the upload, the state as it is read back (f32) and as it is returned
/// (f64), a copy of the parameters, and their places.
fn host_need(parameters: usize, vectors: usize) -> Need {
    let mut need = Need::default();
    let each = (1 + vectors) * (2 * size_of::<f32>() + size_of::<f64>()) + size_of::<f64>();
    let each = each + size_of::<usize>();
    need.add(each, parameters, NARROWER);
    need
}

/// A training run on a device.
pub(super) struct GpuSession {
    pub(super) gpu: Arc<Gpu>,
    plan: Plan,
    pub(super) samples: usize,
    dataset: Dataset,
    /// The network without its parameters.
    network: Network,
    /// How many it has.
    parameters: usize,
    lowering: &'static dyn Lowering,
    precision: Precision,
    state: RunBuffers,
    /// Where each parameter of the network is in `state`, if not in the network's own order.
    places: Option<Vec<usize>>,
    /// The samples on the device.
    stored: Stored,
    /// The most steps in a submission.
    slots: usize,
    pub(super) steps: wgpu::Buffer,
    pub(super) step_group: wgpu::BindGroup,
    /// What comes before the first step of a submission.
    before: Vec<Dispatch>,
    /// For a full batch, and for what is left at the end of an epoch.
    passes: Vec<Pass>,
    /// Batches of the steps started so far, if none diverges.
    batches: u64,
    /// Steps and other updates started so far. The kernels count by it, whatever the numbers of the steps
    /// are, so that nothing is taken after one that diverged.
    started: u64,
    /// Where the numbers of steps begin anew: how many were started before, and the number of the next.
    numbers: Vec<(u64, u64)>,
    kept: [Option<Kept>; KEPT],
    learned: Learned,
    /// An update with a gradient of the caller's, and the buffer that it is written to.
    applied: Option<(wgpu::Buffer, Vec<Dispatch>)>,
    /// Copies that are due before any other command.
    copies: Vec<Copy>,
}

impl GpuSession {
    pub(super) async fn start(
        gpu: &Arc<Gpu>,
        network: &Network,
        plan: &Plan,
        dataset: &Dataset,
        choice: Choice,
    ) -> Result<Self> {
        gpu.check()?;
        let samples = dataset.len();
        let batch = plan.batch_size.min(samples);
        host_need(network.parameters().len(), plan.vectors()).check("training on the GPU")?;
        let slots = SLOTS.min(gpu.largest_buffer() / STEP_STRIDE).max(1) as usize;
        let steps = gpu.storage("steps", slots * STEP_STRIDE as usize / 4).await?;
        let step_group = gpu.step_group(&steps).await?;
        let counts: Vec<usize> = prediction::counts(samples, batch).collect();
        let Choice { tune, tile, .. } = choice;
        let counts = &counts;
        let task = TrainingTask { gpu, network, plan, dataset, slots, counts, tune, tile };
        let Training { lowering, precision, state, places, samples: stored, before, passes } =
            lowering::train(&task, choice).await?;
        gpu.check()?;
        gpu.remember().await;
        Ok(Self {
            gpu: Arc::clone(gpu),
            plan: *plan,
            samples,
            dataset: dataset.clone(),
            network: network.shape(),
            lowering,
            precision,
            learned: Learned::default(),
            applied: None,
            parameters: network.parameters().len(),
            state,
            places,
            stored,
            slots,
            steps,
            step_group,
            before,
            passes,
            batches: 0,
            started: 0,
            numbers: Vec::new(),
            kept: [None, None],
            copies: Vec::new(),
        })
    }

    /// The precision that it trains in.
    pub(super) fn precision(&self) -> Precision {
        self.precision
    }

    /// The number that the kernels count the next step by.
    fn next_count(&self, steps: usize) -> Result<u64> {
        let next = self.started + 1;
        if next + steps as u64 > u64::from(NEVER) {
            return unsupported(format!("a run on a GPU has at most {} steps", NEVER - 1));
        }
        Ok(next)
    }

    /// Starts up to `slots` steps.
    fn submit(
        &mut self,
        steps: &[Step],
    ) -> Result<impl Future<Output = Result<Outcome>> + 'static + use<>> {
        let Some(first) = steps.first().map(|step| step.number) else {
            return internal("no step was to be started");
        };
        let count = self.next_count(steps.len())?;
        self.number(count, first);
        let numbers = self.numbers.clone();
        let mut played = Vec::with_capacity(steps.len());
        for step in steps {
            let Some(plan) = self.passes.iter().find(|plan| plan.count == step.count) else {
                return internal(format!("no kernels for a step of {} samples", step.count));
            };
            played.push(plan.dispatches.as_slice());
        }
        let data: Vec<StepData> = (steps.iter().zip(0..))
            .map(|(step, slot)| self.data(slot, step, self.batches + 1 + slot, count + slot))
            .collect();
        self.gpu.write(&self.steps, bytemuck::cast_slice(&data));
        let mut encoder = encoder_after(&mut self.copies, &self.gpu, "training steps");
        let before = &self.before;
        play_steps_after(&self.gpu, &mut encoder, &self.step_group, before, played.into_iter());
        let sums = 0..4 * steps.len() as u64;
        let sources = [(&self.state.status, 0..8), (&self.state.sums, sums)];
        let read = self.gpu.read(encoder, &sources, "losses of the steps")?;
        self.batches += steps.len() as u64;
        self.started += steps.len() as u64;
        Ok(async move {
            let bytes = read.await?;
            let (status, sums) = bytes.split_at(8);
            let diverged = divergence(bytemuck::pod_read_unaligned(status));
            // Those after the step that diverged are of no step that was taken.
            let taken = diverged.map_or(u64::MAX, |d| (d.step + 1).saturating_sub(count));
            let losses = floats(sums).map(f64::from).take(taken as usize).collect();
            let diverged = diverged.map(|d| Divergence { step: number_of(&numbers, d.step), ..d });
            Ok(Outcome { losses, diverged })
        })
    }

    /// Notes the number of the step that the kernels count as `count`.
    fn number(&mut self, count: u64, number: u64) {
        if self.numbers.is_empty() || number_of(&self.numbers, count) != number {
            self.numbers.push((count, number));
        }
    }

    /// Makes the copies that are due.
    fn flush_copies(&mut self) {
        if !self.copies.is_empty() {
            let encoder = encoder_after(&mut self.copies, &self.gpu, "copies");
            self.gpu.queue.submit([encoder.finish()]);
        }
    }

    /// The samples of a full batch, and its dispatches.
    pub(super) fn full_step(&self) -> (usize, &[Dispatch]) {
        (self.passes[0].count, &self.passes[0].dispatches)
    }

    /// What a step is given, in a slot of a submission, for a batch of the run, counted from 1. The kernels
    /// count it as `count`.
    pub(super) fn data(&self, slot: u64, step: &Step, batch: u64, count: u64) -> StepData {
        let numbers = self.plan.wrappers.at(batch);
        let Numbers { t, gather, clip_value, clip_norm, alpha, share } = numbers;
        let constants = self.plan.optimizer.constants(step.learning_rate, t);
        StepData {
            order: self.plan.order(self.samples, step.epoch).words(),
            part: self.dataset.part().order.words(),
            first: step.first as u32,
            slot: slot as u32,
            number: count as u32,
            count: step.count as u32,
            constants: bytemuck::cast(constants.map(|c| c as f32)),
            loss_factor: self.plan.loss.scale(step.count, self.network.outputs()) as f32,
            part_first: self.dataset.part().first as u32,
            l2: self.plan.l2 as f32,
            clip_value: clip_value as f32,
            clip_norm: clip_norm as f32,
            alpha: alpha as f32,
            share: share as f32,
            gather_kept: gather.kept as f32,
            gather_part: gather.part as f32,
            updates: gather.updates.into(),
            masks: Masks::new(self.plan.seed, step.number).words(),
            unused: [0; 28],
        }
    }
}

impl Session for GpuSession {
    fn train(&mut self, steps: &[Step]) -> Result<Pending<'static, Outcome>> {
        self.plan.check_steps(steps, self.samples)?;
        // Before the first submission, so that none of them is taken if all cannot be.
        self.next_count(steps.len())?;
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
        Box::pin(self.read_learned())
    }

    fn state(&mut self) -> Pending<'_, State> {
        Box::pin(self.read_state())
    }

    fn restore<'a>(&'a mut self, state: &'a State) -> Pending<'a, ()> {
        let fits = state.check(&self.plan, self.parameters, true);
        ready(fits.and_then(|()| self.upload_state(state)))
    }

    fn can_keep(&self) -> bool {
        let RunBuffers { parameters, previous, states, .. } = &self.state;
        let bytes = KEPT as u64 * (parameters.size() + previous.size() + states.size());
        bytes <= MOST_KEPT.min(self.gpu.largest_buffer())
    }

    fn keep(&mut self, place: usize) -> Pending<'_, ()> {
        if place >= KEPT {
            return ready(no_place(place));
        }
        Box::pin(async move {
            let mut kept = match self.kept[place].take() {
                Some(kept) => kept,
                None => Kept::new(&self.gpu, &self.state).await?,
            };
            let copies = kept.pairs(&self.state);
            self.copies
                .extend(copies.map(|(kept, now)| Copy { from: now.clone(), to: kept.clone() }));
            (kept.batches, kept.started) = (self.batches, self.started);
            kept.numbers.clone_from(&self.numbers);
            self.kept[place] = Some(kept);
            Ok(())
        })
    }

    fn go_back(&mut self, place: usize) -> Pending<'_, ()> {
        let Some(Some(kept)) = self.kept.get(place) else { return ready(no_place(place)) };
        let copies = kept.pairs(&self.state);
        self.copies.extend(copies.map(|(kept, now)| Copy { from: kept.clone(), to: now.clone() }));
        (self.batches, self.started) = (kept.batches, kept.started);
        self.numbers.clone_from(&kept.numbers);
        ready(Ok(()))
    }

    fn predict<'a>(&'a mut self, inputs: &'a [f64], output: Output) -> Pending<'a, Vec<f64>> {
        Box::pin(self.outputs_of(inputs, output))
    }

    fn evaluate<'a>(&'a mut self, dataset: &'a Dataset, loss: Loss) -> Pending<'a, f64> {
        match check_evaluation(&self.network, loss, dataset) {
            Ok(()) => Box::pin(self.loss_on(dataset, loss)),
            Err(error) => ready(Err(error)),
        }
    }

    fn apply<'a>(&'a mut self, gradient: &'a [f64], learning_rate: f64) -> Pending<'a, ()> {
        match check_gradient(self.parameters, gradient, learning_rate) {
            Ok(()) => Box::pin(self.apply_gradient(gradient, learning_rate)),
            Err(error) => ready(Err(error)),
        }
    }

    fn backward<'a>(
        &'a mut self,
        inputs: &'a [f32],
        output_gradient: &'a [f32],
        wanted: Wanted,
    ) -> Pending<'a, Gradients> {
        Box::pin(self.gradients([inputs, output_gradient], wanted))
    }

    fn resources(&self) -> Resources {
        let size = |buffers: &[&wgpu::Buffer]| buffers.iter().map(|buffer| buffer.size()).sum();
        let RunBuffers { parameters, previous, states, sums, status, norms, .. } = &self.state;
        let samples = self.stored.buffers();
        let learned = self.learned.parameters.iter();
        let known: Vec<&wgpu::Buffer> = [parameters, previous].into_iter().chain(learned).collect();
        let kept = self.kept.iter().flatten();
        let kept =
            kept.flat_map(|kept| [&kept.parameters, &kept.previous, &kept.states, &kept.status]);
        let own = [&self.steps, sums, status];
        let own = own.into_iter().chain(norms.as_ref().map(|(norms, _)| norms));
        let bound =
            self.passes.iter().flat_map(|plan| &plan.dispatches).flat_map(Dispatch::buffers);
        let mut workspace: Vec<&wgpu::Buffer> = own.chain(bound).collect();
        workspace.sort_unstable();
        workspace.dedup();
        workspace.retain(|buffer| {
            !samples.contains(buffer) && !known.contains(buffer) && *buffer != states
        });
        Resources {
            samples: size(&samples),
            parameters: size(&known),
            state: states.size(),
            kept: size(&kept.collect::<Vec<_>>()),
            workspace: size(&workspace),
        }
    }
}
