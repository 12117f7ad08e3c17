//! `impasto info`: what a safetensors file contains.

mod header;
mod lines;

use crate::paint::console::print_line;
use crate::shape::{KEY as SHAPE, Shape};
use crate::sound::{KEY as SOUND, Sound};
use crate::table::schema::{KEY as TABLE, Schema};
use clap::Parser;
use header::Header;
use impasto::{Error, Network, Result, Subject, TrainingState, Video};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// The keys of the metadata that the library writes.
const NETWORK: &str = "impasto";
const RUN: &str = "impasto-training";
const PICTURE: &str = "picture";
const VIDEO: &str = "video";

/// The key under which `paint` saves how a run goes on.
const PAINT: &str = "paint";

/// Print what is in a safetensors file: a network, what it was trained on, a run that can go on, or tensors of PyTorch
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// The file
    #[arg(value_name = "FILE.safetensors")]
    pub file: PathBuf,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A file of this library.
struct Saved {
    network: Network,
    picture: Option<Subject>,
    video: Option<Video>,
    table: Option<Schema>,
    sound: Option<Sound>,
    shape: Option<Shape>,
    run: Option<TrainingState>,
    /// What a user should know of the file.
    notes: Vec<String>,
}

/// Prints what is in the file.
pub fn run(options: &Options) -> Result<ExitCode> {
    let path = &options.file;
    let header = Header::read(path)?;
    let saved = if header.metadata.contains_key(NETWORK) {
        let (network, texts, notes) = Network::load_with_notes(path)?;
        let wrong =
            |error: Error| Error::Checkpoint { path: path.clone(), reason: error.to_string() };
        Some(Saved {
            picture: picture(&network, &texts).map_err(wrong)?,
            video: Video::from_metadata(&network, &texts).map_err(wrong)?,
            table: Schema::of(&network, &texts).map_err(wrong)?,
            sound: Sound::of(&network, &texts).map_err(wrong)?,
            shape: Shape::of(&network, &texts).map_err(wrong)?,
            run: header
                .metadata
                .contains_key(RUN)
                .then(|| TrainingState::load(path))
                .transpose()?,
            network,
            notes,
        })
    } else {
        None
    };
    if options.json {
        let described = describe(options, &header, saved.as_ref());
        let text =
            serde_json::to_string_pretty(&described).map_err(|e| Error::Format(e.to_string()))?;
        print_line(text);
    } else {
        lines::of(path, &header, saved.as_ref()).into_iter().for_each(print_line);
    }
    Ok(ExitCode::SUCCESS)
}

/// The picture that the network paints, if any.
fn picture(network: &Network, texts: &HashMap<String, String>) -> Result<Option<Subject>> {
    texts.contains_key(PICTURE).then(|| Subject::from_metadata(network, texts)).transpose()
}

/// The texts of other programs, or of the user, in the metadata.
fn other_texts(header: &Header) -> impl Iterator<Item = (&String, &String)> {
    let own = |key: &str| {
        [PICTURE, VIDEO, PAINT, TABLE, SOUND, SHAPE].contains(&key) || key.starts_with(NETWORK)
    };
    header.metadata.iter().filter(move |(key, _)| !own(key))
}

/// What is in the file, as JSON.
fn describe(options: &Options, header: &Header, saved: Option<&Saved>) -> Value {
    let tensor = |tensor: &header::Tensor| json!({ "name": tensor.name, "type": tensor.dtype, "shape": tensor.shape });
    let network = |saved: &Saved| {
        let layers = saved.network.layers().iter();
        json!({
            "inputs": saved.network.inputs(),
            "encoding": saved.network.encoding(),
            "layers": layers.map(|layer| json!({
                "neurons": layer.fan_out,
                "activation": layer.activation,
                "biases": layer.bias,
                "dropout": layer.dropout,
                "frozen": layer.frozen,
            })).collect::<Vec<_>>(),
            "parameters": saved.network.parameters().len(),
            "epochs": saved.network.epochs_trained(),
        })
    };
    let run = |run: &TrainingState| {
        let summary = run.summary();
        json!({
            "trainer": run.trainer,
            "steps": summary.steps,
            "epochs": summary.epochs,
            "seconds": summary.seconds,
            "loss": summary.history.last().map(|epoch| epoch.loss),
            "best_loss": lines::best(run),
        })
    };
    json!({
        "file": options.file.to_string_lossy(),
        "bytes": header.bytes,
        "network": saved.map(network),
        "picture": saved.and_then(|saved| saved.picture.as_ref()),
        "video": saved.and_then(|saved| saved.video.as_ref()),
        "table": saved.and_then(|saved| saved.table.as_ref()),
        "sound": saved.and_then(|saved| saved.sound.as_ref()),
        "shape": saved.and_then(|saved| saved.shape.as_ref()),
        "run": saved.and_then(|saved| saved.run.as_ref()).map(run),
        "notes": saved.map_or(&[][..], |saved| &saved.notes),
        "numbers": header.numbers(),
        "tensors": header.tensors.iter().map(tensor).collect::<Vec<_>>(),
        "texts": other_texts(header).collect::<HashMap<_, _>>(),
    })
}
