//! `impasto repaint`: paints from a saved network, as `impasto paint --repaint` does.

use crate::engine::Device;
use crate::paint;
use crate::paint::values::Size;
use crate::paint::view::{Rectangle, Scale, View};
use clap::{CommandFactory, FromArgMatches, Parser};
use impasto::Region;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Paint from a saved network, as `impasto paint --repaint` does
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// The network; - is standard input
    #[arg(value_name = "FILE.safetensors")]
    pub file: PathBuf,

    /// Where the painting goes; - is standard output, as PNG
    #[arg(long, short, default_value = "painted.png", value_name = "FILE")]
    pub output: PathBuf,

    /// The size to paint at [default: that of the picture]
    #[arg(long, value_name = "WIDTHxHEIGHT")]
    pub size: Option<Size>,

    #[command(flatten)]
    pub view: View,

    /// Also write a report of the run as JSON; - is standard output
    #[arg(long, value_name = "FILE.json")]
    pub report: Option<PathBuf>,

    #[command(flatten)]
    pub device: Device,
}

impl Options {
    /// The arguments of `paint`.
    fn arguments(&self) -> Vec<OsString> {
        let mut all: Vec<OsString> = ["impasto repaint", "--repaint"].map(Into::into).to_vec();
        all.push(self.file.clone().into());
        let View { scale, region } = &self.view;
        let region = region.map(|Rectangle(Region { x, y, width, height })| {
            format!("{x},{y},{width},{height}").into()
        });
        let Device { backend, adapter, threads, quiet } = &self.device;
        let options = [
            ("--output", Some(self.output.clone().into())),
            ("--size", self.size.map(|size| format!("{}x{}", size.width, size.height).into())),
            ("--scale", scale.map(|Scale(scale)| scale.to_string().into())),
            ("--region", region),
            ("--report", self.report.clone().map(Into::into)),
            ("--backend", Some(backend.name().into())),
            ("--adapter", adapter.clone().map(Into::into)),
            ("--threads", threads.map(|threads| threads.to_string().into())),
        ];
        for (name, value) in options {
            if let Some(value) = value {
                // In one argument, since a value may begin with a dash.
                let mut argument = OsString::from(format!("{name}="));
                argument.push::<OsString>(value);
                all.push(argument);
            }
        }
        all.extend(quiet.then(|| "--quiet".into()));
        all
    }
}

/// Paints, with the code and the messages of `paint`.
pub fn run(options: &Options) -> ExitCode {
    let mut command =
        paint::Options::command().override_usage("impasto repaint [OPTIONS] <FILE.safetensors>");
    let matches = command.try_get_matches_from_mut(options.arguments());
    let read = matches.and_then(|matches| paint::Options::from_arg_matches(&matches));
    match read {
        Ok(read) => paint::run(&read, &mut command),
        Err(error) => error.exit(),
    }
}
