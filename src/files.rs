//! Files that are either whole or not there: written under a temporary name beside their target,
//! then renamed, so that an interrupted run leaves the old file as it was.

use crate::error::{Error, Result};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes `bytes` to `path`, whole or not at all. What is no regular file (a pipe, `/dev/null`)
/// is written to directly.
///
/// # Errors
/// The folder is missing or closed, or the disk is full.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let error = |source| Error::File { action: "write", path: path.into(), source };
    if is_special(path) {
        return fs::write(path, bytes).map_err(error);
    }
    let target = resolve(path);
    let mut file = temporary_beside(&target).map_err(error)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(error)?;
    file.persist(&target).map_err(|e| error(e.error))?;
    Ok(())
}

/// Finds out, before any work is done, whether [`write()`] to `path` can succeed.
///
/// # Errors
/// The folder is missing or closed, or `path` is a directory or a read-only file.
pub fn check_writable(path: &Path) -> Result<()> {
    let error = |source| Error::File { action: "write", path: path.into(), source };
    if is_special(path) {
        return fs::OpenOptions::new().write(true).open(path).map(drop).map_err(error);
    }
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            return Err(error(std::io::Error::other("it is a directory: name a file in it")));
        }
        Ok(found) if found.permissions().readonly() => {
            return Err(error(std::io::Error::other("it is there already and read-only")));
        }
        _ => {}
    }
    temporary_beside(&resolve(path)).map(drop).map_err(error)
}

/// Whether `path` is there and neither a regular file nor a directory.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// Where a link points, so that the link itself is not replaced.
fn resolve(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.into())
}

fn temporary_beside(target: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(std::io::Error::other(format!("there is no folder {}", folder.display())));
    }
    if target.file_name().is_none() {
        return Err(std::io::Error::other("it names no file"));
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
