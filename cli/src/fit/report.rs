//! The report of `impasto fit` as JSON.

use super::training::{Parts, Trained};
use crate::paint::streams::save_text;
use impasto::{Dataset, Engine, Error, Network, Result, Trainer};
use serde_json::{Value, json};
use std::path::Path;

/// The report of a run. `data` says what was learned, and `result` how well.
pub fn report(
    data: &Value,
    (engine, network, trainer): (&Engine, &Network, &Trainer),
    parts: &Parts,
    trained: &Trained,
    result: &Value,
) -> Value {
    let (device, summary) = (engine.device(), &trained.summary);
    let epoch = |e: &impasto::Epoch| {
        json!({
            "epoch": e.number,
            "loss": e.loss,
            "validation_loss": e.validation_loss,
            "seconds": e.seconds,
        })
    };
    json!({
        "data": data,
        "network": {
            "layers": network.widths(),
            "activation": network.layers()[0].activation.to_string(),
            "encoding": network.encoding().to_string(),
            "parameters": network.parameters().len(),
        },
        "engine": {
            "backend": device.backend,
            "adapter": device.adapter,
            "threads": device.threads,
        },
        "training": {
            "loss": trainer.loss.to_string(),
            "optimizer": trainer.optimizer.to_string(),
            "learning_rate": trainer.learning_rate,
            "schedule": trainer.schedule.to_string(),
            "batch": trainer.batch_size.min(parts.training.len()),
            "samples": parts.training.len(),
            "validation_samples": parts.validation.as_ref().map_or(0, Dataset::len),
            "ending": trained.ending(),
            "epochs": summary.epochs,
            "best_epoch": summary.best_epoch,
            "steps": summary.steps,
            "seconds": summary.seconds,
        },
        "result": result,
        "history": summary.history.iter().map(epoch).collect::<Vec<_>>(),
        "seed": trainer.seed,
        "version": env!("CARGO_PKG_VERSION"),
    })
}

/// Writes a report to a file or to standard output.
pub fn write(path: &Path, report: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(report).map_err(|e| Error::Format(e.to_string()))?;
    save_text(path, &(text + "\n"))
}
