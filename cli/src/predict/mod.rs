//! `impasto predict`: predictions of a network that `impasto fit` saved.

mod shape;
mod sound;
mod table;

use crate::engine::Device;
use crate::paint::console;
use crate::paint::streams::{self, check_redirected, is_standard};
use crate::shape::Shape;
use crate::sound::Sound;
use crate::table::schema::Schema;
use crate::table::source::Dialect;
use clap::Parser;
use impasto::{Error, Network, Result};
use std::path::PathBuf;
use std::process::ExitCode;

/// Predict with a network that `impasto fit` saved
///
/// The predictions are a table with a row for each row of NEW.csv, in its order. NEW.csv needs the columns that the
/// network was trained on, in any order, and may have others. It is read and predicted in blocks, so it may be larger
/// than memory. A network of a sound or a shape takes no table, and gives the sound as WAV or the surface
/// as OBJ.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// The network
    #[arg(value_name = "FILE.safetensors")]
    pub network: PathBuf,

    /// The table to predict for; - is standard input
    #[arg(value_name = "NEW.csv")]
    pub data: Option<PathBuf>,

    /// Where the predictions go; - is standard output
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,

    /// Add the probability of each class
    #[arg(long)]
    pub probabilities: bool,

    /// Places along each side of the cube in which the surface of a shape is looked for, 8 to 512 [default: 128]
    #[arg(long, value_name = "PLACES", allow_negative_numbers = true)]
    pub resolution: Option<u32>,

    #[command(flatten)]
    pub dialect: Dialect,

    #[command(flatten)]
    pub device: Device,
}

/// Runs with these options. The exit code is that of a signal if one ended the run early.
pub fn run(options: &Options) -> Result<ExitCode> {
    if is_standard(&options.output) {
        console::leave_standard_output();
    }
    let path = &options.network;
    let inputs = [("the network", Some(path)), ("the data", options.data.as_ref())];
    // Until the run is over.
    let _reservation = streams::reserve(inputs, [("the output", Some(&options.output))])?;
    let (network, texts, notes) = Network::load_with_notes(path)?;
    for note in notes {
        options.device.say(format!("note: {note}"));
    }
    let wrong = |reason: String| Error::Checkpoint { path: path.clone(), reason };
    let schema = Schema::of(&network, &texts).map_err(|error| wrong(error.to_string()))?;
    let sound = Sound::of(&network, &texts).map_err(|error| wrong(error.to_string()))?;
    let shape = Shape::of(&network, &texts).map_err(|error| wrong(error.to_string()))?;
    if options.resolution.is_some() && shape.is_none() {
        return Err(Error::Setting("--resolution is for shapes".into()));
    }
    if let Some(schema) = schema {
        return table::run(options, &network, &schema);
    }
    if let Some(sound) = sound {
        options.check_no_table("a sound", "wav")?;
        return sound::run(options, &network, &sound);
    }
    if let Some(shape) = shape {
        options.check_no_table("a shape", "obj")?;
        return shape::run(options, &network, &shape);
    }
    if ["picture", "video"].iter().any(|key| texts.contains_key(*key)) {
        return Err(Error::Setting(format!(
            "{} paints a picture or a video: impasto repaint paints it",
            path.display()
        )));
    }
    Err(wrong("it was not saved by impasto fit, so its columns are not known".into()))
}

impl Options {
    /// Refuses what is for tables alone. `kind` is what the network was trained on.
    fn check_no_table(&self, kind: &str, ending: &str) -> Result<()> {
        let Self { network, data, probabilities, dialect, output, .. } = self;
        if data.is_some() || *probabilities || dialect.delimiter.is_some() || dialect.no_header {
            return Err(Error::Setting(format!(
                "{} is {kind}, which takes no table: impasto predict {0} -o OUT.{ending}",
                network.display()
            )));
        }
        if is_standard(output) {
            return check_redirected();
        }
        Ok(())
    }
}
