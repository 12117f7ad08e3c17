//! The gradient of a loss with respect to every weight, and one step of gradient descent.
//!
//! The gradient says how much the loss rises when a weight rises a little. A step in the opposite
//! direction lowers the loss. Training repeats that step.
//!
//! The network has two inputs, two hidden neurons and an output neuron; w1 and w2 belong to the
//! first hidden neuron, w3 and w4 to the second, w5 and w6 to the output neuron.
//!
//! ```sh
//! cargo run --release --example gradient
//! ```

#[macro_use]
mod common;

use impasto::{Activation, Dataset, Engine, Loss, Network, Optimizer, Result, Trainer};
use std::process::ExitCode;

/// The inputs of the only sample.
pub(crate) const INPUT: [f64; 2] = [-2.0, -1.0];

/// And what should come out.
pub(crate) const TRUTH: f64 = 1.0;

/// Names and positions in `Network::parameters`: each layer has a row of weights for each
/// of its inputs (so w3 comes before w2), then its biases.
pub(crate) const PARAMETERS: [(&str, usize); 9] = [
    ("w1", 0),
    ("w2", 2),
    ("w3", 1),
    ("w4", 3),
    ("w5", 6),
    ("w6", 7),
    ("b1", 4),
    ("b2", 5),
    ("b3", 8),
];

fn main() -> ExitCode {
    common::run("The gradient of the loss, and the step that follows it down", show)
}

/// 2 inputs, 2 hidden neurons, 1 output neuron, all weights 1, all biases 0.
pub(crate) fn network() -> Result<Network> {
    let mut network = Network::builder(2)
        .hidden(&[2], Activation::Sigmoid)
        .output(1, Activation::Sigmoid)
        .build()?;
    network.weights_mut(0).fill(1.0);
    network.weights_mut(1).fill(1.0);
    Ok(network)
}

/// The output of the first hidden neuron: that of a network which is nothing else.
pub(crate) fn hidden(engine: &Engine) -> Result<f64> {
    let mut neuron = Network::builder(2).output(1, Activation::Sigmoid).build()?;
    neuron.weights_mut(0).fill(1.0);
    Ok(engine.predict_f64(&neuron, &INPUT)?[0])
}

/// One step of plain gradient descent on the loss (truth − output)²: the loss before it, and the
/// gradient of every weight and bias. With a learning rate of 1 a step subtracts the gradient
/// itself, so the gradient is the old value of a parameter minus the new one.
pub(crate) fn step(engine: &Engine, network: &mut Network) -> Result<(f64, Vec<f64>)> {
    let sample = Dataset::from_rows([INPUT], [[TRUTH]])?;
    let trainer = Trainer {
        epochs: 1,
        learning_rate: 1.0,
        loss: Loss::SquaredErrorSum,
        optimizer: Optimizer::SGD,
        ..Trainer::default()
    };
    let before = network.parameters().to_vec();
    let summary = trainer.fit(engine, network, &sample)?;
    let gradient = before.iter().zip(network.parameters()).map(|(old, new)| old - new).collect();
    Ok((summary.history[0].loss, gradient))
}

fn show(engine: &Engine) -> Result<()> {
    let mut network = network()?;
    say!("hidden output   {}, twice", hidden(engine)?);
    say!("network output  {}", engine.predict_f64(&network, &INPUT)?[0]);
    let (loss, gradient) = step(engine, &mut network)?;
    say!("loss            {loss}\n");
    for (name, position) in PARAMETERS {
        say!("∂L/∂{name}          {:+.15}", gradient[position]);
    }
    let output = engine.predict_f64(&network, &INPUT)?[0];
    say!("\nafter one step against the gradient, at a learning rate of 1:");
    say!("network output  {output}");
    say!("loss            {}", (TRUTH - output).powi(2));
    Ok(())
}
