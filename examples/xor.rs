//! Exclusive or, which no single neuron can learn, learned by three hidden neurons and one output
//! neuron.
//!
//! ```sh
//! cargo run --release --example xor
//! ```

#[macro_use]
mod common;

use impasto::{
    Activation, Dataset, Engine, Epoch, Initialization, Loss, Network, Optimizer, Result, Trainer,
};
use std::process::ExitCode;

/// The four cases.
pub(crate) const INPUTS: [[f64; 2]; 4] = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];

/// 1 where exactly one of the two inputs is 1.
pub(crate) const TRUTHS: [[f64; 1]; 4] = [[0.0], [1.0], [1.0], [0.0]];

/// Gradient descent from a random start may get stuck, usually where two of the four outputs
/// stay near 0.5. None of the seeds 0 to 36 does; 37 does, and five more of those up to 199.
const SEED: u64 = 0;

fn main() -> ExitCode {
    common::run("Learns exclusive or with three hidden neurons", show)
}

/// Trains a network of 2 inputs, 3 hidden neurons and 1 output on all four cases at once:
/// (the network, how its epochs went).
pub(crate) fn train(engine: &Engine, seed: u64) -> Result<(Network, Vec<Epoch>)> {
    let mut network = Network::builder(2)
        .hidden(&[3], Activation::Sigmoid)
        .output(1, Activation::Sigmoid)
        .weights(Initialization::Normal { mean: 0.0, standard_deviation: 1.0 })
        .seed(seed)
        .build()?;
    let trainer = Trainer {
        epochs: 10_000,
        batch_size: 4,
        // Tutorials often step by 0.1 times (y − ŷ)·ŷ(1 − ŷ). The gradient of (y − ŷ)² has a
        // factor of 2 in front of that, so the same steps take half that rate.
        learning_rate: 0.05,
        loss: Loss::SquaredErrorSum,
        optimizer: Optimizer::SGD,
        shuffle: false,
        ..Trainer::default()
    };
    let cases = Dataset::from_rows(INPUTS, TRUTHS)?;
    let summary = trainer.fit(engine, &mut network, &cases)?;
    Ok((network, summary.history))
}

fn show(engine: &Engine) -> Result<()> {
    let (network, history) = train(engine, SEED)?;
    for epoch in history.iter().filter(|epoch| epoch.number == 1 || epoch.number % 1000 == 0) {
        say!("epoch {:5}  loss {:.4}", epoch.number, epoch.loss);
    }
    say!();
    let outputs = engine.predict_f64(&network, INPUTS.as_flattened())?;
    for ([a, b], output) in INPUTS.into_iter().zip(outputs) {
        say!("{a} xor {b}  {output:.3}  {}", u8::from(output > 0.5));
    }
    Ok(())
}
