//! A network of three neurons: two hidden neurons read the inputs, and the output neuron reads the
//! hidden neurons.
//!
//! Computing the outputs from the inputs, layer by layer, is called feedforward.
//!
//! ```sh
//! cargo run --release --example feedforward
//! ```

#[macro_use]
mod common;

use impasto::{Activation, Engine, Network, Result};
use std::process::ExitCode;

/// The inputs of the network.
pub(crate) const INPUT: [f64; 2] = [2.0, 3.0];

fn main() -> ExitCode {
    common::run("Three neurons: two hidden, one output", show)
}

/// 2 inputs, 2 hidden neurons, 1 output neuron; each neuron has the weights [0, 1] and no bias.
pub(crate) fn network() -> Result<Network> {
    let mut network = Network::builder(2)
        .hidden(&[2], Activation::Sigmoid)
        .output(1, Activation::Sigmoid)
        .build()?;
    // A row for each input, a column for each neuron.
    network.weights_mut(0).copy_from_slice(&[
        0.0, 0.0, // both hidden neurons ignore the first input
        1.0, 1.0, // and take the second as it is
    ]);
    network.weights_mut(1).copy_from_slice(&[0.0, 1.0]);
    Ok(network)
}

/// The outputs of the hidden layer: those of a network that ends there.
pub(crate) fn hidden(engine: &Engine, network: &Network) -> Result<Vec<f64>> {
    let mut first = Network::builder(2).output(2, Activation::Sigmoid).build()?;
    first.weights_mut(0).copy_from_slice(network.weights(0));
    first.biases_mut(0).copy_from_slice(network.biases(0));
    engine.predict_f64(&first, &INPUT)
}

fn show(engine: &Engine) -> Result<()> {
    let network = network()?;
    let hidden = hidden(engine, &network)?;
    let output = engine.predict_f64(&network, &INPUT)?[0];
    say!("inputs          {}, {}", INPUT[0], INPUT[1]);
    say!("hidden outputs  {}, {}", hidden[0], hidden[1]);
    say!("output          {output}");
    Ok(())
}
