//! A layer: three neurons that read the same two inputs.
//!
//! Each neuron has a weight for each input and one bias. The weights of a layer are a table with a row for each
//! input and a column for each neuron. The example computes the layer with plain loops and with the engine.
//!
//! ```sh
//! cargo run --release --example layer
//! ```

#[macro_use]
mod common;

use impasto::{Activation, Engine, Network, Result};
use std::process::ExitCode;

/// The inputs that every neuron reads.
pub(crate) const INPUT: [f64; 2] = [2.0, 3.0];

fn main() -> ExitCode {
    common::run("A layer: three neurons that read the same two inputs", show)
}

/// A network of a single layer, whose activation is ReLU: max(0, z).
pub(crate) fn layer() -> Result<Network> {
    let mut layer = Network::builder(2).output(3, Activation::Relu).build()?;
    // [2 inputs, 3 neurons]
    layer.weights_mut(0).copy_from_slice(&[
        1.0, -1.0, 0.5, // what the first input counts in each neuron
        0.5, 1.0, -1.0, // what the second input counts
    ]);
    layer.biases_mut(0).copy_from_slice(&[0.0, 0.5, 1.0]);
    Ok(layer)
}

/// The weighted sums and the outputs, both `[neurons]`, with plain loops.
pub(crate) fn by_hand(layer: &Network) -> (Vec<f64>, Vec<f64>) {
    let (weights, neurons) = (layer.weights(0), layer.outputs());
    let mut sums = layer.biases(0).to_vec();
    for (neuron, sum) in sums.iter_mut().enumerate() {
        for (input, x) in INPUT.iter().enumerate() {
            *sum += x * weights[input * neurons + neuron];
        }
    }
    let outputs = sums.iter().map(|z| z.max(0.0)).collect();
    (sums, outputs)
}

fn show(engine: &Engine) -> Result<()> {
    let layer = layer()?;
    let (sums, outputs) = by_hand(&layer);
    let computed = engine.predict_f64(&layer, &INPUT)?;
    say!("inputs  {}, {}\n", INPUT[0], INPUT[1]);
    say!("neuron  weights     bias  weighted sum  output  by the engine");
    for neuron in 0..layer.outputs() {
        let weight = |input: usize| layer.weights(0)[input * layer.outputs() + neuron];
        say!(
            "{:6}  {:4}, {:4}  {:4}  {:12}  {:6}  {:13}",
            neuron + 1,
            weight(0),
            weight(1),
            layer.biases(0)[neuron],
            sums[neuron],
            outputs[neuron],
            computed[neuron]
        );
    }
    Ok(())
}
