//! `--metrics`: numbers of a run in a file, line by line as it goes.

use super::console::warn;
use super::streams::is_standard;
use super::values::ending;
use impasto::{Error, Result, files};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The numbers of a line.
const NAMES: [&str; 7] =
    ["step", "epoch", "seconds", "loss", "psnr_db", "learning_rate", "samples_per_second"];

/// A moment of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Steps done.
    pub step: u64,
    /// The epoch of that step, from 1.
    pub epoch: u64,
    /// Seconds of training.
    pub seconds: f64,
    /// The mean of the epoch, or within one that of the last step.
    pub loss: f64,
    /// In dB.
    pub psnr: Option<f64>,
    /// Of the last step.
    pub learning_rate: f64,
    /// The mean of the epoch, or within one the latest rate.
    pub samples_per_second: f64,
}

impl Point {
    /// Its numbers in the order of [`NAMES`]; one that is missing or not finite is null.
    fn numbers(&self) -> [Value; NAMES.len()] {
        // More digits would be noise.
        let rounded = |number: f64, digits: f64| (number * digits).round() / digits;
        [
            json!(self.step),
            json!(self.epoch),
            json!(rounded(self.seconds, 1e6)),
            json!(self.loss),
            json!(self.psnr.map(|psnr| rounded(psnr, 1e3))),
            json!(self.learning_rate),
            json!(self.samples_per_second.round() as u64),
        ]
    }
}

/// How the lines are written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Layout {
    Csv,
    JsonLines,
}

impl Layout {
    /// That of a file of this name.
    pub fn of(path: &Path) -> std::result::Result<Self, String> {
        match ending(path).as_str() {
            "csv" => Ok(Self::Csv),
            "jsonl" => Ok(Self::JsonLines),
            _ => Err(format!(
                "--metrics writes CSV or lines of JSON: {} needs the ending .csv or .jsonl",
                path.display()
            )),
        }
    }

    /// What a file begins with.
    fn header(self) -> String {
        match self {
            Self::Csv => format!("{}\n", NAMES.join(",")),
            Self::JsonLines => String::new(),
        }
    }

    fn line(self, point: &Point) -> String {
        let numbers = point.numbers();
        match self {
            Self::Csv => {
                let text =
                    |value: &Value| if value.is_null() { String::new() } else { value.to_string() };
                format!("{}\n", numbers.iter().map(text).collect::<Vec<_>>().join(","))
            }
            Self::JsonLines => {
                let pairs =
                    NAMES.iter().zip(numbers).map(|(name, value)| format!("\"{name}\":{value}"));
                format!("{{{}}}\n", pairs.collect::<Vec<_>>().join(","))
            }
        }
    }

    /// The step of a line, if it is one.
    fn step(self, line: &str) -> Option<u64> {
        match self {
            Self::Csv => line.split(',').next()?.parse().ok(),
            Self::JsonLines => serde_json::from_str::<Value>(line).ok()?["step"].as_u64(),
        }
    }

    /// The lines of a file up to this step; `None` if it is the file of something else. A line that a kill cut off is
    /// left out.
    fn up_to(self, text: &str, step: u64) -> Option<String> {
        let header = self.header();
        if text.is_empty() {
            return Some(header);
        }
        let lines = text.strip_prefix(&header)?.split_inclusive('\n');
        let mut kept = header;
        for line in lines.filter(|line| line.ends_with('\n')) {
            if self.step(line.trim_end())? <= step {
                kept.push_str(line);
            }
        }
        Some(kept)
    }
}

/// The file that lines go to.
pub struct Metrics {
    path: PathBuf,
    layout: Layout,
    /// None after a failed write.
    output: Option<Box<dyn Write>>,
    failure: Option<Error>,
}

impl Metrics {
    /// Begins the file, or continues that of a run that was resumed after so many steps.
    pub fn open(path: &Path, resumed: Option<u64>) -> Result<Self> {
        if is_standard(path) {
            let layout = Layout::Csv;
            let mut metrics = Self::to(path, layout, io::stdout());
            metrics.append(&layout.header());
            return Ok(metrics);
        }
        let layout = Layout::of(path).map_err(Error::Setting)?;
        let resumed = resumed.filter(|_| !files::is_stream(path));
        let text = match resumed.map(|step| (step, std::fs::read_to_string(path))) {
            Some((step, Ok(text))) => layout.up_to(&text, step).ok_or_else(|| {
                Error::Setting(format!(
                    "{} has no metrics that this run could go on with: name another file",
                    path.display()
                ))
            })?,
            Some((_, Err(source))) if source.kind() != io::ErrorKind::NotFound => {
                return Err(Error::File { action: "read", path: path.into(), source });
            }
            _ => layout.header(),
        };
        Ok(Self::to(path, layout, files::begin(path, text.as_bytes())?))
    }

    fn to(path: &Path, layout: Layout, output: impl Write + 'static) -> Self {
        Self { path: path.into(), layout, output: Some(Box::new(output)), failure: None }
    }

    /// Writes a line. A failure does not end the run: [`finish`](Self::finish) reports it.
    pub fn write(&mut self, point: &Point) {
        self.append(&self.layout.line(point));
    }

    fn append(&mut self, text: &str) {
        let Some(output) = &mut self.output else { return };
        if let Err(source) = output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
            self.output = None;
            // A reader of standard output that went away is no error.
            if source.kind() != io::ErrorKind::BrokenPipe || !is_standard(&self.path) {
                let path = if is_standard(&self.path) {
                    "standard output".into()
                } else {
                    self.path.clone()
                };
                let error = Error::File { action: "write", path, source };
                warn(&error);
                self.failure = Some(error);
            }
        }
    }

    /// An error if a line could not be written.
    pub fn finish(self) -> Result<()> {
        self.failure.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(step: u64) -> Point {
        Point {
            step,
            epoch: 2,
            seconds: 1.234_567_89,
            loss: 0.1,
            psnr: Some(f64::INFINITY),
            learning_rate: 1e-7,
            samples_per_second: 1234.56,
        }
    }

    #[test]
    fn lines_have_the_same_numbers_in_both_layouts() {
        let [csv, json] = [Layout::Csv, Layout::JsonLines].map(|layout| layout.line(&point(3)));
        assert_eq!(csv, "3,2,1.234568,0.1,,1e-7,1235\n");
        assert_eq!(
            json,
            "{\"step\":3,\"epoch\":2,\"seconds\":1.234568,\"loss\":0.1,\"psnr_db\":null,\"learning_rate\":1e-7,\
             \"samples_per_second\":1235}\n"
        );
    }

    #[test]
    fn a_file_is_cut_off_after_the_step_that_a_run_goes_on_from() {
        for layout in [Layout::Csv, Layout::JsonLines] {
            let lines = |steps: &[u64]| {
                let lines = steps.iter().map(|step| layout.line(&point(*step)));
                format!("{}{}", layout.header(), lines.collect::<String>())
            };
            let all = lines(&[10, 20, 30]);
            assert_eq!(layout.up_to(&all, 20), Some(lines(&[10, 20])));
            assert_eq!(layout.up_to(&all, 9), Some(lines(&[])));
            // A kill in the middle of a line.
            assert_eq!(layout.up_to(&all[..all.len() - 4], 99), Some(lines(&[10, 20])));
            for foreign in ["ducks\nare birds\n", "{}\n", "\n"] {
                assert_eq!(layout.up_to(foreign, 20), None, "{foreign}");
            }
        }
    }
}
