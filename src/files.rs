//! Files that are written whole or not at all.
//!
//! A file is written under a temporary name beside its target and then renamed. An interrupted run
//! leaves the old file unchanged. The new file has the mode of the old one and, where possible, its owner and group.
//!
//! Where no other file can take the place of the old one, the old one is written in place: a mount point, the file of
//! another user in a folder such as `/tmp`, a file whose owner or access list a new one would not have, and a folder whose
//! names cannot be changed. Its old contents are copied aside first, to a file `.impasto-backup-…`, and come back if the
//! write fails.
//!
//! [`reserve()`] checks all outputs of a program before it works. Temporary files are called `.impasto-….part` and are
//! locked. The first write to a folder removes those whose program is not running any more, where files can be locked.

mod install;
mod place;
mod reservation;
mod stream;
mod system;
mod temporary;
mod way;
mod writer;

pub use place::Place;
pub use reservation::{Reservation, release_all, reserve};
pub use stream::is_stream;
pub use writer::Writer;

use crate::error::{Error, Result};
use std::fs;
use std::io::Write;
use std::path::Path;
use way::Prepared;

/// Writes `bytes` to `path`, whole or not at all; a link is followed, not replaced. A stream (see
/// [`is_stream`]) is written to directly.
///
/// # Errors
/// The folder is missing or closed, or the disk is full. See [`Writer::create`] and [`Writer::finish`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    begin(path, bytes).map(drop)
}

/// Writes `bytes` to `path` as [`write()`] does. What is written to the result later is at the end of the file, and is
/// there at once. A write that fails leaves nothing of it in a file.
///
/// ```
/// use impasto::files;
///
/// # let folder = tempfile::tempdir().expect("a folder");
/// # let path = folder.path().join("log.csv");
/// let mut log = files::begin(&path, b"step,loss\n")?;
/// writeln!(log, "1,0.5").expect("space on the disk");
/// assert_eq!(std::fs::read(&path).expect("a file"), b"step,loss\n1,0.5\n");
/// # use std::io::Write;
/// # Ok::<(), impasto::Error>(())
/// ```
///
/// # Errors
/// As [`write()`].
pub fn begin(path: &Path, bytes: &[u8]) -> Result<Box<dyn Write + Send>> {
    let mut writer = Writer::create(path)?;
    let error = |source| Error::File { action: "write", path: path.into(), source };
    writer.write_all(bytes).map_err(error)?;
    writer.publish()
}

/// Writes a file with `fill`, whole or not at all: not at all if `fill` fails or returns false, which this
/// returns too. A stream gets its contents when they are complete.
///
/// # Errors
/// As [`write()`], or an error of `fill`.
#[cfg(feature = "pictures")]
pub(crate) fn write_with(
    path: &Path,
    fill: impl FnOnce(&mut fs::File) -> Result<bool>,
) -> Result<bool> {
    Writer::create(path)?.fill(fill)
}

/// Finds out, before any work is done, whether [`write()`] to `path` can succeed, by the same steps. [`reserve()`] also
/// compares outputs with each other and with inputs.
///
/// # Errors
/// The folder is missing or closed, or `path` is a directory, a read-only file, a file that neither can be replaced nor
/// written, or no possible name.
pub fn check_writable(path: &Path) -> Result<()> {
    if is_stream(path) {
        // Not opened: a reader of the pipe would take an empty file for its whole contents.
        return Ok(());
    }
    let error = |source| Error::File { action: "write", path: path.into(), source };
    Prepared::new(path).map(drop).map_err(error)
}

/// Whether a folder has nothing but temporary files of runs that are over, which it has not any more then.
///
/// ```
/// # let folder = tempfile::tempdir().expect("a folder");
/// # let folder = folder.path();
/// std::fs::write(folder.join(".impasto-a1b2c3.part"), "left by a run that was killed").expect("written");
/// assert!(impasto::files::is_empty_folder(folder)?);
/// # Ok::<(), impasto::Error>(())
/// ```
///
/// # Errors
/// No folder, or one that cannot be read.
pub fn is_empty_folder(folder: &Path) -> Result<bool> {
    let error = |source| Error::File { action: "read", path: folder.into(), source };
    temporary::remove_dead(folder);
    let mut entries = fs::read_dir(folder).map_err(error)?;
    Ok(entries.next().is_none())
}

#[cfg(test)]
mod tests;
