//! Files that are written whole or not at all.
//!
//! A file is written under a temporary name beside its target and then renamed. An interrupted run
//! leaves the old file unchanged.

use crate::error::{Error, Result};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How many links a path may lead through.
const MOST_LINKS: usize = 40;

/// Writes `bytes` to `path`, whole or not at all; a link is followed, not replaced. A stream (see
/// [`is_stream`]) is written to directly.
///
/// # Errors
/// The folder is missing or closed, or the disk is full.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let error = |source| Error::File { action: "write", path: path.into(), source };
    if is_stream(path) {
        // To the end of what others wrote there: standard output may well be a file.
        let stream = fs::OpenOptions::new().append(true).open(path);
        return stream.and_then(|mut stream| stream.write_all(bytes)).map_err(error);
    }
    let target = place(path).map_err(error)?;
    let mut file = temporary_beside(&target).map_err(error)?;
    let opened = file.as_file_mut();
    opened.write_all(bytes).and_then(|()| opened.sync_all()).map_err(error)?;
    file.persist(&target).map_err(|e| error(e.error))?;
    Ok(())
}

/// Writes a file with `fill`, whole or not at all: not at all if `fill` fails or returns false, which this
/// returns too. A stream is written to directly.
///
/// # Errors
/// The folder is missing or closed, the disk is full, or an error of `fill`.
#[cfg(feature = "pictures")]
pub(crate) fn write_with(
    path: &Path,
    fill: impl FnOnce(&mut fs::File) -> Result<bool>,
) -> Result<bool> {
    let error = |source| Error::File { action: "write", path: path.into(), source };
    if is_stream(path) {
        let mut stream = fs::OpenOptions::new().append(true).open(path).map_err(error)?;
        return fill(&mut stream);
    }
    let target = place(path).map_err(error)?;
    let mut file = temporary_beside(&target).map_err(error)?;
    let opened = file.as_file_mut();
    if !fill(opened)? {
        return Ok(false);
    }
    opened.sync_all().map_err(error)?;
    file.persist(&target).map_err(|e| error(e.error))?;
    Ok(true)
}

/// Finds out, before any work is done, whether [`write()`] to `path` can succeed.
///
/// # Errors
/// The folder is missing or closed, or `path` is a directory, a read-only file or no possible name.
pub fn check_writable(path: &Path) -> Result<()> {
    let error = |source| Error::File { action: "write", path: path.into(), source };
    if is_stream(path) {
        // Not opened: a reader of the pipe would take an empty file for its whole contents.
        return Ok(());
    }
    let target = place(path).map_err(error)?;
    match fs::metadata(&target) {
        Ok(found) if found.is_dir() => {
            return Err(error(io::Error::other("it is a directory: name a file in it")));
        }
        Ok(found) if found.permissions().readonly() => {
            return Err(error(io::Error::other("it is there already and read-only")));
        }
        Err(reason) if reason.kind() != io::ErrorKind::NotFound => return Err(error(reason)),
        _ => {}
    }
    temporary_beside(&target).map(drop).map_err(error)
}

/// Whether `path` is a stream: a pipe, a device, or one of the process's own streams, such as `/dev/stdout`,
/// redirected or not.
pub fn is_stream(path: &Path) -> bool {
    let own = ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc/self/fd"];
    own.iter().any(|stream| path.starts_with(stream))
        || fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// The one place that a path means, whether or not there is a file yet: links followed, the folder
/// absolute.
///
/// # Errors
/// A missing folder, a name that ends in a separator, or links that lead nowhere.
pub fn place(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        if path.as_os_str().as_encoded_bytes().last().is_some_and(|b| b"/\\".contains(b))
            || path.file_name().is_none()
        {
            return Err(io::Error::other("it names a folder: name a file in it"));
        }
        let folder = folder_of(&path);
        if let Ok(target) = fs::read_link(&path) {
            path = folder.join(target);
            continue;
        }
        return match fs::canonicalize(folder) {
            Ok(found) if found.is_dir() => Ok(found.join(path.file_name().unwrap_or_default())),
            _ => Err(io::Error::other(format!("there is no folder {}", folder.display()))),
        };
    }
    Err(io::Error::other("it is a link that leads back to itself"))
}

/// The folder that contains a path.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn temporary_beside(target: &Path) -> io::Result<tempfile::NamedTempFile> {
    let folder = folder_of(target);
    if !folder.is_dir() {
        return Err(io::Error::other(format!("there is no folder {}", folder.display())));
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".impasto-").suffix(".part");
    // As if created in the ordinary way: what the umask leaves of read and write for all.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    // Only the kind: the rest of the message is the temporary name, which a user never asked for.
    builder.tempfile_in(folder).map_err(|error| error.kind().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.txt");
        write(&path, b"one").expect("written");
        write(&path, b"two").expect("replaced");
        assert_eq!(fs::read(&path).expect("read"), b"two");
        check_writable(&folder.path().join("b.txt")).expect("writable");
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_even_where_they_lead_to_nothing_yet() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().expect("a folder");
        let [link, target, round] = ["link", "target", "round"].map(|n| folder.path().join(n));
        symlink("target", &link).expect("linked");
        symlink("round", &round).expect("linked");
        assert_eq!(place(&link).expect("a place"), place(&target).expect("a place"));
        write(&link, b"through").expect("written");
        assert_eq!(fs::read(&target).expect("read"), b"through");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert!(check_writable(&round).expect_err("unwritable").to_string().contains("itself"));
    }

    #[test]
    fn impossible_names_are_found_out_early() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["a.png/".to_string(), "a".repeat(300)] {
            assert!(check_writable(&folder.path().join(name)).is_err());
        }
    }

    #[test]
    fn unwritable_places_are_found_out_early() {
        let folder = tempfile::tempdir().expect("a folder");
        let message = |path: &Path| check_writable(path).expect_err("unwritable").to_string();
        assert!(message(folder.path()).contains("directory"));
        assert!(message(&folder.path().join("missing/a.txt")).contains("no folder"));
        let path = folder.path().join("read-only.txt");
        fs::write(&path, "kept").expect("written");
        let mut permissions = fs::metadata(&path).expect("there").permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&path, permissions).expect("set");
        assert!(message(&path).contains("read-only"));
        if cfg!(target_os = "linux") {
            let message = message(Path::new("/proc/picture.png"));
            assert!(message.contains("not found") && !message.contains(".impasto"), "{message}");
        }
    }
}
