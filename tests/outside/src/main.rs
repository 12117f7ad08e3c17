//! A program of a user: it trains a network on another thread, saves it, and predicts with it in another process.
//!
//! `outside train FILE` trains on measurements of plants, and saves the network. `outside predict FILE` reads the
//! network. Both print the heights that it predicts for three plants, and their bits.

use std::error::Error;
use std::ops::ControlFlow;
use std::sync::mpsc;
use std::{env, thread};

use impasto::{
    Activation, Backend, Dataset, EarlyStopping, Engine, Event, Metric, Network, Standardizer,
    Trainer,
};

/// Temperature in °C and hours of light a day of the plants whose height is predicted.
const PLANTS: [[f32; 2]; 3] = [[12.0, 9.0], [18.5, 14.0], [24.0, 11.5]];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments[..] {
        [command, file] if command == "train" => {
            let network = train()?;
            network.save(file)?;
            predict(&network)
        }
        [command, file] if command == "predict" => predict(&Network::load(file)?),
        _ => Err("usage: outside train FILE, or outside predict FILE".into()),
    }
}

/// Temperature, light and height in cm of 300 plants.
fn measurements() -> (Vec<[f64; 2]>, Vec<[f64; 1]>) {
    let places = (0..300).map(|i| (f64::from(i % 20), f64::from(i / 20)));
    let inputs: Vec<[f64; 2]> = places.map(|(x, y)| [8.0 + x, 6.0 + 0.7 * y]).collect();
    let height = |[warmth, light]: &[f64; 2]| 40.0 - 0.2 * (warmth - 19.0).powi(2) + 1.5 * light;
    let heights = inputs.iter().map(|plant| [height(plant)]).collect();
    (inputs, heights)
}

/// Trains on four fifths of the measurements, and stops when the loss of the rest does not fall any more.
fn train() -> Result<Network, Box<dyn Error>> {
    let (inputs, heights) = measurements();
    let (training, validation) = Dataset::from_rows(&inputs, &heights)?.split(0.2, 1)?;
    let (inputs, targets) = (Standardizer::fit(&training), Standardizer::fit_targets(&training));
    let standardized = |samples| targets.apply(&inputs.apply(samples)?);
    let data = (standardized(&training)?, standardized(&validation)?);

    let network = Network::builder(2)
        .hidden(&[16, 16], Activation::Tanh)
        .output(1, Activation::Identity)
        .build()?;
    let trainer = Trainer {
        epochs: 300,
        batch_size: 32,
        learning_rate: 0.01,
        metrics: vec![Metric::R2],
        early_stopping: Some(EarlyStopping { tolerance: 1e-6, patience: 20 }),
        ..Trainer::default()
    };
    let engine = Engine::open(Backend::Auto)?;
    println!("training on the {}", engine.device());
    let mut training = trainer.begin(&engine, &network, data)?;

    let (sender, epochs) = mpsc::channel();
    let thread = thread::spawn(move || {
        let ending = training.run_with(|event| {
            if let Event::Epoch(epoch) = event
                && sender.send(*epoch).is_err()
            {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok::<_, impasto::Error>((ending, training.network()?))
    });
    let mut last = None;
    for epoch in epochs {
        if epoch.number % 50 == 1 {
            println!("epoch {}: loss {:.6}", epoch.number, epoch.loss);
        }
        last = Some(epoch);
    }
    let (ending, mut network) = thread.join().map_err(|_| "the thread panicked")??;

    let last = last.ok_or("no epoch was trained")?;
    let r2 = last.metrics.get(Metric::R2).ok_or("no R²")?;
    let validation_loss = last.validation_loss.ok_or("no validation loss")?;
    println!("{ending:?} after {} epochs: validation loss {validation_loss:.6}", last.number);
    println!("R2 {r2:.4}");
    inputs.fold_into(&mut network)?;
    targets.fold_into(&mut network)?;
    Ok(network)
}

/// Prints what `network` predicts for the plants.
fn predict(network: &Network) -> Result<(), Box<dyn Error>> {
    let engine = Engine::open(Backend::Auto)?;
    let heights = engine.predict(network, PLANTS.as_flattened())?;
    for ([warmth, light], height) in PLANTS.iter().zip(heights) {
        println!("{warmth} °C, {light} h: {:.1} cm, bits {:08x}", height, height.to_bits());
    }
    Ok(())
}
