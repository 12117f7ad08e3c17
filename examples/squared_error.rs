//! The mean squared error: how far a network's predictions are from the truth.
//!
//! It averages the squares of the differences between each truth and its prediction. 0 is perfect.
//!
//! ```sh
//! cargo run --release --example squared_error
//! ```

#[macro_use]
mod common;

use impasto::{Activation, Dataset, Engine, Loss, Network, Result};
use std::process::ExitCode;

/// What would be right.
pub(crate) const TRUTHS: [f64; 4] = [1.0, 0.0, 0.0, 1.0];

/// The predictions.
pub(crate) const PREDICTIONS: [f64; 4] = [0.0, 0.0, 0.0, 0.0];

fn main() -> ExitCode {
    common::run("The mean squared error of four predictions", show)
}

/// The simplest network: a neuron of weight 1 and bias 0, whose output is its input.
pub(crate) fn echo() -> Result<Network> {
    let mut network = Network::builder(1).output(1, Activation::Identity).build()?;
    network.weights_mut(0).fill(1.0);
    Ok(network)
}

/// What [`echo`] is given, so that these are its predictions, and what would be right.
pub(crate) fn samples() -> Result<Dataset> {
    Dataset::from_rows(PREDICTIONS.map(|p| [p]), TRUTHS.map(|t| [t]))
}

/// Σ (truth − prediction)² / 4.
pub(crate) fn mean_squared_error(engine: &Engine) -> Result<f64> {
    let (network, samples) = (echo()?, samples()?);
    impasto::evaluate(engine, &network, Loss::MeanSquaredError, &samples)
}

fn show(engine: &Engine) -> Result<()> {
    say!("truth  prediction  squared error");
    for (truth, prediction) in TRUTHS.into_iter().zip(PREDICTIONS) {
        say!("{truth:5}  {prediction:10}  {:13}", (truth - prediction).powi(2));
    }
    say!("mean squared error  {:>11}", mean_squared_error(engine)?);
    Ok(())
}
