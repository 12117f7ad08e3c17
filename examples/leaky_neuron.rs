//! One neuron with a leaky ReLU, f(z) = max(0.1·z, z).
//!
//! A positive sum passes unchanged, and a tenth of a negative sum.
//!
//! ```sh
//! cargo run --release --example leaky_neuron
//! ```

#[macro_use]
mod common;

use impasto::{Activation, Engine, Network, Result};
use std::process::ExitCode;

/// The inputs of the neuron.
pub(crate) const INPUTS: [f64; 3] = [1.0, 0.5, 2.0];

fn main() -> ExitCode {
    common::run("One neuron with a leaky ReLU", show)
}

/// A neuron whose weighted inputs are 0.7, 0.3 and −1.4.
pub(crate) fn neuron() -> Result<Network> {
    let leaky = Activation::LeakyRelu { slope: 0.1 };
    let mut neuron = Network::builder(3).output(1, leaky).build()?;
    neuron.weights_mut(0).copy_from_slice(&[0.7, 0.6, -0.7]);
    neuron.biases_mut(0).copy_from_slice(&[-0.1]);
    Ok(neuron)
}

/// The weighted sum, bias included, and the leaky ReLU of it.
pub(crate) fn feed(engine: &Engine, neuron: &Network) -> Result<(f64, f64)> {
    let sums = engine.logits_f64(neuron, &INPUTS)?;
    let outputs = engine.predict_f64(neuron, &INPUTS)?;
    Ok((sums[0], outputs[0]))
}

fn show(engine: &Engine) -> Result<()> {
    let neuron = neuron()?;
    let (sum, output) = feed(engine, &neuron)?;
    say!("input  weight  weighted");
    for (input, weight) in INPUTS.iter().zip(neuron.weights(0)) {
        say!("{input:5}  {weight:6}  {:8.3}", input * weight);
    }
    say!("bias           {:8.3}", neuron.biases(0)[0]);
    say!("pre-activation {sum:8.3}");
    say!("output         {output:8.3}");
    Ok(())
}
