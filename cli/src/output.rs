//! Outputs: bytes and lines that go to a file, whole or not at all, or to standard output.

use crate::paint::streams::is_standard;
use impasto::{Error, Result, files};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// An output that is written bit by bit.
pub struct Output {
    path: PathBuf,
    writer: Writer,
}

enum Writer {
    Standard(BufWriter<io::Stdout>),
    File(BufWriter<files::Writer>),
}

impl Output {
    /// Opens a file or, for `-`, standard output.
    pub fn open(path: &Path) -> Result<Self> {
        if is_standard(path) {
            let writer = Writer::Standard(BufWriter::new(io::stdout()));
            return Ok(Self { path: "standard output".into(), writer });
        }
        let writer = Writer::File(BufWriter::new(files::Writer::create(path)?));
        Ok(Self { path: path.into(), writer })
    }

    /// Writes bytes. False if a reader of standard output went away, which ends the work without an error.
    pub fn write(&mut self, bytes: &[u8]) -> Result<bool> {
        let written = match &mut self.writer {
            Writer::Standard(stream) => match stream.write_all(bytes) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(false),
                other => other,
            },
            Writer::File(file) => file.write_all(bytes),
        };
        written.map(|()| true).map_err(|source| self.failed(source))
    }

    /// Completes the output. Without this, there is no file.
    pub fn finish(mut self) -> Result<()> {
        let flushed = match &mut self.writer {
            Writer::Standard(stream) => match stream.flush() {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                other => other,
            },
            Writer::File(file) => file.flush(),
        };
        flushed.map_err(|source| self.failed(source))?;
        match self.writer {
            Writer::File(file) => match file.into_inner() {
                Ok(file) => file.finish(),
                Err(error) => {
                    let source = error.into_error();
                    Err(Error::File { action: "write", path: self.path, source })
                }
            },
            Writer::Standard(_) => Ok(()),
        }
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::File { action: "write", path: self.path.clone(), source }
    }
}

/// Writes bytes to a file or to standard output.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if !is_standard(path) {
        return files::write(path, bytes);
    }
    let mut output = Output::open(path)?;
    output.write(bytes)?;
    output.finish()
}
