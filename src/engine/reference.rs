//! The f64 reference that the other engines are tested against.
//!
//! It runs on one thread, in plain loops. Each function is a formula. The GPU's kernel of the same name in
//! `shaders/` computes the same from the same operands. Matrices are row-major, batches are sample-major.
//! Lengths that do not fit each other are a panic.
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
mod linear;
mod losses;
mod optimizers;
mod wrappers;

pub(crate) use elementwise::dropout;
pub use elementwise::{
    activation, activation_gradient, activation_slopes, softmax, softmax_gradient,
};
pub use encoding::{fourier_encoding, fourier_encoding_gradient, gather, gather_weights};
pub use linear::{bias_add, bias_gradient, matmul, matmul_nt, matmul_tn};
pub use losses::{loss, loss_sum};
pub use optimizers::{gradient_norms, initial_states, update};
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
use crate::error::Result;
use crate::loss::Loss;
use crate::network::Network;
use crate::permutation::Permutation;
use crate::resources::Resources;
use crate::state::{State, no_state};

/// The values of a forward pass that the backward pass needs.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Trace {
    /// `values[0]` are the encoded inputs, `[batch, layers[0].fan_in]`, and `values[l + 1]` the outputs of
    /// layer `l`, `[batch, fan_out]`.
    pub values: Vec<Vec<f64>>,
    /// `slopes[l]` is `f′` of layer `l`'s weighted sums, `[batch, fan_out]`.
    pub slopes: Vec<Vec<f64>>,
    /// The last layer's weighted sums, `[batch, network.outputs()]`.
    pub logits: Vec<f64>,
}

/// Forward pass: `y₀ = encoding(x)`, `yₗ₊₁ = fₗ(yₗ·Wₗ + bₗ)`, without `bₗ` where a layer has no
/// biases. Nothing is dropped, as in a prediction.
///
/// `inputs` is `[batch, network.inputs()]`.
pub fn forward(network: &Network, inputs: &[f64]) -> Trace {
    forward_with(network, inputs, None)
}

/// The same with [`dropout`](Layer::dropout) by these masks.
///
/// [`Layer::dropout`]: crate::Layer::dropout
fn forward_with(network: &Network, inputs: &[f64], masks: Option<Masks>) -> Trace {
    let batch = inputs.len() / network.inputs();
    let encoded = match network.encoding().frequencies(network.inputs()) {
        None => inputs.to_vec(),
        Some(matrix) => {
            let matrix: Vec<f64> = matrix.into_iter().map(f64::from).collect();
            let mut out = vec![0.0; batch * network.encoding().outputs(network.inputs())];
            fourier_encoding(inputs, network.inputs(), &matrix, &mut out);
            out
        }
    };
    let mut trace = Trace { values: vec![encoded], slopes: Vec::new(), logits: Vec::new() };
    for (l, layer) in network.layers().iter().enumerate() {
        let mut z = vec![0.0; batch * layer.fan_out];
        matmul(&trace.values[l], network.weights(l), batch, layer.fan_in, layer.fan_out, &mut z);
        if layer.bias {
            bias_add(&mut z, network.biases(l));
        }
        if l + 1 == network.layers().len() {
            trace.logits.clone_from(&z);
        }
        let mut slopes = activation_slopes(layer.activation, &z);
        if layer.activation.is_row() {
            softmax(&mut z, layer.fan_out);
        } else {
            activation(layer.activation, &mut z);
        }
        if let Some(masks) = masks.filter(|_| layer.dropout > 0.0) {
            dropout(masks, l, layer.dropout, layer.fan_out, &mut z, &mut slopes);
        }
        trace.slopes.push(slopes);
        trace.values.push(z);
    }
    trace
}

/// Loss of each sample, `[batch]`, and its gradient with respect to the last layer's weighted
/// sums, `[batch, outputs]`; `scales`, `[batch]`, is what each sample's are multiplied by.
pub fn loss_gradient(
    network: &Network,
    loss: Loss,
    trace: &Trace,
    targets: &[f64],
    scales: &[f64],
) -> (Vec<f64>, Vec<f64>) {
    let output = network.output_layer();
    let folded = loss.folded_activation().is_some();
    let outputs = &trace.values[trace.values.len() - 1];
    let y = if folded { &trace.logits } else { outputs };
    let mut losses = vec![0.0; targets.len() / output.fan_out];
    let mut delta = vec![0.0; targets.len()];
    losses::loss(loss, y, targets, output.fan_out, scales, &mut losses, &mut delta);
    if !folded && output.activation.is_row() {
        softmax_gradient(y, &mut delta, output.fan_out);
    } else if !folded {
        activation_gradient(&trace.slopes[trace.slopes.len() - 1], &mut delta);
    }
    (losses, delta)
}

/// Backpropagation: from the gradient with respect to the last layer's weighted sums to that of
/// every parameter, in the network's flat order. Rumelhart, Hinton & Williams 1986.
pub fn backward(network: &Network, trace: &Trace, mut delta: Vec<f64>) -> Vec<f64> {
    let mut gradient = vec![0.0; network.parameters().len()];
    for (l, layer) in network.layers().iter().enumerate().rev() {
        let batch = delta.len() / layer.fan_out;
        let below = &trace.values[l];
        matmul_tn(
            below,
            &delta,
            batch,
            layer.fan_in,
            layer.fan_out,
            &mut gradient[network.weight_segment(l).range.clone()],
        );
        if let Some(segment) = network.bias_segment(l) {
            bias_gradient(&delta, layer.fan_out, &mut gradient[segment.range.clone()]);
        }
        if l > 0 {
            let mut delta_below = vec![0.0; batch * layer.fan_in];
            matmul_nt(
                &delta,
                network.weights(l),
                batch,
                layer.fan_out,
                layer.fan_in,
                &mut delta_below,
            );
            activation_gradient(&trace.slopes[l - 1], &mut delta_below);
            delta = delta_below;
        }
    }
    gradient
}

/// The gradient with respect to the inputs, `[batch, network.inputs()]`, from that with respect to the
/// outputs, `[batch, network.outputs()]`, of a forward pass.
pub fn input_gradient(network: &Network, trace: &Trace, output_gradient: Vec<f64>) -> Vec<f64> {
    let mut delta = output_gradient;
    let last = network.layers().len() - 1;
    for (l, layer) in network.layers().iter().enumerate().rev() {
        if l == last && layer.activation.is_row() {
            softmax_gradient(&trace.values[l + 1], &mut delta, layer.fan_out);
        } else {
            activation_gradient(&trace.slopes[l], &mut delta);
        }
        let batch = delta.len() / layer.fan_out;
        let mut below = vec![0.0; batch * layer.fan_in];
        matmul_nt(&delta, network.weights(l), batch, layer.fan_out, layer.fan_in, &mut below);
        delta = below;
    }
    match network.encoding().frequencies(network.inputs()) {
        None => delta,
        Some(matrix) => {
            let matrix: Vec<f64> = matrix.into_iter().map(f64::from).collect();
            fourier_encoding_gradient(&trace.values[0], &delta, network.inputs(), &matrix)
        }
    }
}

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
    loss_and_gradient_of(network, loss, &trace, targets, weights)
}

/// The same of a forward pass.
fn loss_and_gradient_of(
    network: &Network,
    loss: Loss,
    trace: &Trace,
    targets: &[f64],
    weights: &[f64],
) -> (f64, Vec<f64>) {
    let scale = loss.scale(weights.len(), network.outputs());
    let scales: Vec<f64> = weights.iter().map(|weight| scale * weight).collect();
    let (losses, delta) = loss_gradient(network, loss, trace, targets, &scales);
    (loss_sum(&losses), backward(network, trace, delta))
}

/// The reference as an engine.
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
        ready(plan.check(network, dataset).map(|()| {
            let states = wrappers::initial_states(plan, network.parameters());
            Box::new(ReferenceSession {
                plan: *plan,
                dataset: dataset.clone(),
                moment: Moment { network: network.clone(), states, batches: 0, diverged: None },
                kept: [None, None],
            }) as Box<dyn Session>
        }))
    }

    fn forward<'a>(
        &'a self,
        network: &'a Network,
        inputs: &'a [f64],
        output: Output,
    ) -> Pending<'a, Vec<f64>> {
        ready(network.samples_in(inputs).map(|_| {
            let mut trace = forward(network, inputs);
            match output {
                Output::Logits => trace.logits,
                Output::Activated => trace.values.pop().unwrap_or_default(),
            }
        }))
    }
}

/// A training run on the reference.
struct ReferenceSession {
    plan: Plan,
    dataset: Dataset,
    moment: Moment,
    kept: [Option<Moment>; KEPT],
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
    /// One step; its loss.
    fn step(&mut self, step: &Step) -> f64 {
        let Self { plan, dataset, moment, .. } = self;
        let order = plan.order(dataset.len(), step.epoch);
        let (inputs, targets) = gather(dataset, &order, step.first, step.count);
        let weights = gather_weights(dataset, &order, step.first, step.count);
        let masks = Masks::new(plan.seed, step.number);
        let trace = forward_with(&moment.network, &inputs, Some(masks));
        let (loss, gradient) =
            loss_and_gradient_of(&moment.network, plan.loss, &trace, &targets, &weights);
        if !loss.is_finite() {
            moment.diverged = Some(Divergence { step: step.number, in_loss: true });
            return loss;
        }
        self.update(gradient, step.learning_rate, step.number);
        loss
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
        let segments: Vec<_> = moment.network.segments().iter().map(|s| s.range.clone()).collect();
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
            losses.push(self.step(step));
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
        ready(Ok(State { parameters, vectors, batches: *batches }))
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
            let (inputs, targets) = gather(dataset, &order, 0, dataset.len());
            let weights = gather_weights(dataset, &order, 0, dataset.len());
            let network = self.learned()?;
            let trace = forward(&network, &inputs);
            let scale = loss.scale(dataset.len(), network.outputs());
            let scales: Vec<f64> = weights.iter().map(|weight| scale * weight).collect();
            let (losses, _) = loss_gradient(&network, loss, &trace, &targets, &scales);
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

    fn resources(&self) -> Resources {
        let bytes = |numbers: usize| 8 * numbers as u64;
        let Moment { network, states, .. } = &self.moment;
        let one = |moment: &Moment| moment.network.parameters().len() + moment.states.len();
        let widths = network.widths();
        let batch = self.plan.batch_size.min(self.dataset.len());
        Resources {
            samples: 0,
            parameters: bytes(network.parameters().len()),
            state: bytes(states.len()),
            kept: bytes(self.kept.iter().flatten().map(one).sum()),
            // Values, slopes and deltas, and the gradient.
            workspace: bytes(3 * batch * widths.iter().sum::<usize>() + network.parameters().len()),
        }
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
