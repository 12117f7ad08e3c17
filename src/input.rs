//! Files that are read: opened once and without waiting, and never read further than a limit.
//!
//! What a path names may change between a look at it and its use, and the size of a file may be wrong: files of `/proc`
//! have 0 bytes, and some of them block. So the kind, the size and the contents are those of one open file.

use crate::error::{Error, Result};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::Path;

/// Opens a regular file. Returns it with its length in bytes, which is not 0. Does not wait for the other end of a pipe,
/// and does not touch a device.
///
/// ```
/// let (_, length) = impasto::input::open("logo.jpg")?;
/// assert_eq!(length, std::fs::metadata("logo.jpg").expect("a file").len());
/// # Ok::<(), impasto::Error>(())
/// ```
///
/// # Errors
/// No such file, an empty one, or a directory, a pipe or a device.
pub fn open(path: impl AsRef<Path>) -> Result<(File, u64)> {
    let path = path.as_ref();
    opened(path).map_err(|source| unreadable(path, source))
}

/// Opens a file, or a stream such as a pipe. Opening a named pipe waits for its writer.
///
/// ```
/// use std::io::Read;
///
/// let mut start = [0; 2];
/// let mut file = impasto::input::open_stream("logo.jpg")?;
/// file.read_exact(&mut start).expect("a long file");
/// assert_eq!(start, [0xFF, 0xD8]);
/// # Ok::<(), impasto::Error>(())
/// ```
///
/// # Errors
/// No such file, an empty one, or a directory.
pub fn open_stream(path: impl AsRef<Path>) -> Result<File> {
    let path = path.as_ref();
    let opened = || {
        let found = fs::metadata(path)?;
        if found.is_file() || found.is_dir() { Ok(opened(path)?.0) } else { File::open(path) }
    };
    opened().map_err(|source| unreadable(path, source))
}

/// The text of a file or a stream of at most so many bytes.
///
/// ```
/// let text = impasto::input::read_text("Cargo.toml", 1 << 20)?;
/// assert!(text.contains("impasto"));
/// assert!(impasto::input::read_text("Cargo.toml", 9).is_err());
/// # Ok::<(), impasto::Error>(())
/// ```
///
/// # Errors
/// As [`open_stream`], more bytes, or bytes that are not UTF-8.
pub fn read_text(path: impl AsRef<Path>, most: u64) -> Result<String> {
    let path = path.as_ref();
    let file = open_stream(path)?;
    let mut bytes = Vec::new();
    let read = file.take(most.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|source| unreadable(path, source))?;
    if bytes.len() as u64 > most {
        let reason = format!("it has more than {most} bytes: name another file");
        return Err(unreadable(path, io::Error::other(reason)));
    }
    String::from_utf8(bytes).map_err(|_| {
        unreadable(path, io::Error::other("it is no text: save it in the encoding UTF-8"))
    })
}

fn opened(path: &Path) -> io::Result<(File, u64)> {
    // Before it is opened, since opening a device may do something.
    regular(&fs::metadata(path)?)?;
    let file = open_without_waiting(path)?;
    // It may be another one by now.
    let length = regular(&file.metadata()?)?;
    if length == 0 {
        return Err(io::Error::other("the file is empty"));
    }
    Ok((file, length))
}

/// The length of a regular file.
fn regular(found: &Metadata) -> io::Result<u64> {
    if found.is_dir() {
        return Err(io::Error::other("it is a directory: name a file in it"));
    }
    if !found.is_file() {
        return Err(io::Error::other(
            "it is a pipe or a device, no regular file: save its contents to a file first",
        ));
    }
    Ok(found.len())
}

#[cfg(unix)]
fn open_without_waiting(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    fs::OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

#[cfg(not(unix))]
fn open_without_waiting(path: &Path) -> io::Result<File> {
    File::open(path)
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::File { action: "read", path: path.into(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused<T>(outcome: Result<T>) -> String {
        outcome.err().expect("refused").to_string()
    }

    #[test]
    fn only_regular_files_with_contents_are_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        assert!(refused(open(&path)).starts_with("cannot read"));
        assert!(refused(open(folder.path())).ends_with("it is a directory: name a file in it"));
        assert!(refused(open_stream(folder.path())).contains("it is a directory"));
        fs::write(&path, "").expect("written");
        assert!(refused(open(&path)).ends_with("a: the file is empty"));
        assert!(refused(open_stream(&path)).ends_with("a: the file is empty"));
        fs::write(&path, "five\n").expect("written");
        assert_eq!(open(&path).expect("a file").1, 5);
        assert_eq!(read_text(&path, 5).expect("a text"), "five\n");
        assert!(refused(read_text(&path, 4)).contains("more than 4 bytes"));
        fs::write(&path, b"\xFF").expect("written");
        assert!(refused(read_text(&path, 4)).contains("UTF-8"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn pipes_devices_and_files_that_block_are_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
        assert!(made.success());
        for path in [&pipe, Path::new("/dev/zero")] {
            assert!(refused(open(path)).contains("it is a pipe or a device"), "{}", path.display());
        }
        // As /proc/kmsg, of 0 bytes by its metadata.
        for path in ["/proc/kmsg", "/proc/version"] {
            if Path::new(path).exists() {
                let refused = refused(open(path));
                // Only the administrator may open the former.
                assert!(refused.contains("empty") || refused.contains("ermi"), "{refused}");
            }
        }
        // A stream without end.
        assert!(refused(read_text("/dev/zero", 1000)).contains("more than 1000 bytes"));
    }
}
