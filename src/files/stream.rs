//! Streams: pipes, devices and the process's own output, which are written as they are and never waited for without end.

use super::system;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// How long a reader may take no byte.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether `path` is a stream: a pipe, a device, or one of the process's own streams, such as `/dev/stdout`,
/// redirected or not.
///
/// ```
/// # let folder = tempfile::tempdir().expect("a folder");
/// assert!(!impasto::files::is_stream(&folder.path().join("a.png")));
/// ```
pub fn is_stream(path: &Path) -> bool {
    let own = ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc/self/fd"];
    own.iter().any(|stream| path.starts_with(stream))
        || fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// A stream that is open for writing.
#[derive(Debug)]
pub struct Stream {
    file: File,
    patience: Duration,
}

impl Stream {
    /// Opens a stream.
    ///
    /// # Errors
    /// No program reads a pipe, or what the system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: system::open_stream(path)?, patience: PATIENCE })
    }

    /// Opens a pipe that has a name and a reader, which gets an empty file if nothing is written. None for other streams,
    /// which are opened when they are written.
    ///
    /// # Errors
    /// No program reads it.
    pub fn open_pipe(path: &Path) -> io::Result<Option<Self>> {
        let is_pipe = fs::symlink_metadata(path).is_ok_and(|file| system::is_named_pipe(&file));
        if is_pipe { Self::open(path).map(Some) } else { Ok(None) }
    }

    #[cfg(all(test, unix))]
    pub(super) fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.file.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
            if !system::wait_for(&self.file, self.patience)? {
                let seconds = self.patience.as_secs();
                let reason = format!("its reader took nothing for {seconds} seconds");
                return Err(io::Error::new(io::ErrorKind::TimedOut, reason));
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
