//! The command line of `impasto fit`.

use crate::engine::Device;
use crate::paint::streams::is_standard;
use crate::paint::values::{Hidden, Time};
use crate::table::source::Dialect;
use clap::{Parser, ValueEnum};
use impasto::input_encoding::InputEncoding;
use impasto::{Activation, Error, Optimizer, Result};
use std::path::PathBuf;

/// Train a network on a table, to predict a column from the others, or on a sound or a shape
///
/// DATA.csv has a row for each sample; its first line has the names of the columns. A target of numbers is predicted as
/// a number (regression), a target of texts or of a few whole numbers as a class (classification). Other columns are
/// inputs: numbers are standardized, and texts become a number for each of their values. Of a file that ends in .wav, the
/// network learns the amplitude of each channel as a function of the time, and of one that ends in .obj or .stl the signed
/// distance from the surface as a function of the place. Ctrl-C, SIGTERM and SIGHUP stop training, and
/// what was learned so far is saved.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// The table, as CSV, a sound, as WAV, or a shape, as OBJ or STL; - is a table on standard input
    #[arg(value_name = "DATA")]
    pub data: PathBuf,

    /// The column to predict; several columns of numbers with commas between them
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    pub target: Vec<String>,

    /// What the target is: regression (numbers) or classification (classes) [default: by its cells]
    #[arg(long)]
    pub task: Option<Task>,

    /// Columns to leave out, with commas between them
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    pub ignore: Vec<String>,

    #[command(flatten)]
    pub dialect: Dialect,

    /// The share of the rows to validate with, from 0 to below 1 [default: 0.2]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    pub split: Option<f64>,

    /// Hidden layers: 64,32 is one of 64 neurons and one of 32, 3x100 three of 100 [default: 64,64; sounds: 3x128]
    #[arg(long, value_name = "LAYERS")]
    pub hidden: Option<Hidden>,

    /// Activation of the hidden layers, one of docs/reference.md [default: silu; sounds: sine; shapes: relu]
    #[arg(long, value_name = "NAME[:PARAMETER=VALUE,…]")]
    pub activation: Option<Activation>,

    /// The inputs of the network of a sound or a shape, computed from the time or the place, one of docs/reference.md
    /// [default: scaled; shapes: a hash grid]
    #[arg(long, value_name = "NAME[:PARAMETER=VALUE,…]")]
    pub encoding: Option<InputEncoding>,

    /// The most passes over the rows [default: 500 for up to 6,400 rows, fewer for more, at least 10; sounds: those of
    /// 4,000 steps; shapes: 20]
    #[arg(long, allow_negative_numbers = true)]
    pub epochs: Option<usize>,

    /// How long training may take: 10s, 5m, 2h
    #[arg(long)]
    pub time: Option<Time>,

    /// Rows in a training step [default: 32, for more than 6,400 rows up to 1024; sounds: 2048; shapes: 4096]
    #[arg(long, allow_negative_numbers = true)]
    pub batch: Option<usize>,

    /// Epochs without a better loss that end the run; 0 never ends it early [default: a quarter of the epochs, 5 to 50]
    #[arg(long, value_name = "EPOCHS", allow_negative_numbers = true)]
    pub patience: Option<usize>,

    /// Learning rate of the optimizer at the start; it falls to 0 over the run [default: 0.001; sounds: 0.0003;
    /// shapes: 0.005]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    pub learning_rate: Option<f64>,

    /// How a gradient becomes an update, one of docs/reference.md
    #[arg(long, value_name = "NAME[:PARAMETER=VALUE,…]", default_value = "adam")]
    pub optimizer: Optimizer,

    /// Seed of the first parameters, of the rows to validate with and of the order of rows
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub seed: u64,

    /// Where the network goes; - is standard output [default: beside the table, as DATA.safetensors]
    #[arg(long, value_name = "FILE.safetensors")]
    pub save: Option<PathBuf>,

    /// Also write a report of the run as JSON; - is standard output
    #[arg(long, value_name = "FILE.json")]
    pub report: Option<PathBuf>,

    #[command(flatten)]
    pub device: Device,
}

/// What is predicted.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Task {
    Regression,
    Classification,
}

impl Options {
    /// Where the network goes.
    pub fn file(&self) -> PathBuf {
        match &self.save {
            Some(path) => path.clone(),
            None if is_standard(&self.data) => "table.safetensors".into(),
            None => self.data.with_extension("safetensors"),
        }
    }

    /// What does not depend on the table.
    pub fn check(&self) -> Result<()> {
        if let Some(split) = self.split.filter(|split| !(0.0..1.0).contains(split)) {
            return Err(Error::Setting(format!(
                "--split {split}: the share of the rows to validate with is at least 0 and below 1"
            )));
        }
        let both = self.save.as_deref().is_some_and(is_standard)
            && self.report.as_deref().is_some_and(is_standard);
        if both {
            return Err(Error::Setting(
                "--save and --report cannot both go to standard output".into(),
            ));
        }
        Ok(())
    }

    /// Refuses what is for tables alone. `kind` is what the data are instead.
    pub fn check_no_table(&self, kind: &str) -> Result<()> {
        let given = [
            ("--target", !self.target.is_empty()),
            ("--task", self.task.is_some()),
            ("--ignore", !self.ignore.is_empty()),
            ("--delimiter", self.dialect.delimiter.is_some()),
            ("--no-header", self.dialect.no_header),
            ("--split", self.split.is_some()),
            ("--patience", self.patience.is_some()),
        ];
        let Some((name, _)) = given.iter().find(|(_, is_given)| *is_given) else { return Ok(()) };
        let data = self.data.display();
        Err(Error::Setting(format!("{name} is for tables, and {data} is {kind}")))
    }
}
