//! A temporary folder to run the program in, and the result of a run.

use crate::common;
use impasto::Picture;
use serde_json::Value;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than any run here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What makes a run short; each holds unless the test says otherwise.
const QUICK: [(&str, &str); 3] = [("--backend", "cpu"), ("--hidden", "2x8"), ("--epochs", "2")];

/// Options that say otherwise with another name.
const INSTEAD: [(&str, &str); 3] =
    [("--epochs", "--steps"), ("--epochs", "--time"), ("--hidden", "--start")];

/// A folder of its own, where the program runs.
pub struct Studio {
    folder: TempDir,
    /// The user's folder for data, which no run writes to as long as its outputs can be written.
    data: TempDir,
}

impl Studio {
    /// An empty one.
    pub fn new() -> Self {
        let [folder, data] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
        Self { folder, data }
    }

    /// One with a small picture, `picture.png`, in it.
    pub fn with_picture() -> Self {
        let studio = Self::new();
        studio.put("picture.png", &crate::pictures::stones(24, 18));
        studio
    }

    /// The whole path of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The user's folder for data.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Puts a picture into it.
    pub fn put(&self, name: &str, picture: &Picture) {
        picture.save(self.path(name)).expect("written");
    }

    /// Puts bytes into it.
    pub fn put_bytes(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).expect("written");
    }

    /// The bytes of a file in it.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// A picture in it.
    pub fn picture(&self, name: &str) -> Picture {
        Picture::load(self.path(name)).expect("a picture")
    }

    /// A JSON file in it.
    pub fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&self.bytes(name)).expect("JSON")
    }

    /// The names of all files and folders in it, in order.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.folder.path())
            .expect("listed")
            .map(|entry| entry.expect("listed").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// [`names`](Self::names) without the marks of outputs that a killed run had reserved, which the next run removes.
    pub fn names_but_claims(&self) -> Vec<String> {
        let is_claim = |name: &String| name.starts_with(".impasto-claim-");
        self.names().into_iter().filter(|name| !is_claim(name)).collect()
    }

    /// Starts the program with these arguments, which are separated by spaces, and no others.
    pub fn start(&self, arguments: &str) -> Child {
        self.command(arguments).spawn().expect("started")
    }

    /// The program with these arguments, which are separated by spaces, and no others.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(common::example("paint"));
        command
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .env_remove("IMPASTO_ADAPTER")
            .env_remove("WGPU_ADAPTER_NAME")
            .env_remove("WGPU_BACKEND")
            .env_remove("RAYON_NUM_THREADS")
            .env("IMPASTO_CACHE", "")
            .env("XDG_DATA_HOME", self.data())
            // As on a machine without a desktop, where Mesa complains unless the program sets it.
            .env_remove("XDG_RUNTIME_DIR")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program with these arguments and no others.
    pub fn run(&self, arguments: &str) -> Run {
        finish(self.start(arguments), arguments)
    }

    /// Runs the program with these arguments and one more environment variable.
    pub fn run_with(&self, variable: (&str, &str), arguments: &str) -> Run {
        let started = self.command(arguments).env(variable.0, variable.1).spawn();
        finish(started.expect("started"), arguments)
    }

    /// Runs the program with these arguments, a file as standard input and its output as bytes.
    pub fn pipe(&self, input: Option<&str>, arguments: &str) -> Piped {
        let mut command = self.command(arguments);
        if let Some(name) = input {
            command.stdin(fs::File::open(self.path(name)).expect("a file"));
        }
        let output = command.output().expect("started");
        let stderr = String::from_utf8(output.stderr).expect("UTF-8");
        Piped { code: output.status.code(), stdout: output.stdout, stderr }
    }

    /// [`quick`](Self::quick) on the GPU engine, on the adapter of that description.
    pub fn quick_on(&self, adapter: &str, arguments: &str) -> Run {
        let arguments = quick(&format!("{arguments} --backend gpu"));
        self.run_with(("IMPASTO_ADAPTER", adapter), &arguments)
    }

    /// Runs the program with these arguments, and where they do not say otherwise, for a short
    /// time on the CPU.
    pub fn quick(&self, arguments: &str) -> Run {
        self.run(&quick(arguments))
    }
}

/// The arguments, and where they do not say otherwise, those of a short run on the CPU.
pub fn quick(arguments: &str) -> String {
    let mut all = arguments.to_string();
    for (option, value) in QUICK {
        let says = |name: &str| arguments.split_whitespace().any(|argument| argument == name);
        let says_otherwise =
            INSTEAD.iter().any(|(left_out, name)| *left_out == option && says(name));
        if !says(option) && !says_otherwise {
            all = format!("{all} {option} {value}");
        }
    }
    all
}

/// Waits for the program to end.
pub fn finish(mut child: Child, arguments: &str) -> Run {
    let start = Instant::now();
    while child.try_wait().expect("a child").is_none() {
        if start.elapsed() > PATIENCE {
            child.kill().expect("killed");
            child.wait().expect("gone");
            panic!("paint {arguments}: still running after {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().expect("its output");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Run {
        arguments: arguments.into(),
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// What came of a run whose output is bytes.
pub struct Piped {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

/// What came of a run.
pub struct Run {
    arguments: String,
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { arguments, code, stdout, stderr } = self;
        write!(f, "paint {arguments} ended with {code:?}\n{stdout}{stderr}")
    }
}

impl Run {
    /// Asserts that all went well and nothing was complained of.
    pub fn succeeded(self) -> Self {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self}");
        self
    }

    /// Asserts an error in one line that contains all of `words`.
    pub fn failed_saying(self, words: &[&str]) -> Self {
        assert!(self.code == Some(1), "{self}");
        assert_eq!(self.stderr.lines().count(), 1, "{self}");
        self.says(words)
    }

    /// Asserts an error on the command line itself that contains all of `words`.
    pub fn misused_saying(self, words: &[&str]) -> Self {
        assert!(self.code == Some(2), "{self}");
        self.says(words)
    }

    fn says(self, words: &[&str]) -> Self {
        assert!(self.stderr.starts_with("error: ") && self.stderr.ends_with('\n'), "{self}");
        assert!(!self.stderr.contains("panicked"), "{self}");
        for word in words {
            assert!(self.stderr.contains(word), "'{word}' in {self}");
        }
        self
    }
}
