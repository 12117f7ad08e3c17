//! Temporary files, which are locked while they are in use. The next run removes those that a killed run left.

use super::place::Place;
use super::system;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tempfile::NamedTempFile;

/// What the names of temporary files begin with.
const PREFIX: &str = ".impasto-";

/// What the names of temporary files end with.
const SUFFIX: &str = ".part";

/// How often a lock is tried, since another run may look at that moment whether the file is in use.
const TRIES: usize = 25;

/// The time between two of these.
const PAUSE: Duration = Duration::from_millis(20);

/// The folders that are remembered as free of what killed runs left.
const MOST_SWEPT: usize = 64;

/// An error of the system without the name of a temporary file.
pub fn nameless(error: &io::Error) -> io::Error {
    // The crate `tempfile` wraps the system's error in one that names the file. Its number is in the text alone.
    let text = error.to_string();
    let number = text.split_once("(os error ").and_then(|(_, rest)| rest.split_once(')'));
    let code = number.and_then(|(number, _)| number.parse().ok());
    code.map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

/// A temporary file, which is removed unless it is renamed.
pub struct Temporary(NamedTempFile);

impl Temporary {
    /// In this folder, for a file that will have the mode of `old`.
    pub fn beside(folder: &Path, old: Option<&Metadata>) -> io::Result<Self> {
        sweep(folder);
        for _ in 0..TRIES {
            let mut builder = tempfile::Builder::new();
            builder.prefix(PREFIX).suffix(SUFFIX);
            #[cfg(unix)]
            builder.permissions(system::new_mode(old.is_some()));
            #[cfg(not(unix))]
            let _ = old;
            // A user never asked for the temporary name.
            let file = builder.tempfile_in(folder).map_err(|error| nameless(&error))?;
            // Between the two, another run may have found it and taken it for one that a killed run left.
            match lock(file.as_file()) {
                Lock::Unsupported => return Ok(Self(file)),
                Lock::Held if is_still(file.as_file(), file.path()) => return Ok(Self(file)),
                Lock::Taken | Lock::Held => {}
            }
        }
        Err(io::Error::other("temporary files there do not stay"))
    }

    /// In the folder for temporary files, readable by this user alone.
    pub fn elsewhere() -> io::Result<Self> {
        let about = fs::metadata(std::env::temp_dir())?;
        Self::beside(&std::env::temp_dir(), Some(&about))
    }

    pub fn file(&self) -> &File {
        self.0.as_file()
    }

    pub fn file_mut(&mut self) -> &mut File {
        self.0.as_file_mut()
    }

    /// Whether the folder takes names that differ in case alone for one: whether this file has its name in capitals too.
    pub fn ignores_case(&self) -> bool {
        let path = self.0.path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        is_still(self.0.as_file(), &path.with_file_name(name.to_uppercase()))
    }

    /// Gives the file its name. It is not locked any more.
    ///
    /// # Errors
    /// What the system says, with the temporary file.
    pub fn rename(self, target: &Path) -> Result<File, (io::Error, Self)> {
        let file = self.0.persist(target).map_err(|error| (error.error, Self(error.file)))?;
        let _ = file.unlock();
        Ok(file)
    }
}

/// A mark that a run is going to write a place: an empty file that is locked as long as the run lives.
#[derive(Debug)]
pub struct Claim {
    file: File,
    path: PathBuf,
}

impl Claim {
    /// None where files cannot be locked, or the folder takes none.
    ///
    /// # Errors
    /// Another run has the claim.
    pub fn take(place: &Place) -> io::Result<Option<Self>> {
        let name = format!("{PREFIX}claim-{:016x}{SUFFIX}", hash(&place.compared_name()));
        let path = place.folder().join(name);
        let about = system::attributes(place.folder());
        if about.is_append_only || about.is_immutable {
            // It could not be removed.
            return Ok(None);
        }
        for _ in 0..TRIES {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            let Ok(file) = system::careful(&mut options).open(&path) else { return Ok(None) };
            match lock(&file) {
                Lock::Held if is_still(&file, &path) => return Ok(Some(Self { file, path })),
                Lock::Held => {}
                Lock::Taken => std::thread::sleep(PAUSE),
                Lock::Unsupported => {
                    let _ = fs::remove_file(&path);
                    return Ok(None);
                }
            }
        }
        Err(io::Error::other(
            "another run is going to write it: wait for its end, or name another file",
        ))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if is_still(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

enum Lock {
    Held,
    Taken,
    Unsupported,
}

fn lock(file: &File) -> Lock {
    match file.try_lock() {
        Ok(()) => Lock::Held,
        Err(TryLockError::WouldBlock) => Lock::Taken,
        Err(TryLockError::Error(_)) => Lock::Unsupported,
    }
}

/// Whether a path still leads to this file.
fn is_still(file: &File, path: &Path) -> bool {
    let (Ok(file), Ok(found)) = (file.metadata(), fs::symlink_metadata(path)) else { return false };
    found.is_file() && system::identity(&file) == system::identity(&found)
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u64 {
    let add = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, add)
}

/// Removes the temporary files in a folder whose runs are over, the first time that this program writes there.
pub fn sweep(folder: &Path) {
    static SWEPT: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    let mut swept = SWEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if swept.iter().any(|known| known == folder) {
        return;
    }
    if swept.len() >= MOST_SWEPT {
        swept.remove(0);
    }
    swept.push(folder.into());
    drop(swept);
    remove_dead(folder);
}

/// Removes the temporary files in a folder that no run has locked.
pub fn remove_dead(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten().filter(|entry| is_temporary(&entry.file_name())) {
        let path = entry.path();
        let mut options = OpenOptions::new();
        let Ok(file) = system::careful(options.read(true).write(true)).open(&path) else {
            continue;
        };
        if matches!(lock(&file), Lock::Held) && is_still(&file, &path) {
            let _ = fs::remove_file(&path);
        }
    }
}

/// Whether a file has the name of a temporary file.
pub fn is_temporary(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(PREFIX.as_bytes()) && name.ends_with(SUFFIX.as_bytes())
}
