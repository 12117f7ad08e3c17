//! The perceptron and its learning rule.
//!
//! Where the answer y is right, the rule changes nothing. Where it is wrong, the rule adds
//! rate·(truth − y)·x to the weights. Training ends with an epoch that changes nothing: the neuron's
//! line then separates the ones from the zeros. For exclusive or there is no such line.
//!
//! ```sh
//! cargo run --release --example perceptron
//! ```

#[macro_use]
mod common;

use impasto::{Activation, Engine, Initialization, Network, Result};
use std::process::ExitCode;

/// Two inputs and the truth. They are whole numbers, and [`RATE`] a power of two, so that all
/// sums are exact on every engine.
pub(crate) type Sample = ([i8; 2], i8);

/// 1 where both inputs are 1.
pub(crate) const AND: [Sample; 4] = [([0, 0], 0), ([0, 1], 0), ([1, 0], 0), ([1, 1], 1)];

/// 1 where exactly one of them is.
pub(crate) const XOR: [Sample; 4] = [([0, 0], 0), ([0, 1], 1), ([1, 0], 1), ([1, 1], 0)];

/// The learning rate.
const RATE: f64 = 0.5;

fn main() -> ExitCode {
    common::run("The perceptron and its learning rule: AND can be separated, XOR cannot", show)
}

/// One neuron with two weights and a bias, all 0, that puts out 1 where its weighted sum is at
/// least 0, and 0 elsewhere.
pub(crate) fn perceptron() -> Result<Network> {
    Network::builder(2).output(1, Activation::Step).weights(Initialization::Zeros).build()
}

/// Goes through the samples until an epoch changes nothing, or until the weights are back where
/// they once were, from where they would go round for ever. How often each epoch changed them:
/// the last number is 0 if a line separates the samples, and only then.
pub(crate) fn learn(engine: &Engine, neuron: &mut Network, samples: &[Sample]) -> Result<Vec<u32>> {
    let mut changes = Vec::new();
    let mut seen = Vec::new();
    loop {
        seen.push(neuron.parameters().to_vec());
        let changed = epoch(engine, neuron, samples)?;
        changes.push(changed);
        if changed == 0 || seen.iter().any(|before| before == neuron.parameters()) {
            return Ok(changes);
        }
    }
}

/// The learning rule, once for each sample: how often it changed the weights.
fn epoch(engine: &Engine, neuron: &mut Network, samples: &[Sample]) -> Result<u32> {
    let mut changed = 0;
    for (input, truth) in samples {
        let x = input.map(f64::from);
        let error = f64::from(*truth) - engine.predict_f64(neuron, &x)?[0];
        if error != 0.0 {
            for (weight, x) in neuron.weights_mut(0).iter_mut().zip(x) {
                *weight += RATE * error * x;
            }
            neuron.biases_mut(0)[0] += RATE * error;
            changed += 1;
        }
    }
    Ok(changed)
}

fn show(engine: &Engine) -> Result<()> {
    for (name, samples) in [("AND", AND), ("XOR", XOR)] {
        let mut neuron = perceptron()?;
        let changes = learn(engine, &mut neuron, &samples)?;
        say!("{name}");
        for (epoch, changed) in (1..).zip(&changes) {
            say!("  epoch {epoch}: {changed} of {} samples changed the weights", samples.len());
        }
        if changes.ends_with(&[0]) {
            let (weights, bias) = (neuron.weights(0), neuron.biases(0)[0]);
            say!("  nothing changed in epoch {}: the set is separated,", changes.len());
            say!("  by the weights {} and {} and the bias {bias}\n", weights[0], weights[1]);
        } else {
            say!("  the weights are back where they have been and would go round for ever:");
            say!("  the set is not separable, no line parts the ones from the zeros");
        }
    }
    Ok(())
}
