//! The programs that train: one process for each network.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::job::{Answer, Job};

/// A program with its first arguments.
pub struct Worker {
    /// For people.
    pub name: &'static str,
    /// The program, and its arguments.
    pub program: Vec<PathBuf>,
}

impl Worker {
    /// Trains the network of a job.
    ///
    /// # Errors
    ///
    /// When the program fails or answers with something else.
    pub fn train(&self, job: &Job) -> Result<Answer> {
        let threads = job.threads.to_string();
        let mut child = Command::new(&self.program[0])
            .args(&self.program[1..])
            .envs(["OMP_NUM_THREADS", "MKL_NUM_THREADS"].map(|name| (name, &threads)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.name))?;
        let mut line = serde_json::to_vec(job).context("cannot write JSON")?;
        line.push(b'\n');
        let mut input = child.stdin.take().context("the worker was started without pipes")?;
        let asked = input.write_all(&line);
        drop(input);
        let output = child.wait_with_output().context("cannot wait for the worker")?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr);
            let reason = reason.lines().last().unwrap_or("it gave no reason").to_owned();
            bail!("{} failed: {reason}", self.name);
        }
        asked.with_context(|| format!("{} ended too early", self.name))?;
        parse(self.name, job, &output.stdout)
    }

    /// Trains for about so many seconds, with a schedule that ends there: a short run first finds how many steps
    /// that is.
    ///
    /// # Errors
    ///
    /// As [`train`](Self::train).
    pub fn train_for(&self, job: &Job, seconds: f64) -> Result<Answer> {
        let trial = Job {
            steps: MANY,
            seconds: Some((seconds / 10.0).clamp(0.5, 3.0)),
            bits: Vec::new(),
            ..job.clone()
        };
        let trial = self.train(&trial)?;
        self.train(&Job { steps: steps_in(seconds, &trial), seconds: None, ..job.clone() })
    }
}

/// Steps that no run reaches before its seconds are over.
pub const MANY: u64 = 1_000_000_000;

/// How many steps take so many seconds, at least 1.
pub fn steps_in(seconds: f64, trial: &Answer) -> u64 {
    ((seconds / trial.seconds * trial.steps as f64) as u64).max(1)
}

/// The answer in what a worker printed.
fn parse(name: &str, job: &Job, printed: &[u8]) -> Result<Answer> {
    let text = String::from_utf8_lossy(printed);
    let answer: Answer = serde_json::from_str(text.trim())
        .with_context(|| format!("{name} answered with a line that is none"))?;
    ensure!(
        answer.seconds.is_finite() && answer.seconds > 0.0 && answer.samples > 0,
        "{name} answered with a time that is none"
    );
    ensure!(
        (1..=job.steps).contains(&answer.steps)
            && (job.seconds.is_some() || answer.steps == job.steps),
        "{name} took {} steps where {} were asked for",
        answer.steps,
        job.steps
    );
    ensure!(!answer.psnr.is_nan(), "{name} diverged");
    Ok(answer)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::peers::quality::job::{Encoding, Rounded};

    pub fn job() -> Job {
        Job {
            train: "train".into(),
            test: "test".into(),
            colors: 3,
            picture: None,
            encoding: Encoding::None,
            hidden: vec![8],
            activation: "relu".into(),
            output: "sigmoid".into(),
            batch: 64,
            learning_rate: 1e-3,
            beta2: 0.999,
            epsilon: 1e-8,
            cosine: false,
            steps: 10,
            seconds: None,
            bits: Vec::new(),
            shared: None,
            threads: 2,
            seed: 0,
        }
    }

    pub fn answer(seconds: f64, psnr: f64) -> Answer {
        Answer {
            version: "Impasto 0.1.0".into(),
            parameters: 1_000,
            steps: 10,
            samples: 640,
            seconds,
            psnr,
            ms_ssim: Some(0.95),
            rounded: vec![Rounded { bits: 16, bits_a_pixel: 1.5, psnr: psnr - 0.5 }],
        }
    }

    #[test]
    fn a_good_answer_is_read_and_others_are_errors() {
        let line = serde_json::to_string(&answer(2.0, 30.0)).unwrap();
        assert_eq!(parse("ours", &job(), line.as_bytes()).unwrap(), answer(2.0, 30.0));
        for (bad, why) in [
            ("Loading".into(), "a line that is none"),
            (line.replace("\"seconds\":2.0", "\"seconds\":0.0"), "a time that is none"),
            (line.replace("\"samples\":640", "\"samples\":0"), "a time that is none"),
            (line.replace("\"steps\":10", "\"steps\":9"), "took 9 steps"),
        ] {
            let error = parse("ours", &job(), bad.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(why), "{bad}: {error:#}");
        }
        let timed = Job { seconds: Some(1.0), steps: 20, ..job() };
        assert!(parse("ours", &timed, line.as_bytes()).is_ok());
        assert_eq!(
            serde_json::from_str::<Job>(&serde_json::to_string(&job()).unwrap()).unwrap(),
            job()
        );
    }

    #[test]
    fn seconds_become_steps() {
        assert_eq!(steps_in(30.0, &answer(2.0, 30.0)), 150);
        assert_eq!(steps_in(0.001, &answer(2.0, 30.0)), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_worker_that_fails_is_reported_with_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script");
        std::fs::write(&script, "read job; echo 'no memory' >&2; exit 1\n").unwrap();
        let worker = Worker { name: "PyTorch", program: vec!["sh".into(), script] };
        let error = worker.train(&job()).unwrap_err();
        assert_eq!(error.to_string(), "PyTorch failed: no memory");
    }
}
