//! The end of a run: each step fails alone, every failure is reported, and what was learned is kept somewhere.

use super::console::print_line;
use super::fail;
use super::streams::is_standard;
use impasto::{Error, Network, Result};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

/// How many names are tried for a network whose own place cannot be written.
const NAMES: u64 = 100;

/// Bytes a parameter at the end of a run: copies of the network, its file, and what paints with it.
const SAVING: usize = 32;

/// The same with the state of the run.
const SAVING_STATE: usize = 64;

/// The bytes that the end of a run takes for its network. `keeps_state` is whether its file has all that it needs to go on.
pub fn memory(network: &Network, keeps_state: bool) -> usize {
    let each = if keeps_state { SAVING_STATE } else { SAVING };
    network.parameters().len().saturating_mul(each)
}

/// The errors of a run that goes on after them.
#[derive(Debug, Default)]
pub struct Failures(Vec<Error>);

impl Failures {
    /// Keeps an error for the end.
    pub fn add(&mut self, error: Error) {
        self.0.push(error);
    }

    /// The value of a step. An error is kept for the end.
    pub fn take<T>(&mut self, outcome: Result<T>) -> Option<T> {
        outcome.map_err(|error| self.add(error)).ok()
    }

    /// The end of a run without a step, which writes no file. Returns the exit code.
    pub fn end_without_a_step(
        mut self,
        failure: Option<Error>,
        quiet: bool,
        code: ExitCode,
    ) -> ExitCode {
        if !quiet {
            print_line("no step was done: no file was written");
        }
        self.0.extend(failure);
        self.report(code)
    }

    /// Reports all errors. Returns `code` if there are none, and 1 otherwise.
    pub fn report(self, mut code: ExitCode) -> ExitCode {
        for error in &self.0 {
            code = fail(error);
        }
        code
    }
}

/// Writes the bytes of a network whose own place failed to the user's data folder. Returns the file, which is new.
pub fn save_elsewhere(wanted: &Path, bytes: &[u8]) -> Result<PathBuf> {
    let Some(data) = dirs::data_dir() else {
        return Err(Error::Unsupported("this system has no folder for the user's data".into()));
    };
    let folder = data.join("impasto");
    let failed = |path: &Path, source| Error::File { action: "write", path: path.into(), source };
    private_folder(&folder).map_err(|source| failed(&folder, source))?;
    let stem = wanted.file_stem().filter(|_| !is_standard(wanted));
    let stem = stem.map_or("network".into(), |stem| stem.to_string_lossy());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    for number in now..now + NAMES {
        let path = folder.join(format!("{stem}-{number}.safetensors"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                let written = file.write_all(bytes).and_then(|()| file.sync_all());
                if let Err(source) = written {
                    let _ = fs::remove_file(&path);
                    return Err(failed(&path, source));
                }
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(failed(&path, source)),
        }
    }
    Err(failed(&folder, io::ErrorKind::AlreadyExists.into()))
}

/// Makes a folder that only its owner reads, if there is none.
fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
