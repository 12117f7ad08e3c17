//! What is in a file, as lines for people.

use super::header::Header;
use super::{Saved, other_texts};
use crate::paint::text::{counted, describe_network, describe_training, lasting, thousands};
use crate::table::schema::{Column, Kind, Schema};
use crate::table::source::listed;
use impasto::{Activation, Layer, Network, Subject, TrainingState};
use std::collections::BTreeSet;
use std::path::Path;

/// What something is called, and what it is.
type Line = (String, String);

/// Lines of two columns.
pub fn of(path: &Path, header: &Header, saved: Option<&Saved>) -> Vec<String> {
    let bytes = thousands(header.bytes);
    let mut lines = vec![line("file", format!("{}, {bytes} bytes", path.display()))];
    lines.extend(saved.map_or_else(|| tensors(header), |saved| contents(header, saved)));
    let texts = other_texts(header);
    lines.extend(texts.map(|(key, text)| line(&format!("text '{key}'"), short(text))));
    let width = lines.iter().map(|(what, _)| what.chars().count()).max().unwrap_or_default();
    let aligned =
        |(what, text): Line| format!("{what:width$}  {text}").replace(char::is_control, "?");
    lines.into_iter().map(aligned).collect()
}

fn line(what: &str, text: impl Into<String>) -> Line {
    (what.into(), text.into())
}

/// What a file of this library contains.
fn contents(header: &Header, saved: &Saved) -> Vec<Line> {
    let mut lines = network(&saved.network);
    lines.push(line("precision", precision(header)));
    lines.extend(saved.picture.as_ref().map(|picture| line("picture", describe_picture(picture))));
    lines.extend(saved.video.as_ref().map(|video| {
        let frames = counted(video.frames() as u64, "frame");
        line("video", format!("{frames} of {}", describe_picture(&video.picture)))
    }));
    lines.extend(saved.table.as_ref().map(columns).unwrap_or_default());
    lines.extend(saved.sound.as_ref().map(|sound| line("sound", sound.describe())));
    lines.extend(saved.shape.as_ref().map(|shape| line("shape", shape.describe())));
    lines.extend(saved.run.as_ref().map(describe_run).unwrap_or_default());
    lines.extend(saved.notes.iter().map(|note| line("note", note)));
    lines
}

/// What a file of another program contains.
fn tensors(header: &Header) -> Vec<Line> {
    let (tensors, numbers) = (header.tensors.len() as u64, header.numbers());
    let contents = format!("{}, {}", counted(tensors, "tensor"), counted(numbers, "number"));
    let mut lines = vec![line("contents", contents), line("precision", precision(header))];
    let shapes = header.tensors.iter();
    lines.extend(shapes.map(|t| line(&t.name, format!("{} {:?}", t.dtype, t.shape))));
    lines
}

/// Layers, encoding and how long it was trained.
fn network(network: &Network) -> Vec<Line> {
    let mut lines = vec![line("network", describe_network(network))];
    let output = network.layers().last().map(|layer| layer.activation);
    if let Some(output) = output.filter(|output| *output != Activation::Identity) {
        lines.push(line("output", output.to_string()));
    }
    if !network.encoding().is_identity() {
        lines.push(line("encoding", network.encoding().to_string()));
    }
    let count = |of: fn(&Layer) -> bool| network.layers().iter().filter(|layer| of(layer)).count();
    for (what, layers) in [
        ("dropout", count(|layer| layer.dropout > 0.0)),
        ("frozen", count(|layer| layer.frozen)),
        ("no biases", count(|layer| !layer.bias)),
    ] {
        if layers > 0 {
            lines.push(line(what, counted(layers as u64, "layer")));
        }
    }
    if network.epochs_trained() > 0 {
        lines.push(line("trained", counted(network.epochs_trained(), "epoch")));
    }
    lines
}

/// `F32, 32 bits a number`.
fn precision(header: &Header) -> String {
    let of_network = |name: &str| !name.starts_with("training.");
    let tensors = header.tensors.iter().filter(|tensor| of_network(&tensor.name));
    let types: BTreeSet<String> = tensors
        .map(|tensor| match tensor.bits() {
            Some(bits) => format!("{}, {bits} bits a number", tensor.dtype),
            None => tensor.dtype.clone(),
        })
        .collect();
    types.into_iter().collect::<Vec<_>>().join("; ")
}

/// `100×100 pixels, 3 channels of 8 bits`.
fn describe_picture(picture: &Subject) -> String {
    let Subject { width, height, channels, maximum, classify, shape, .. } = *picture;
    let bits = if maximum > 255 { 16 } else { 8 };
    let learned = shape.filter(|shape| *shape != (width, height));
    let learned =
        learned.map_or(String::new(), |(width, height)| format!(", learned from {width}×{height}"));
    let kind = if classify { ", as ink and paper" } else { "" };
    let channels = counted(channels as u64, "channel");
    format!("{width}×{height} pixels, {channels} of {bits} bits{learned}{kind}")
}

/// The columns of a table.
fn columns(table: &Schema) -> Vec<Line> {
    let name = |column: &Column| match &column.kind {
        Kind::Number { .. } => column.name.clone(),
        Kind::Category { values } => format!("{} ({})", column.name, listed(values)),
    };
    let names = |columns: &[Column]| listed(&columns.iter().map(name).collect::<Vec<_>>());
    vec![
        line("task", table.task()),
        line("predicts", names(&table.targets)),
        line("from", names(&table.inputs)),
    ]
}

/// A run that can go on.
fn describe_run(run: &TrainingState) -> Vec<Line> {
    let (trainer, summary) = (&run.trainer, run.summary());
    let epochs = thousands(summary.epochs);
    let done = match trainer.steps {
        Some(steps) => format!("{} of {}", thousands(summary.steps), counted(steps, "step")),
        None => format!("{epochs} of {}", counted(trainer.epochs as u64, "epoch")),
    };
    let mut lines = vec![
        line("run", format!("{done}, {}", lasting(summary.seconds))),
        line("training", describe_training(trainer)),
        line("batch", thousands(trainer.batch_size as u64)),
    ];
    if let Some(last) = summary.history.last() {
        let best = best(run).map_or(String::new(), |best| format!(", at best {best:.6}"));
        let validation = last.validation_loss;
        let validation =
            validation.map_or(String::new(), |loss| format!(", of the validation {loss:.6}"));
        lines.push(line("loss", format!("{:.6}{validation}{best}", last.loss)));
    }
    lines
}

/// The lowest loss of an epoch, of the validation where there is one.
pub fn best(run: &TrainingState) -> Option<f64> {
    let epochs = run.summary().history.iter();
    epochs.map(|epoch| epoch.validation_loss.unwrap_or(epoch.loss)).min_by(f64::total_cmp)
}

/// A text of which a line shows the beginning.
fn short(text: &str) -> String {
    const MOST: usize = 100;
    if text.chars().count() <= MOST {
        return text.into();
    }
    let shown: String = text.chars().take(MOST).collect();
    format!("{shown}… ({} bytes)", thousands(text.len() as u64))
}
