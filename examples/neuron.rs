//! One neuron: a weighted sum, a bias and the sigmoid σ(z) = 1 / (1 + e⁻ᶻ).
//!
//! The sigmoid turns any number into one between 0 and 1.
//!
//! ```sh
//! cargo run --release --example neuron
//! ```

#[macro_use]
mod common;

use impasto::{Activation, Engine, Network, Result};
use std::process::ExitCode;

/// The inputs of the neuron.
pub(crate) const INPUT: [f64; 2] = [2.0, 3.0];

fn main() -> ExitCode {
    common::run("One neuron: a weighted sum, a bias, a sigmoid", show)
}

/// A network of a single neuron: two weights and a bias.
pub(crate) fn neuron() -> Result<Network> {
    let mut neuron = Network::builder(2).output(1, Activation::Sigmoid).build()?;
    neuron.weights_mut(0).copy_from_slice(&[0.0, 1.0]);
    neuron.biases_mut(0).copy_from_slice(&[4.0]);
    Ok(neuron)
}

/// The weighted sum, bias included, and the sigmoid of it.
pub(crate) fn feed(engine: &Engine, neuron: &Network) -> Result<(f64, f64)> {
    let sums = engine.logits_f64(neuron, &INPUT)?;
    let outputs = engine.predict_f64(neuron, &INPUT)?;
    Ok((sums[0], outputs[0]))
}

fn show(engine: &Engine) -> Result<()> {
    let neuron = neuron()?;
    let (sum, output) = feed(engine, &neuron)?;
    let ([x1, x2], [w1, w2]) = (INPUT, [neuron.weights(0)[0], neuron.weights(0)[1]]);
    let bias = neuron.biases(0)[0];
    say!("inputs        {x1}, {x2}");
    say!("weights       {w1}, {w2}");
    say!("bias          {bias}");
    say!("weighted sum  {w1}·{x1} + {w2}·{x2} + {bias} = {sum}");
    say!("output        sigmoid({sum}) = {output}");
    Ok(())
}
