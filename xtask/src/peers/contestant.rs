//! The process of a contestant: one line of JSON in, one line of JSON out.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::protocol::{Answer, Job};

/// Lines of a contestant's standard error that are shown where it fails.
const LINES_OF_ERROR: usize = 3;

/// A contestant that was started. Dropping it ends it.
pub struct Contestant {
    name: String,
    child: Child,
    turns: ChildStdin,
    answers: BufReader<ChildStdout>,
    errors: File,
}

impl Contestant {
    /// # Errors
    ///
    /// When the program cannot be started.
    pub fn start(name: &str, command: &mut Command) -> Result<Self> {
        let errors = tempfile::tempfile().context("cannot create a temporary file")?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors.try_clone().context("cannot share a temporary file")?)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let (Some(turns), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("{name} was started without pipes");
        };
        Ok(Self { name: name.into(), child, turns, answers: BufReader::new(answers), errors })
    }

    /// Asks for one turn and waits for the answer.
    ///
    /// # Errors
    ///
    /// When the contestant ended, or answers with something else.
    pub fn turn(&mut self, job: &Job) -> Result<Answer> {
        let mut line = serde_json::to_string(job).context("cannot write a job as JSON")?;
        line.push('\n');
        let mut answer = String::new();
        let sent = self.turns.write_all(line.as_bytes()).and_then(|()| self.turns.flush());
        let heard = sent.and_then(|()| self.answers.read_line(&mut answer));
        if !matches!(heard, Ok(bytes) if bytes > 0) {
            let reason = self.last_words();
            bail!("{} ended without an answer: {reason}", self.name);
        }
        parse(&self.name, job, &answer)
    }

    /// The end of what it wrote to standard error, in one line.
    fn last_words(&mut self) -> String {
        // Its end is near, and what it has to say may still be on its way.
        let _ = self.child.wait();
        let mut bytes = Vec::new();
        let read =
            self.errors.seek(SeekFrom::Start(0)).and_then(|_| self.errors.read_to_end(&mut bytes));
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> =
            text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if read.is_err() || lines.is_empty() {
            return "it gave no reason".into();
        }
        lines[lines.len().saturating_sub(LINES_OF_ERROR)..].join(" / ")
    }
}

impl Drop for Contestant {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The answer to `job` in a line of the contestant `name`.
fn parse(name: &str, job: &Job, line: &str) -> Result<Answer> {
    let answer: Answer = serde_json::from_str(line.trim()).with_context(|| {
        format!("{name} answered with a line that is none: {:?}", shorten(line))
    })?;
    ensure!(answer.contestant == name, "{name} answered in the name of {}", answer.contestant);
    ensure!(
        answer.batch == job.batch && answer.epoch_s.len() == job.spans,
        "{name} answered {} spans at batch {} where {} at {} were asked for",
        answer.epoch_s.len(),
        answer.batch,
        job.spans,
        job.batch
    );
    let is_time = |seconds: &f64| seconds.is_finite() && *seconds > 0.0;
    ensure!(
        answer.epoch_s.iter().chain([&answer.first_epoch_s]).all(is_time),
        "{name} answered with a time that is none"
    );
    Ok(answer)
}

/// At most the first 80 characters.
fn shorten(line: &str) -> String {
    line.trim().chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        Job {
            samples: "samples".into(),
            inputs: 2,
            outputs: 3,
            hidden: vec![100],
            activation: "relu".into(),
            learning_rate: 1e-3,
            shuffle: true,
            seed: 0,
            threads: 2,
            adapter: None,
            options: std::collections::BTreeMap::new(),
            batch: 200,
            warm_up: 0,
            spans: 2,
            epochs: 1,
        }
    }

    const LINE: &str = r#"{"contestant": "pytorch", "version": "PyTorch 2.15.0", "device": "CPU",
        "batch": 200, "first_epoch_s": 0.5, "first_loss": 0.2, "epoch_s": [0.1, 0.2],
        "final_loss": 0.01}"#;

    #[test]
    fn a_good_line_is_read() {
        let answer = parse("pytorch", &job(), LINE).unwrap();
        assert_eq!(answer.epoch_s, [0.1, 0.2]);
        assert_eq!(answer.final_loss, 0.01);
    }

    #[test]
    fn a_malformed_line_is_an_error_that_names_the_contestant() {
        for line in [
            "",
            "Compiling shaders ...",
            "{\"contestant\": \"pytorch\"}",
            &LINE.replace("[0.1, 0.2]", "[0.1]"),
            &LINE.replace("[0.1, 0.2]", "[0.1, -0.2]"),
            &LINE.replace("[0.1, 0.2]", "[0.1, NaN]"),
            &LINE.replace("\"batch\": 200", "\"batch\": 100"),
            &LINE.replace("\"pytorch\"", "\"candle\""),
        ] {
            let error = parse("pytorch", &job(), line).unwrap_err();
            assert!(format!("{error:#}").contains("pytorch"), "{line}: {error:#}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_contestant_that_fails_is_reported_with_its_reason() {
        let mut command = Command::new("sh");
        command.args(["-c", "read job; echo 'no such adapter' >&2; exit 1"]);
        let mut contestant = Contestant::start("burn-wgpu", &mut command).unwrap();
        let error = contestant.turn(&job()).unwrap_err();
        assert_eq!(error.to_string(), "burn-wgpu ended without an answer: no such adapter");
    }
}
