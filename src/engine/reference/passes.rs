//! The forward and backward pass of the f64 reference.

use super::elementwise::{
    activation, activation_gradient, activation_slopes, dropout, softmax, softmax_gradient,
};
use super::first_level::{encode, encode_gradient};
use super::linear::{bias_add, bias_gradient, matmul, matmul_nt, matmul_tn};
use super::losses;
use crate::dropout::Masks;
use crate::error::Result;
use crate::gradients::{self, Gradients, Wanted};
use crate::loss::Loss;
use crate::network::Network;

/// The values of a forward pass that the backward pass needs.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Trace {
    /// The inputs before the encoding, `[batch, network.inputs()]`.
    pub inputs: Vec<f64>,
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

/// [`forward`] with [`dropout`](Layer::dropout) by these masks, from that of a row of the batch.
///
/// [`Layer::dropout`]: crate::Layer::dropout
pub(super) fn forward_with(
    network: &Network,
    inputs: &[f64],
    masks: Option<(Masks, usize)>,
) -> Trace {
    let batch = inputs.len() / network.inputs();
    let mut trace = Trace {
        inputs: inputs.to_vec(),
        values: vec![encode(network, inputs)],
        slopes: Vec::new(),
        logits: Vec::new(),
    };
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
    if !folded {
        output_activation_gradient(network, trace, &mut delta);
    }
    (losses, delta)
}

/// Takes a gradient with respect to the outputs, `[batch, outputs]`, to the last layer's weighted sums, in
/// place.
fn output_activation_gradient(network: &Network, trace: &Trace, delta: &mut [f64]) {
    let (output, last) = (network.output_layer(), network.layers().len() - 1);
    if output.activation.is_row() {
        softmax_gradient(&trace.values[last + 1], delta, output.fan_out);
    } else {
        activation_gradient(&trace.slopes[last], delta);
    }
}

/// Backpropagation: from the gradient with respect to the last layer's weighted sums to that of
/// every parameter, in the network's flat order. Rumelhart, Hinton & Williams 1986.
pub fn backward(network: &Network, trace: &Trace, delta: Vec<f64>) -> Vec<f64> {
    backpropagate(network, trace, delta, Wanted::Parameters).0
}

/// The gradient with respect to the inputs, `[batch, network.inputs()]`, from that with respect to the
/// outputs, `[batch, network.outputs()]`, of a forward pass.
pub fn input_gradient(network: &Network, trace: &Trace, output_gradient: Vec<f64>) -> Vec<f64> {
    let mut delta = output_gradient;
    output_activation_gradient(network, trace, &mut delta);
    backpropagate(network, trace, delta, Wanted::Inputs).1
}

/// The gradients with respect to the parameters and to the inputs, `[batch, network.inputs()]`, from the
/// gradient with respect to the outputs, `[batch, network.outputs()]`. The gradients that are not wanted are
/// empty. Nothing is dropped.
///
/// # Errors
/// Lengths that do not fit the network or each other, a number that is not finite, an activation without a
/// gradient, or a gradient that leaves the range of f32.
pub fn gradients(
    network: &Network,
    inputs: &[f32],
    output_gradient: &[f32],
    wanted: Wanted,
) -> Result<Gradients> {
    gradients::check(network, inputs, output_gradient)?;
    let double = |numbers: &[f32]| numbers.iter().map(|n| f64::from(*n)).collect::<Vec<_>>();
    let trace = forward(network, &double(inputs));
    let mut delta = double(output_gradient);
    output_activation_gradient(network, &trace, &mut delta);
    let (parameters, inputs) = backpropagate(network, &trace, delta, wanted);
    Gradients::new(parameters, inputs.into_iter().map(|number| number as f32).collect())
}

/// Adds what [`backward`] returns to a gradient, sample by sample, so that a batch can come in parts.
pub(super) fn add_backward(
    network: &Network,
    trace: &Trace,
    delta: Vec<f64>,
    gradient: &mut [f64],
) {
    add_backpropagation(network, trace, delta, Wanted::Parameters, gradient);
}

/// The gradients with respect to the parameters and to the inputs, from the gradient with respect to the last
/// layer's weighted sums, `[batch, outputs]`.
fn backpropagate(
    network: &Network,
    trace: &Trace,
    delta: Vec<f64>,
    wanted: Wanted,
) -> (Vec<f64>, Vec<f64>) {
    let count = if wanted.parameters() { network.parameters().len() } else { 0 };
    let mut gradient = vec![0.0; count];
    let inputs = add_backpropagation(network, trace, delta, wanted, &mut gradient);
    (gradient, inputs)
}

/// The same, with the gradient with respect to the parameters added to `gradient`. Returns that with respect to the
/// inputs.
fn add_backpropagation(
    network: &Network,
    trace: &Trace,
    mut delta: Vec<f64>,
    wanted: Wanted,
    gradient: &mut [f64],
) -> Vec<f64> {
    for (l, layer) in network.layers().iter().enumerate().rev() {
        let batch = delta.len() / layer.fan_out;
        if wanted.parameters() {
            let weights = &mut gradient[network.weight_segment(l).range.clone()];
            let below = &trace.values[l];
            matmul_tn(below, &delta, batch, layer.fan_in, layer.fan_out, weights);
            if let Some(segment) = network.bias_segment(l) {
                bias_gradient(&delta, layer.fan_out, &mut gradient[segment.range.clone()]);
            }
        }
        if l == 0 && !wanted.inputs() && network.encoding_parameters() == 0 {
            return Vec::new();
        }
        let mut below = vec![0.0; batch * layer.fan_in];
        matmul_nt(&delta, network.weights(l), batch, layer.fan_out, layer.fan_in, &mut below);
        if l > 0 {
            activation_gradient(&trace.slopes[l - 1], &mut below);
        }
        delta = below;
    }
    let parameters = wanted.parameters().then_some(gradient);
    encode_gradient(network, &trace.inputs, delta, parameters, wanted.inputs())
}
