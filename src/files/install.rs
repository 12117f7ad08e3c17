//! Gives a place the contents of a temporary file: by renaming it or, where that is refused, by writing the file that is
//! there.

use super::place::Place;
use super::system;
use super::temporary::{Temporary, nameless};
use super::way::{Prepared, Way, open_old};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Gives the place its contents, if `check` allows it. `check` is called just before anything changes. Returns the file.
///
/// # Errors
/// The place cannot be written. The message names a file with the contents if they could be kept.
pub fn install(
    prepared: Prepared,
    check: impl Fn(&Place) -> io::Result<()>,
) -> Result<File, io::Error> {
    let Prepared { mut place, way, temporary } = prepared;
    let mut temporary = match sync(temporary.file()).and_then(|()| check(&place)) {
        Err(error) => return Err(keep(&place, temporary, &error)),
        Ok(()) if way == Way::Replace => match temporary.rename(&place.path()) {
            Ok(file) => return Ok(file),
            Err((error, temporary)) if is_refusal(&error) => temporary,
            Err((error, temporary)) => return Err(keep(&place, temporary, &error)),
        },
        Ok(()) => temporary,
    };
    let written = if place.identity().is_some() || open_old(&place.path()).is_ok() {
        place.set_in_place(true);
        check(&place).and_then(|()| write_in_place(&place, temporary.file_mut()))
    } else {
        create(&place, temporary.file_mut())
    };
    written.map_err(|error| keep(&place, temporary, &error))
}

/// Whether renaming was refused for what the old file is, and not for lack of space or a broken disk.
fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind::{CrossesDevices, PermissionDenied, ResourceBusy};
    matches!(error.kind(), ResourceBusy | PermissionDenied | CrossesDevices)
}

/// Waits until a file is on the disk. A file system that cannot say so is no failure.
fn sync(file: &File) -> io::Result<()> {
    match file.sync_all() {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) =>
        {
            Ok(())
        }
        other => other,
    }
}

/// Writes a file from its start.
fn overwrite(file: &mut File, contents: &mut File) -> io::Result<()> {
    contents.rewind()?;
    file.rewind()?;
    let length = io::copy(contents, file)?;
    file.set_len(length)?;
    file.seek(SeekFrom::End(0))?;
    sync(file)
}

/// Writes the file that is there. Its old contents are copied aside first, and come back if the write fails.
fn write_in_place(place: &Place, contents: &mut File) -> io::Result<File> {
    let mut file = open_old(&place.path())?;
    let found = file.metadata()?;
    if !found.is_file() || system::identity(&found) != place.identity() {
        return Err(io::Error::other("another file took its place meanwhile"));
    }
    let mut backup = if found.len() > 0 { Some(set_aside(place, &mut file)?) } else { None };
    let Err(error) = overwrite(&mut file, contents) else { return Ok(file) };
    let restored = match &mut backup {
        Some(backup) => overwrite(&mut file, backup.as_file_mut()),
        None => file.set_len(0),
    };
    match (restored, backup.map(NamedTempFile::keep)) {
        (Err(_), Some(Ok((_, path)))) => Err(io::Error::new(
            error.kind(),
            format!("{error}; its old contents are in {}", path.display()),
        )),
        _ => Err(error),
    }
}

/// Copies a file to one with a name that no run removes, so that a kill while the file is written loses nothing.
fn set_aside(place: &Place, file: &mut File) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".impasto-backup-");
    let about = system::attributes(place.folder());
    let is_fixed = about.is_append_only || about.is_immutable;
    let beside = if is_fixed { None } else { builder.tempfile_in(place.folder()).ok() };
    let mut backup = match beside {
        Some(backup) => backup,
        None => builder.tempfile().map_err(|error| nameless(&error))?,
    };
    file.rewind()?;
    io::copy(file, backup.as_file_mut())?;
    sync(backup.as_file())?;
    Ok(backup)
}

/// Writes a new file under its own name.
fn create(place: &Place, contents: &mut File) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let path = place.path();
    let mut file = system::careful(options.write(true).create_new(true)).open(&path)?;
    overwrite(&mut file, contents).inspect_err(|_| {
        // Where it cannot be removed either, it is empty.
        let _ = file.set_len(0);
        let _ = std::fs::remove_file(&path);
    })?;
    Ok(file)
}

/// Keeps the contents under a name that the error says. Returns the error.
fn keep(place: &Place, temporary: Temporary, error: &io::Error) -> io::Error {
    match keep_as(place, temporary) {
        Ok(path) => io::Error::new(
            error.kind(),
            format!("{error}; what it would contain is in {}", path.display()),
        ),
        Err(_) => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Keeps the contents as `painted-unsaved-….png`, in the same folder or in the one for temporary files.
fn keep_as(place: &Place, mut temporary: Temporary) -> io::Result<PathBuf> {
    let path = place.path();
    let part = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let (stem, ending) = (part(path.file_stem()), part(path.extension()));
    let (prefix, suffix) = (format!("{stem}-unsaved-"), format!(".{ending}"));
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(if ending.is_empty() { "" } else { &suffix });
    let about = system::attributes(place.folder());
    if !about.is_append_only
        && let Ok(kept) = builder.tempfile_in(place.folder())
    {
        let (_, path) = kept.keep().map_err(|error| error.error)?;
        match temporary.rename(&path) {
            Ok(_) => return Ok(path),
            Err((_, back)) => temporary = back,
        }
        let _ = std::fs::remove_file(&path);
    }
    keep_copy(&mut builder, temporary.file_mut(), &std::env::temp_dir())
}

fn keep_copy(
    builder: &mut tempfile::Builder<'_, '_>,
    contents: &mut File,
    folder: &Path,
) -> io::Result<PathBuf> {
    let mut kept = builder.tempfile_in(folder)?;
    contents.rewind()?;
    io::copy(contents, kept.as_file_mut())?;
    Ok(kept.keep().map_err(|error| error.error)?.1)
}
