//! Outputs: bytes and lines that go to a file, whole or not at all, or to standard output.

use crate::paint::streams::is_standard;
use impasto::{Error, Result, files};
use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// An output that is written bit by bit.
pub struct Output {
    path: PathBuf,
    writer: Writer,
}

enum Writer {
    /// Standard output, or a pipe or a device.
    Stream(Box<dyn Write>),
    /// A file that gets its name when it is complete.
    File { file: BufWriter<NamedTempFile>, place: PathBuf },
}

impl Output {
    /// Opens a file or, for `-`, standard output.
    pub fn open(path: &Path) -> Result<Self> {
        if is_standard(path) {
            let writer = Writer::Stream(Box::new(BufWriter::new(io::stdout())));
            return Ok(Self { path: "standard output".into(), writer });
        }
        files::check_writable(path)?;
        let failed = |source| Error::File { action: "write", path: path.into(), source };
        let writer = if files::is_stream(path) {
            let stream = OpenOptions::new().append(true).open(path).map_err(failed)?;
            Writer::Stream(Box::new(BufWriter::new(stream)))
        } else {
            let place = files::place(path).map_err(failed)?;
            let folder = place.parent().unwrap_or(Path::new("."));
            let mut builder = tempfile::Builder::new();
            builder.prefix(".impasto-").suffix(".part");
            // As if created in the ordinary way: what the umask leaves of read and write for all.
            #[cfg(unix)]
            builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
            let file = builder.tempfile_in(folder).map_err(failed)?;
            Writer::File { file: BufWriter::new(file), place }
        };
        Ok(Self { path: path.into(), writer })
    }

    /// Writes bytes. False if a reader of standard output went away, which ends the work without an error.
    pub fn write(&mut self, bytes: &[u8]) -> Result<bool> {
        let written = match &mut self.writer {
            Writer::Stream(stream) => stream.write_all(bytes),
            Writer::File { file, .. } => file.write_all(bytes),
        };
        self.unless_closed(written)
    }

    /// Completes the output. Without this, there is no file.
    pub fn finish(self) -> Result<()> {
        let Self { path, writer } = self;
        let failed = |source| Error::File { action: "write", path, source };
        match writer {
            Writer::Stream(mut stream) => match stream.flush() {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failed(error)),
                _ => Ok(()),
            },
            Writer::File { file, place } => {
                let file = file.into_inner().map_err(io::IntoInnerError::into_error);
                let saved = file.and_then(|file| {
                    file.as_file().sync_all()?;
                    file.persist(&place).map_err(|error| error.error)
                });
                saved.map(drop).map_err(failed)
            }
        }
    }

    fn unless_closed(&self, written: io::Result<()>) -> Result<bool> {
        match written {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            Err(source) => Err(Error::File { action: "write", path: self.path.clone(), source }),
        }
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

/// Refuses files that would be one file, such as a network that would replace its table. Each has what it is for.
pub fn check_different(named: &[(&str, &Path)]) -> Result<()> {
    let mut taken: Vec<(&str, PathBuf)> = Vec::new();
    for (role, path) in named {
        if is_standard(path) || files::is_stream(path) {
            continue;
        }
        let place = files::place(path).unwrap_or_else(|_| path.to_path_buf());
        if let Some((other, _)) = taken.iter().find(|(_, taken)| *taken == place) {
            return Err(Error::Setting(format!(
                "{} would be both {other} and {role}: choose another name",
                path.display()
            )));
        }
        taken.push((role, place));
    }
    Ok(())
}
