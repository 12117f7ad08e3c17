//! The f64 reference that the other engines are tested against.
//!
//! It runs on one thread, in plain loops. Each function is a formula. The GPU's kernel of the same name in
//! `shaders/` computes the same from the same operands. Matrices are row-major, batches are sample-major.
//! The functions panic on lengths that do not fit each other.
//!
//! ```
//! use impasto::{Activation, Loss, Network, reference};
//!
//! let network = Network::builder(2).hidden(&[4], Activation::Tanh);
//! let mut network = network.output(1, Activation::Identity).build()?;
//! let (inputs, targets) = ([0.5, -1.0], [0.25]);
//! let loss = Loss::MeanSquaredError;
//! let (before, gradient) = reference::loss_and_gradient(&network, loss, &inputs, &targets);
//!
//! // The same in three parts: forward pass, loss, backward pass.
//! let trace = reference::forward(&network, &inputs);
//! let (losses, delta) = reference::loss_gradient(&network, loss, &trace, &targets, &[1.0]);
//! assert_eq!(losses, [before]);
//! assert_eq!(reference::backward(&network, &trace, delta), gradient);
//!
//! // The slope by the first parameter, from a small change.
//! network.weights_mut(0)[0] += 1e-6;
//! let (after, _) = reference::loss_and_gradient(&network, loss, &inputs, &targets);
//! assert!(((after - before) / 1e-6 - gradient[0]).abs() < 1e-5);
//! # Ok::<(), impasto::Error>(())
//! ```

mod elementwise;
mod encoding;
mod first_level;
mod linear;
mod losses;
mod optimizers;
mod passes;
mod wrappers;

#[cfg(all(test, feature = "gpu"))]
pub(crate) use elementwise::dropout;
pub use elementwise::{
    activation, activation_gradient, activation_slopes, round_f16, softmax, softmax_gradient,
};
pub use encoding::{
    direct_encoding, direct_encoding_gradient, fourier_encoding, fourier_encoding_gradient, gather,
    gather_weights, grid_encoding, grid_encoding_gradient, grid_input_gradient,
};
pub use first_level::encode;
#[cfg(all(test, feature = "gpu"))]
pub(crate) use first_level::{encode_columns, encode_gradient};
pub use linear::{bias_add, bias_gradient, matmul, matmul_nt, matmul_tn};
pub use losses::{loss, loss_sum};
pub use optimizers::{gradient_norms, initial_states, update};
pub use passes::{Trace, backward, forward, gradients, input_gradient, loss_gradient};
use passes::{add_backward, forward_with};
pub(crate) use wrappers::Surrounded;
#[cfg(all(test, feature = "gpu"))]
pub(crate) use wrappers::gather_gradients;
pub use wrappers::{average, clip_norm, clip_value, lookahead};

use super::{
    Compute, Divergence, KEPT, MOST_KEPT, Outcome, Output, Pending, Plan, Session, Step,
    check_evaluation, check_gradient, handles, no_place, not_finite, ready,
};
use crate::dataset::Dataset;
use crate::device::{Backend, Device};
use crate::dropout::Masks;
use crate::error::{Error, Result};
use crate::gradients::{Gradients, Wanted};
use crate::loss::Loss;
use crate::memory::{FEWER, NARROWER, Need};
use crate::network::Network;
use crate::permutation::Permutation;
use crate::resources::Resources;
use crate::state::{State, no_state};
use crate::stop::StopHandle;

/// Loss of a batch and the gradient of every parameter. `inputs` is `[batch, inputs]`, `targets`
/// `[batch, outputs]`.
pub fn loss_and_gradient(
    network: &Network,
    loss: Loss,
    inputs: &[f64],
    targets: &[f64],
) -> (f64, Vec<f64>) {
    let weights = vec![1.0; inputs.len() / network.inputs()];
    weighted_loss_and_gradient(network, loss, inputs, targets, &weights)
}

/// The same of samples with weights, `[batch]`, which multiply their losses and gradients; a mean is
/// divided by the number of samples.
pub fn weighted_loss_and_gradient(
    network: &Network,
    loss: Loss,
    inputs: &[f64],
    targets: &[f64],
    weights: &[f64],
) -> (f64, Vec<f64>) {
    let trace = forward(network, inputs);
    let scale = loss.scale(weights.len(), network.outputs());
    let scales: Vec<f64> = weights.iter().map(|weight| scale * weight).collect();
    let (losses, delta) = loss_gradient(network, loss, &trace, targets, &scales);
    (loss_sum(&losses), backward(network, &trace, delta))
}

/// The reference as an engine.
///
/// ```
/// use impasto::{Engine, reference::ReferenceEngine};
///
/// let engine = Engine::from(ReferenceEngine::new());
/// println!("{}", engine.device());
/// ```
#[derive(Clone, Debug)]
pub struct ReferenceEngine {
    device: Device,
}

impl ReferenceEngine {
    /// The reference as an engine. It computes in f64 on the calling thread.
    pub fn new() -> Self {
        Self { device: Device::processor(Backend::Reference, "CPU, 1 thread, f64") }
    }
}

impl Default for ReferenceEngine {
    fn default() -> Self {
        Self::new()
    }
}

handles!(ReferenceEngine);

impl Compute for ReferenceEngine {
    fn device(&self) -> &Device {
        &self.device
    }

    fn start<'a>(
        &'a self,
        network: &'a Network,
        plan: &'a Plan,
        dataset: &'a Dataset,
    ) -> Pending<'a, Box<dyn Session>> {
        let checked = plan.check(network, dataset).and_then(|()| {
            let batch = plan.batch_size.min(dataset.len());
            let parameters = network.parameters().len();
            let what = format_args!("training {parameters} parameters in batches of {batch}");
            need(network, plan, batch).check(what)
        });
        ready(checked.map(|()| {
            let states = wrappers::initial_states(plan, network.parameters());
            Box::new(ReferenceSession {
                plan: *plan,
                dataset: dataset.clone(),
                moment: Moment { network: network.clone(), states, batches: 0, diverged: None },
                kept: [None, None],
                stop: StopHandle::default(),
            }) as Box<dyn Session>
        }))
    }

    fn forward<'a>(
        &'a self,
        network: &'a Network,
        inputs: &'a [f64],
        output: Output,
    ) -> Pending<'a, Vec<f64>> {
        let checked = network.samples_in(inputs).and_then(|samples| {
            let mut need = Need::default();
            need.add(size_of::<f64>(), samples.saturating_mul(traced(network)), FEWER);
            need.check(format_args!("predicting {samples} samples"))
        });
        ready(checked.map(|()| {
            let mut trace = forward(network, inputs);
            match output {
                Output::Logits => trace.logits,
                Output::Activated => trace.values.pop().unwrap_or_default(),
            }
        }))
    }

    fn backward<'a>(
        &'a self,
        network: &'a Network,
        inputs: &'a [f32],
        output_gradient: &'a [f32],
        wanted: Wanted,
    ) -> Pending<'a, Option<Gradients>> {
        ready(gradients(network, inputs, output_gradient, wanted).map(Some))
    }
}

/// Numbers that the forward pass keeps for each sample: itself twice and encoded, outputs and slopes of each layer, and the last
/// sums.
fn traced(network: &Network) -> usize {
    2 * network.inputs() + 2 * network.widths().iter().sum::<usize>() + network.outputs()
}

/// The memory of a run with so many samples in a batch.
fn need(network: &Network, plan: &Plan, batch: usize) -> Need {
    let (mut need, double) = (Need::default(), size_of::<f64>());
    let widest = network.widths().into_iter().max().unwrap_or(0);
    // With two deltas, the targets, the losses and the weights.
    let values = traced(network) + 2 * widest + 2 * network.outputs() + 4;
    need.add(double, batch.saturating_mul(values), "lower the batch size");
    // With the states before a step, the gradient, the new parameters, and what is kept.
    let moment = 1 + plan.vectors();
    let vectors = moment * (2 + KEPT) + 2;
    need.add(double, network.parameters().len().saturating_mul(vectors), NARROWER);
    need
}

/// A training run on the reference.
struct ReferenceSession {
    plan: Plan,
    dataset: Dataset,
    moment: Moment,
    kept: [Option<Moment>; KEPT],
    /// What has steps abandoned.
    stop: StopHandle,
}

/// The products with a parameter, forward and back, in a part of a step: some hundredths of a second.
const PART: usize = 1 << 22;

/// The samples in a part.
fn part(network: &Network) -> usize {
    (PART / network.parameters().len()).max(1)
}

/// What the steps of a run change.
#[derive(Clone)]
struct Moment {
    network: Network,
    /// `[states, parameters]`.
    states: Vec<f64>,
    /// How many batches there were.
    batches: u64,
    diverged: Option<Divergence>,
}

impl ReferenceSession {
    /// One step, in parts between which it can be stopped; its loss. `None` if it was stopped, and nothing is changed.
    fn step(&mut self, step: &Step) -> Option<f64> {
        let Self { plan, dataset, moment, stop, .. } = self;
        let network = &moment.network;
        let order = plan.order(dataset.len(), step.epoch);
        let scale = plan.loss.scale(step.count, network.outputs());
        let masks = Masks::new(plan.seed, step.number);
        let (mut losses, mut gradient) = (Vec::new(), vec![0.0; network.parameters().len()]);
        let part = part(network);
        for first in (0..step.count).step_by(part) {
            if stop.is_stopping() {
                return None;
            }
            let (start, count) = (step.first + first, part.min(step.count - first));
            let (inputs, targets) = gather(dataset, &order, start, count);
            let weights = gather_weights(dataset, &order, start, count);
            let scales: Vec<f64> = weights.iter().map(|weight| scale * weight).collect();
            let trace = forward_with(network, &inputs, Some((masks, first)));
            let (some, delta) = loss_gradient(network, plan.loss, &trace, &targets, &scales);
            losses.extend(some);
            add_backward(network, &trace, delta, &mut gradient);
        }
        let loss = loss_sum(&losses);
        if loss.is_finite() {
            self.update(gradient, step.learning_rate, step.number);
        } else {
            moment.diverged = Some(Divergence { step: step.number, in_loss: true });
        }
        Some(loss)
    }

    /// One update, in the step of that number.
    fn update(&mut self, mut gradient: Vec<f64>, learning_rate: f64, number: u64) {
        let Self { plan, moment, .. } = self;
        let count = gradient.len();
        let frozen: Vec<_> = moment.network.frozen().collect();
        for range in &frozen {
            gradient[range.clone()].fill(0.0);
        }
        let before = moment.states.clone();
        let update = Surrounded::new(plan, learning_rate, moment.batches + 1);
        let mut parameters = moment.network.parameters().to_vec();
        let segments = moment.network.segments().iter();
        let segments: Vec<_> = segments.map(|s| (s.range.clone(), s.kind)).collect();
        update.apply(&segments, &mut parameters, gradient, &mut moment.states);
        for range in &frozen {
            parameters[range.clone()].copy_from_slice(&moment.network.parameters()[range.clone()]);
            // The average follows the parameters, also of those that stay.
            for vector in (0..plan.vectors()).filter(|place| Some(*place) != plan.average()) {
                let range = vector * count + range.start..vector * count + range.end;
                moment.states[range.clone()].copy_from_slice(&before[range]);
            }
        }
        // Refused if a parameter is not finite: the network keeps what it had before the step.
        if moment.network.set_parameters(&parameters).is_err() {
            moment.diverged = Some(Divergence { step: number, in_loss: false });
        } else {
            moment.batches += 1;
        }
    }

    /// The parameters that the run has resulted in so far.
    fn learned_parameters(&self) -> Vec<f64> {
        let Moment { network, states, batches, diverged } = &self.moment;
        let parameters = network.parameters().to_vec();
        let average = self.plan.average().map(|place| {
            let first = place * parameters.len();
            states[first..first + parameters.len()].to_vec()
        });
        let undone = diverged.is_some_and(|divergence| !divergence.in_loss);
        self.plan.wrappers.learned(*batches, undone, parameters, average)
    }

    /// The network with them.
    fn learned(&self) -> Result<Network> {
        let mut network = self.moment.network.clone();
        network.set_parameters(&self.learned_parameters())?;
        Ok(network)
    }
}

impl Session for ReferenceSession {
    fn train(&mut self, steps: &[Step]) -> Result<Pending<'static, Outcome>> {
        self.plan.check_steps(steps, self.dataset.len())?;
        let mut losses = Vec::with_capacity(steps.len());
        for step in steps {
            if self.moment.diverged.is_some() {
                break;
            }
            let Some(loss) = self.step(step) else { break };
            losses.push(loss);
        }
        Ok(ready(Ok(Outcome { losses, diverged: self.moment.diverged })))
    }

    fn parameters(&mut self) -> Pending<'_, Vec<f64>> {
        ready(Ok(self.learned_parameters()))
    }

    fn state(&mut self) -> Pending<'_, State> {
        let Moment { network, states, batches, diverged } = &self.moment;
        if diverged.is_some_and(|diverged| !diverged.in_loss) {
            return ready(no_state());
        }
        let parameters = network.parameters().to_vec();
        let vectors = states.chunks_exact(parameters.len()).map(<[f64]>::to_vec).collect();
        ready(Ok(State { parameters, vectors, batches: *batches, loss_scale: None }))
    }

    fn restore<'a>(&'a mut self, state: &'a State) -> Pending<'a, ()> {
        let moment = &mut self.moment;
        let fits = state.check(&self.plan, moment.network.parameters().len(), false);
        ready(fits.and_then(|()| {
            moment.network.set_parameters(&state.parameters)?;
            moment.states = state.vectors.concat();
            (moment.batches, moment.diverged) = (state.batches, None);
            Ok(())
        }))
    }

    fn predict<'a>(&'a mut self, inputs: &'a [f64], output: Output) -> Pending<'a, Vec<f64>> {
        ready(self.moment.network.samples_in(inputs).and_then(|_| {
            let mut trace = forward(&self.learned()?, inputs);
            Ok(match output {
                Output::Logits => trace.logits,
                Output::Activated => trace.values.pop().unwrap_or_default(),
            })
        }))
    }

    fn evaluate<'a>(&'a mut self, dataset: &'a Dataset, loss: Loss) -> Pending<'a, f64> {
        let fits = check_evaluation(&self.moment.network, loss, dataset);
        ready(fits.and_then(|()| {
            let order = Permutation::identity(dataset.len());
            let network = self.learned()?;
            let scale = loss.scale(dataset.len(), network.outputs());
            let (mut losses, part) = (Vec::new(), part(&network));
            for first in (0..dataset.len()).step_by(part) {
                if self.stop.is_stopping() {
                    return Err(Error::Stopped);
                }
                let count = part.min(dataset.len() - first);
                let (inputs, targets) = gather(dataset, &order, first, count);
                let weights = gather_weights(dataset, &order, first, count);
                let trace = forward(&network, &inputs);
                let scales: Vec<f64> = weights.iter().map(|weight| scale * weight).collect();
                losses.extend(loss_gradient(&network, loss, &trace, &targets, &scales).0);
            }
            Ok(loss_sum(&losses))
        }))
    }

    fn apply<'a>(&'a mut self, gradient: &'a [f64], learning_rate: f64) -> Pending<'a, ()> {
        let parameters = self.moment.network.parameters().len();
        ready(check_gradient(parameters, gradient, learning_rate).and_then(|()| {
            if self.moment.diverged.is_none() {
                self.update(gradient.to_vec(), learning_rate, self.moment.batches + 1);
            }
            if self.moment.diverged.is_some() { not_finite() } else { Ok(()) }
        }))
    }

    fn backward<'a>(
        &'a mut self,
        inputs: &'a [f32],
        output_gradient: &'a [f32],
        wanted: Wanted,
    ) -> Pending<'a, Gradients> {
        if self.moment.diverged.is_some_and(|diverged| !diverged.in_loss) {
            return ready(not_finite());
        }
        ready(gradients(&self.moment.network, inputs, output_gradient, wanted))
    }

    fn resources(&self) -> Resources {
        let bytes = |numbers: usize| 8 * numbers as u64;
        let Moment { network, states, .. } = &self.moment;
        let one = |moment: &Moment| moment.network.parameters().len() + moment.states.len();
        let widths = network.widths();
        let batch = self.plan.batch_size.min(self.dataset.len()).min(part(network));
        Resources {
            samples: 0,
            parameters: bytes(network.parameters().len()),
            state: bytes(states.len()),
            kept: bytes(self.kept.iter().flatten().map(one).sum()),
            // Values, slopes and deltas, and the gradient.
            workspace: bytes(3 * batch * widths.iter().sum::<usize>() + network.parameters().len()),
        }
    }

    fn stop_with(&mut self, stop: &StopHandle) {
        self.stop = stop.clone();
    }

    fn can_keep(&self) -> bool {
        let numbers = self.moment.network.parameters().len() + self.moment.states.len();
        (8 * KEPT * numbers) as u64 <= MOST_KEPT
    }

    fn keep(&mut self, place: usize) -> Pending<'_, ()> {
        let Some(kept) = self.kept.get_mut(place) else { return ready(no_place(place)) };
        *kept = Some(self.moment.clone());
        ready(Ok(()))
    }

    fn go_back(&mut self, place: usize) -> Pending<'_, ()> {
        let Some(Some(kept)) = self.kept.get(place) else { return ready(no_place(place)) };
        self.moment = kept.clone();
        ready(Ok(()))
    }
}
