//! `impasto fit DATA.csv`.

use super::metrics::Quality;
use super::options::{Options, Task};
use super::progress::View;
use super::report::{report, write};
use super::samples::Table;
use super::training::{Parts, save, train};
use crate::paint::signals::Signal;
use crate::paint::streams::is_standard;
use crate::paint::text::{counted, describe_network, describe_training, thousands};
use crate::table::schema::{Column, KEY, Kind, Schema};
use crate::table::source::listed;
use impasto::{
    Activation, Dataset, EarlyStopping, Epoch, Error, Loss, Metric, Network, Result, Schedule,
    Trainer,
};
use serde_json::json;
use std::process::ExitCode;

/// Rows up to which a step has the least.
const FEW_ROWS: usize = 6_400;

/// Rows in a step of a small table, and the most.
const BATCH: (usize, usize) = (32, 1024);

/// Epochs of a small table, and the least.
const EPOCHS: (usize, usize) = (500, 10);

/// The least and the most epochs without a better loss that end a run.
const PATIENCE: (usize, usize) = (5, 50);

/// Trains on a table, saves the network and says how good it is.
pub fn run(options: &Options) -> Result<ExitCode> {
    if options.encoding.is_some() {
        return Err(Error::Setting("--encoding is for sounds and shapes".into()));
    }
    let file = options.file();
    let device = &options.device;
    let table = Table::read(options)?;
    let (task, reason) = table.task(options.task)?;
    let mut notes = table.notes.clone();
    let (schema, parts) = table.samples(task, options, &mut notes)?;
    device.say(format!("table {}: {} rows", table.name, thousands(table.rows as u64)));
    device.lines(describe(&schema, &reason));
    device.notes(&notes);
    // Only the samples are needed from here on.
    let name = table.name.clone();
    drop(table);

    let mut network = network(options, &schema)?;
    let trainer = trainer(options, task, &parts);
    trainer.check(&network)?;
    let validation = parts.validation.as_ref().map_or(0, Dataset::len);
    device.say(format!(
        "{} rows to learn from, {} to validate with",
        thousands(parts.training.len() as u64),
        thousands(validation as u64)
    ));
    device.say(format!("network {}", describe_network(&network)));
    device.say(format!("training {}", describe_training(&trainer)));
    let engine = device.open()?;
    let signal = Signal::listen();
    let known = engine.notes().len();
    let view = View { quiet: device.quiet, unit: "rows", quality };
    let trained = train(&engine, &trainer, &mut network, &parts, &signal, view)?;
    device.notes(engine.notes().iter().skip(known));
    device.say(trained.describe(&trainer, "rows"));

    save(&file, &network, KEY, schema.to_json()?)?;
    let measured = Quality::measure(&engine, &network, parts.judged(), &schema)?;
    let judged = if validation > 0 { "validation rows" } else { "rows that it learned from" };
    device.say(format!("on {} {judged}:", thousands(parts.judged().len() as u64)));
    device.lines(measured.lines().iter().map(|line| format!("  {line}")));
    if !is_standard(&file) {
        let file = file.display();
        device.say(format!("saved {file}; impasto predict {file} NEW.csv predicts with it"));
    }
    if let Some(path) = &options.report {
        let columns = |columns: &[Column]| -> Vec<_> {
            columns.iter().map(|column| column.name.clone()).collect()
        };
        let data = json!({
            "path": name,
            "task": schema.task(),
            "inputs": columns(&schema.inputs),
            "targets": columns(&schema.targets),
        });
        let run = (&engine, &network, &trainer);
        let report = report(&data, run, &parts, &trained, &measured.to_json());
        write(path, &report)?;
    }
    let code = signal.exit_code().map_or(ExitCode::SUCCESS, ExitCode::from);
    trained.failure.map_or(Ok(code), Err)
}

/// The validation metric of an epoch, for the bar.
fn quality(epoch: &Epoch) -> String {
    let r2 = epoch.metrics.get(Metric::R2).map(|r2| format!("R² {r2:.3}"));
    let accuracy = epoch.metrics.get(Metric::Accuracy);
    let accuracy = accuracy.map(|share| format!("accuracy {:.1} %", 100.0 * share));
    r2.or(accuracy).unwrap_or_default()
}

/// Lines about the columns.
fn describe(schema: &Schema, reason: &str) -> [String; 2] {
    let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    let name = |column: &Column| match &column.kind {
        Kind::Number { .. } => column.name.clone(),
        Kind::Category { values } => {
            format!("{} ({})", column.name, counted(values.len() as u64, "value"))
        }
    };
    let inputs: Vec<_> = schema.inputs.iter().map(name).collect();
    let targets: Vec<_> = schema.targets.iter().map(|column| &column.name).collect();
    let classes = schema.classes();
    let classes = classes.map_or(String::new(), |all| format!(", {} classes", all.len()));
    [
        format!("{} of {}{classes}{reason}", schema.task(), listed(&targets)),
        format!("from {}", listed(&inputs)),
    ]
}

/// The network for these columns.
fn network(options: &Options, schema: &Schema) -> Result<Network> {
    let width = |columns: &[Column]| columns.iter().map(Column::width).sum::<usize>();
    let output = match schema.classes() {
        Some(_) => Activation::Softmax,
        None => Activation::Identity,
    };
    let hidden = options.hidden.as_ref().map_or(vec![64, 64], |hidden| hidden.0.clone());
    Network::builder(width(&schema.inputs))
        .hidden(&hidden, options.activation.unwrap_or(Activation::Silu))
        .output(width(&schema.targets), output)
        .seed(options.seed)
        .build()
}

/// How the network is trained.
fn trainer(options: &Options, task: Task, parts: &Parts) -> Trainer {
    let rows = parts.training.len();
    let (batch, epochs) = budget(rows);
    let (loss, metric) = match task {
        Task::Regression => (Loss::MeanSquaredError, Metric::R2),
        Task::Classification => (Loss::SoftmaxCrossEntropy, Metric::Accuracy),
    };
    let epochs = options.epochs.unwrap_or(epochs);
    let patience = options.patience.unwrap_or((epochs / 4).clamp(PATIENCE.0, PATIENCE.1));
    let stopping = EarlyStopping { patience, ..EarlyStopping::default() };
    Trainer {
        epochs,
        batch_size: options.batch.unwrap_or(batch),
        learning_rate: options.learning_rate.unwrap_or(1e-3),
        schedule: Schedule::Cosine,
        loss,
        optimizer: options.optimizer,
        seed: options.seed,
        metrics: vec![metric],
        early_stopping: (patience > 0).then_some(stopping),
        time_limit: options.time.map(|time| time.seconds),
        ..Trainer::default()
    }
}

/// Rows in a step and epochs for so many rows.
fn budget(rows: usize) -> (usize, usize) {
    let size = (rows as f64 / FEW_ROWS as f64).max(1.0);
    let batch = (BATCH.0 as f64 * size) as usize;
    let epochs = (EPOCHS.0 as f64 / size.sqrt()) as usize;
    (batch.next_power_of_two().min(BATCH.1), epochs.max(EPOCHS.1))
}

#[cfg(test)]
mod tests {
    use super::budget;

    #[test]
    fn the_default_budget_shrinks_with_the_table_and_has_bounds() {
        assert_eq!(budget(80), (32, 500));
        assert_eq!(budget(6_400), (32, 500));
        assert_eq!(budget(64_000), (512, 158));
        assert_eq!(budget(800_000), (1024, 44));
        assert_eq!(budget(100_000_000), (1024, 10));
    }
}
