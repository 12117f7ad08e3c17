//! The contestant's side of the protocol, for contestants in Rust.

#[path = "../src/peers/protocol.rs"]
mod protocol;

pub use protocol::{Answer, Job};

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;

/// Anything that can go wrong in a contestant.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Something that trains the network of a job.
pub trait Contestant: Sized {
    /// Loads the samples and makes the network.
    fn open(name: &str, job: &Job) -> Outcome<Self>;

    /// Its name, with the version.
    fn version(&self) -> String;

    /// The device that computes.
    fn device(&self) -> String;

    /// Trains for some epochs, and waits for the device once, at the end: seconds.
    fn train(&mut self, epochs: usize) -> Outcome<f64>;

    /// The mean loss of the last epoch.
    fn loss(&self) -> Outcome<f64>;
}

/// Answers every turn of standard input.
pub fn run<C: Contestant>(name: &str) -> ExitCode {
    match serve::<C>(name, io::stdin().lock(), io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve<C: Contestant>(name: &str, turns: impl BufRead, mut answers: impl Write) -> Outcome<()> {
    let mut opened = None;
    for line in turns.lines() {
        let job: Job = serde_json::from_str(&line?)?;
        let (contestant, first_epoch_s, first_loss) = if let Some(opened) = &mut opened {
            opened
        } else {
            let mut contestant = C::open(name, &job)?;
            let seconds = contestant.train(1)?;
            let loss = contestant.loss()?;
            opened.insert((contestant, seconds, loss))
        };
        if job.warm_up > 0 {
            contestant.train(job.warm_up)?;
        }
        let mut epoch_s = Vec::new();
        for _ in 0..job.spans {
            epoch_s.push(contestant.train(job.epochs)? / job.epochs as f64);
        }
        let answer = Answer {
            contestant: name.into(),
            version: contestant.version(),
            device: contestant.device(),
            batch: job.batch,
            first_epoch_s: *first_epoch_s,
            first_loss: *first_loss,
            epoch_s,
            final_loss: contestant.loss()?,
        };
        writeln!(answers, "{}", serde_json::to_string(&answer)?)?;
        answers.flush()?;
    }
    Ok(())
}

/// The samples of a job: inputs and targets, row by row.
pub fn samples(job: &Job) -> Outcome<(Vec<f32>, Vec<f32>)> {
    let bytes = std::fs::read(&job.samples)?;
    let values: Vec<f32> =
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let (mut inputs, mut targets) = (Vec::new(), Vec::new());
    for row in values.chunks_exact(job.inputs + job.outputs) {
        inputs.extend_from_slice(&row[..job.inputs]);
        targets.extend_from_slice(&row[job.inputs..]);
    }
    Ok((inputs, targets))
}
