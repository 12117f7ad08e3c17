//! `impasto predict`: predictions of a network that `impasto fit` saved.

mod sound;
mod table;

use crate::engine::Device;
use crate::output;
use crate::paint::console;
use crate::paint::streams::is_standard;
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
/// than memory. A network of a sound takes no table, and gives the sound as WAV.
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
    let output = ("the output", options.output.as_path());
    output::check_different(&[("the network", path.as_path()), output])?;
    if let Some(data) = &options.data {
        output::check_different(&[("the data", data.as_path()), output])?;
    }
    let (network, texts) = Network::load_with(path)?;
    let wrong = |reason: String| Error::Checkpoint { path: path.clone(), reason };
    let schema = Schema::of(&network, &texts).map_err(|error| wrong(error.to_string()))?;
    let sound = Sound::of(&network, &texts).map_err(|error| wrong(error.to_string()))?;
    match (schema, sound) {
        (Some(schema), _) => table::run(options, &network, &schema),
        (None, Some(sound)) => sound::run(options, &network, &sound),
        (None, None) if texts.contains_key("picture") => Err(Error::Setting(format!(
            "{} paints a picture: impasto repaint paints it",
            path.display()
        ))),
        (None, None) => {
            Err(wrong("it was not saved by impasto fit, so its columns are not known".into()))
        }
    }
}
