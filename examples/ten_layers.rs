//! Ten hidden layers of 100 neurons, which learn a small picture of a ring.
//!
//! A sample is a pixel: its place (x, y) is the input, and its brightness is the target. The example prints the
//! layers, the loss, and the picture that the network has learned. `paint` does the same with a picture file.
//!
//! ```sh
//! cargo run --release --example ten_layers
//! ```

#[macro_use]
mod common;

use impasto::{Activation, Dataset, Engine, Epoch, Network, Result, Schedule, Trainer};
use std::process::ExitCode;

/// Pixels on each side of the picture.
const SIZE: usize = 16;

/// Brightness, from dark to light.
const SHADES: [char; 5] = [' ', '.', ':', 'o', '@'];

fn main() -> ExitCode {
    common::run("Ten hidden layers of 100 neurons learn a small picture of a ring", show)
}

/// 2 inputs, ten hidden layers of 100 neurons, 1 output.
pub(crate) fn network() -> Result<Network> {
    Network::builder(2).hidden(&[100; 10], Activation::Relu).output(1, Activation::Identity).build()
}

/// The places of the pixels, row by row, with x and y in (−1, 1).
fn places() -> Vec<[f64; 2]> {
    let place = |index: usize| (2 * index + 1) as f64 / SIZE as f64 - 1.0;
    (0..SIZE * SIZE).map(|pixel| [place(pixel % SIZE), place(pixel / SIZE)]).collect()
}

/// The brightness of the ring at a place: 1 at a distance of 0.6 from the middle, 0 from 0.3 away.
fn ring([x, y]: [f64; 2]) -> f64 {
    (1.0 - (x.hypot(y) - 0.6).abs() / 0.3).max(0.0)
}

/// Trains a network: (the network, how its epochs went).
pub(crate) fn train(engine: &Engine) -> Result<(Network, Vec<Epoch>)> {
    let places = places();
    let picture = Dataset::from_rows(&places, places.iter().map(|place| [ring(*place)]))?;
    let mut network = network()?;
    let trainer =
        Trainer { epochs: 30, batch_size: 32, schedule: Schedule::Cosine, ..Trainer::default() };
    let summary = trainer.fit(engine, &mut network, &picture)?;
    Ok((network, summary.history))
}

/// A row of pixels as text, two characters a pixel.
fn text(row: &[f64]) -> String {
    let shade = |value: &f64| SHADES[(value * 5.0).clamp(0.0, 4.0) as usize];
    row.iter().flat_map(|value| [shade(value); 2]).collect()
}

fn show(engine: &Engine) -> Result<()> {
    let (network, history) = train(engine)?;
    say!("layer  inputs  neurons  activation  parameters");
    for (number, layer) in (1..).zip(network.layers()) {
        let parameters = (layer.fan_in + 1) * layer.fan_out;
        let activation = layer.activation.name();
        say!(
            "{number:5}  {:6}  {:7}  {activation:10}  {parameters:10}",
            layer.fan_in,
            layer.fan_out
        );
    }
    say!("{} parameters in all\n", network.parameters().len());
    for epoch in history.iter().filter(|epoch| epoch.number == 1 || epoch.number % 5 == 0) {
        say!("epoch {:2}  loss {:.5}", epoch.number, epoch.loss);
    }

    let places = places();
    let truth: Vec<f64> = places.iter().map(|place| ring(*place)).collect();
    let painted = engine.predict_f64(&network, places.as_flattened())?;
    say!("\n{:34}painted", "expected");
    for (truth, painted) in truth.chunks_exact(SIZE).zip(painted.chunks_exact(SIZE)) {
        say!("{}  {}", text(truth), text(painted));
    }
    Ok(())
}
