//! One neuron that classifies e-mails as spam or ham (wanted mail).
//!
//! It learns from a small table of made-up e-mails, `examples/spam/emails.csv`. The output is the
//! probability of spam. Binary cross-entropy is the loss for
//! probabilities: to be wrong costs the more, the surer the neuron was.
//!
//! ```sh
//! cargo run --release --example spam
//! ```

#[macro_use]
mod common;

use impasto::{
    Activation, Dataset, Engine, Epoch, Error, Initialization, Loss, Network, Optimizer, Result,
    Trainer,
};
use std::process::ExitCode;

/// The names of the columns, then a line for each e-mail.
pub(crate) const TABLE: &str = include_str!("spam/emails.csv");

/// How often '!', 'free' and a link occur, whether the sender is known; and whether it is spam.
const COLUMNS: [&str; 5] = ["exclamation_marks", "free", "links", "known_sender", "spam"];

fn main() -> ExitCode {
    common::run("One neuron learns to classify e-mails as spam or ham", show)
}

/// The four numbers of each e-mail, and whether it is spam.
pub(crate) type Emails = (Vec<[f64; 4]>, Vec<[f64; 1]>);

/// Reads a table.
pub(crate) fn parse(table: &str) -> Result<Emails> {
    let header = COLUMNS.join(",");
    let (mut inputs, mut truths) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(table.lines()) {
        let wrong = |what: String| Error::Data(format!("emails.csv, line {number}: {what}"));
        if number == 1 {
            if line != header {
                return Err(wrong(format!("'{line}' should be the columns' names: {header}")));
            }
            continue;
        }
        let (input, truth) = parse_line(line).ok_or_else(|| {
            wrong(format!("'{line}' should be {header} in whole numbers, the last two 0 or 1"))
        })?;
        inputs.push(input);
        truths.push(truth);
    }
    Ok((inputs, truths))
}

/// One line of the table.
fn parse_line(line: &str) -> Option<([f64; 4], [f64; 1])> {
    let numbers: Option<Vec<u8>> = line.split(',').map(|field| field.trim().parse().ok()).collect();
    let [exclamation_marks, free, links, known_sender @ 0..=1, spam @ 0..=1] = numbers?[..] else {
        return None;
    };
    Some(([exclamation_marks, free, links, known_sender].map(f64::from), [f64::from(spam)]))
}

/// Trains a neuron from random weights and a random bias: (the neuron, how its epochs went).
pub(crate) fn train(engine: &Engine, emails: &Dataset, seed: u64) -> Result<(Network, Vec<Epoch>)> {
    let up_to_one = Initialization::Uniform { low: -1.0, high: 1.0 };
    let mut neuron = Network::builder(emails.input_width())
        .output(1, Activation::Sigmoid)
        .weights(up_to_one)
        .biases(up_to_one)
        .seed(seed)
        .build()?;
    let trainer = Trainer {
        epochs: 1000,
        batch_size: emails.len(),
        learning_rate: 0.1,
        loss: Loss::BinaryCrossEntropy,
        optimizer: Optimizer::SGD,
        ..Trainer::default()
    };
    let summary = trainer.fit(engine, &mut neuron, emails)?;
    Ok((neuron, summary.history))
}

fn show(engine: &Engine) -> Result<()> {
    let (inputs, truths) = parse(TABLE)?;
    let (neuron, history) = train(engine, &Dataset::from_rows(&inputs, &truths)?, 0)?;
    for epoch in history.iter().filter(|epoch| epoch.number == 1 || epoch.number % 100 == 0) {
        say!("epoch {:4}  loss {:.4}", epoch.number, epoch.loss);
    }
    say!("\nwhat speaks for spam, and (below 0) against it:");
    for (name, weight) in COLUMNS.iter().zip(neuron.weights(0)) {
        say!("  {name:17}  {weight:+.3}");
    }
    say!("  {:17}  {:+.3}", "bias", neuron.biases(0)[0]);

    say!("\n  !  free  links  known  truth  probability of spam");
    let mut right = 0;
    let probabilities = engine.predict_f64(&neuron, inputs.as_flattened())?;
    for ((email, [truth]), probability) in inputs.iter().zip(&truths).zip(probabilities) {
        let [exclamation_marks, free, links, known] = email;
        let [truth, decision] = [*truth, probability].map(|p| if p > 0.5 { "spam" } else { "ham" });
        right += u32::from(truth == decision);
        say!(
            "{exclamation_marks:3}  {free:4}  {links:5}  {known:5}  {truth:5}  {probability:.3} → \
             {decision}"
        );
    }
    say!("\n{right} of {} e-mails classified correctly", inputs.len());
    Ok(())
}
