//! `Writer`: a file that is written bit by bit.

use super::install::install;
use super::place::{Place, resolve};
use super::reservation::{Entry, reserved};
use super::stream::{Stream, is_stream};
#[cfg(feature = "pictures")]
use super::temporary::Temporary;
use super::way::Prepared;
use crate::error::{Error, Result};
use std::fmt;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Writes a file bit by bit. There is no file, or the old one, until [`finish`](Self::finish). A stream (see
/// [`is_stream`](super::is_stream())) is written to directly.
///
/// ```
/// use impasto::files::Writer;
/// use std::io::Write;
///
/// # let folder = tempfile::tempdir().expect("a folder");
/// # let path = folder.path().join("table.csv");
/// let mut writer = Writer::create(&path)?;
/// writeln!(writer, "x,y").expect("space on the disk");
/// assert!(!path.exists());
/// writer.finish()?;
/// assert!(path.exists());
/// # Ok::<(), impasto::Error>(())
/// ```
pub struct Writer {
    path: PathBuf,
    reserved: Option<Arc<Entry>>,
    sink: Sink,
}

enum Sink {
    Stream(Stream),
    File(Box<Prepared>),
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Writer {
    /// Prepares a file to be written. See [`Writer`] for an example.
    ///
    /// # Errors
    /// As [`check_writable`](super::check_writable), no program reads a pipe, or a path that is
    /// [reserved](super::reserve()) leads elsewhere than before.
    pub fn create(path: &Path) -> Result<Self> {
        let reserved = reserved(path);
        let error = |source| Error::File { action: "write", path: path.into(), source };
        let sink = if is_stream(path) {
            let opened = reserved.as_ref().and_then(|entry| entry.take_stream());
            Sink::Stream(opened.map_or_else(|| Stream::open(path), Ok).map_err(error)?)
        } else {
            let prepared = Prepared::new(path).map_err(error)?;
            let check = reserved.as_ref().map_or(Ok(()), |entry| entry.check(&prepared.place));
            check.map_err(error)?;
            Sink::File(Box::new(prepared))
        };
        Ok(Self { path: path.into(), reserved, sink })
    }

    /// Gives the file its name and its contents. See [`Writer`] for an example.
    ///
    /// # Errors
    /// The disk is full, the path leads elsewhere than before, or the place cannot be written after all. Where the
    /// contents are complete they are kept, and the message names the file that has them.
    pub fn finish(self) -> Result<()> {
        self.publish().map(drop)
    }

    /// As [`finish`](Self::finish). What is written to the result is at the end of the file or the stream.
    pub(super) fn publish(self) -> Result<Box<dyn Write + Send>> {
        let Self { path, reserved, sink } = self;
        let published = match sink {
            Sink::Stream(mut stream) => stream.flush().map(|()| Box::new(stream) as _),
            Sink::File(prepared) => {
                let check = |place: &Place| check(&path, place, reserved.as_deref());
                install(*prepared, check).map(|file| Box::new(Whole(file)) as _)
            }
        };
        published.map_err(|source| Error::File { action: "write", path, source })
    }

    /// The file that is written before it has its name, for formats that write out of order. A stream gets its contents
    /// when it is complete.
    #[cfg(feature = "pictures")]
    pub(super) fn fill(mut self, fill: impl FnOnce(&mut File) -> Result<bool>) -> Result<bool> {
        let stream = match &mut self.sink {
            Sink::File(prepared) => {
                let is_whole = fill(prepared.temporary.file_mut())?;
                return if is_whole { self.finish().map(|()| true) } else { Ok(false) };
            }
            Sink::Stream(stream) => stream,
        };
        let path = &self.path;
        let error = |source| Error::File { action: "write", path: path.clone(), source };
        let mut temporary = Temporary::elsewhere().map_err(error)?;
        if !fill(temporary.file_mut())? {
            return Ok(false);
        }
        let file = temporary.file_mut();
        file.rewind().and_then(|()| io::copy(file, stream)).map_err(error)?;
        self.finish().map(|()| true)
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.sink {
            Sink::Stream(stream) => stream.write(bytes),
            Sink::File(prepared) => prepared.temporary.file_mut().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Stream(stream) => stream.flush(),
            Sink::File(prepared) => prepared.temporary.file_mut().flush(),
        }
    }
}

/// A file of which a write that fails leaves nothing, so that each of its lines is whole.
struct Whole(File);

impl Write for Whole {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let before = self.0.stream_position()?;
        if let Err(error) = self.0.write_all(bytes) {
            let _ = self.0.set_len(before).and_then(|()| self.0.seek(SeekFrom::Start(before)));
            return Err(error);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// An error if the path leads elsewhere than to the place that was prepared, or than when it was reserved.
fn check(path: &Path, place: &Place, reserved: Option<&Entry>) -> io::Result<()> {
    let now = resolve(path)?;
    if now.path() != place.path() {
        let now = now.path();
        return Err(io::Error::other(format!("it leads to {} now", now.display())));
    }
    reserved.map_or(Ok(()), |entry| entry.check(&now.like(place)))
}
