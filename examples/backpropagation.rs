//! Backpropagation: the gradient of every parameter, computed from the last layer to the first.
//!
//! The forward pass keeps the outputs of every layer. The backward pass computes δ = ∂L/∂z, the derivative of
//! the loss with respect to each weighted sum z. It starts at the output and goes down layer by layer:
//!
//! - output layer: δ = 2(y − t)
//! - layer below: δ = (W·δ of the layer above)·f′(z), and tanh has f′(z) = 1 − y²
//! - gradients: ∂L/∂W = x·δ for each input x of the layer, and ∂L/∂b = δ
//!
//! ```sh
//! cargo run --release --example backpropagation
//! ```

#[macro_use]
mod common;

use impasto::{Activation, Engine, Network, Result};
use std::process::ExitCode;

/// The only sample.
pub(crate) const INPUT: [f64; 2] = [0.5, -1.0];

/// Its target.
pub(crate) const TARGET: f64 = 1.0;

fn main() -> ExitCode {
    common::run("Backpropagation with plain loops, compared with the engine", show)
}

/// 2 inputs, two hidden layers of 3 neurons with tanh, 1 output without an activation.
pub(crate) fn network() -> Result<Network> {
    Network::builder(2).hidden(&[3, 3], Activation::Tanh).output(1, Activation::Identity).build()
}

/// The outputs of every layer, after the inputs: `[layers + 1][neurons]`.
pub(crate) fn forward(network: &Network) -> Vec<Vec<f64>> {
    let mut outputs = vec![INPUT.to_vec()];
    for (l, layer) in network.layers().iter().enumerate() {
        let x = &outputs[l]; // [fan_in]
        let w = network.weights(l); // [fan_in, fan_out]
        let mut y = network.biases(l).to_vec(); // [fan_out]
        for (j, y) in y.iter_mut().enumerate() {
            for (i, x) in x.iter().enumerate() {
                *y += x * w[i * layer.fan_out + j];
            }
            if l + 1 < network.layers().len() {
                *y = y.tanh();
            }
        }
        outputs.push(y);
    }
    outputs
}

/// The gradient of the loss (y − t)², in the order of `Network::parameters`: for each layer its weights,
/// `[fan_in, fan_out]`, then its biases, `[fan_out]`.
pub(crate) fn backward(network: &Network, outputs: &[Vec<f64>]) -> Vec<f64> {
    let last = network.layers().len();
    let mut gradients = Vec::new(); // one for each layer, the last layer first
    let mut delta = vec![2.0 * (outputs[last][0] - TARGET)]; // [1]
    for l in (0..last).rev() {
        let (x, w) = (&outputs[l], network.weights(l));
        let mut gradient = Vec::new();
        for x in x {
            gradient.extend(delta.iter().map(|delta| x * delta));
        }
        gradient.extend(&delta);
        gradients.push(gradient);
        // δ of the layer below, [fan_in]. The inputs of the network have none; it is not used there.
        let rows = w.chunks_exact(delta.len());
        let below = rows.zip(x).map(|(row, y)| {
            let sum: f64 = row.iter().zip(&delta).map(|(w, delta)| w * delta).sum();
            sum * (1.0 - y * y)
        });
        delta = below.collect();
    }
    gradients.into_iter().rev().flatten().collect()
}

/// The same by the engine, from the derivative of the loss with respect to the output.
pub(crate) fn by_engine(engine: &Engine, network: &Network) -> Result<Vec<f64>> {
    let output = engine.predict_f64(network, &INPUT)?[0];
    let slope = 2.0 * (output - TARGET);
    engine.parameter_gradient(network, &INPUT.map(|x| x as f32), &[slope as f32])
}

fn show(engine: &Engine) -> Result<()> {
    let network = network()?;
    let outputs = forward(&network);
    for (l, outputs) in outputs.iter().enumerate() {
        let numbers: Vec<String> = outputs.iter().map(|y| format!("{y:+.4}")).collect();
        let name = if l == 0 { "inputs".into() } else { format!("layer {l}") };
        say!("{name:8}  {}", numbers.join("  "));
    }
    say!("loss      {:.4}\n", (outputs[network.layers().len()][0] - TARGET).powi(2));

    let by_hand = backward(&network, &outputs);
    let by_engine = by_engine(engine, &network)?;
    say!("gradient of              by hand  by the engine");
    for segment in network.segments() {
        for (number, place) in segment.range.clone().enumerate() {
            let name = format!("{}[{number}]", segment.name);
            say!("{name:20}  {:+.6}  {:+13.6}", by_hand[place], by_engine[place]);
        }
    }
    Ok(())
}
